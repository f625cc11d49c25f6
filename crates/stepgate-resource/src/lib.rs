//! For resource servers: the step-up challenge (RFC 9470) and what a token must show.
