DROP TABLE client_origins;
DROP TABLE replays;
DROP TABLE audit;
DROP TABLE consents;
