# syntax=docker/dockerfile:1
# The server alone. Both stages are the same Debian, so that OpenSSL is the one it was built against.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends libssl-dev make pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The caches outlive a build; `locked` because two builds may begin together.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin stepgate \
 && cp target/release/stepgate /usr/local/bin/stepgate

FROM debian:bookworm-slim
RUN apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/*
# A number, so that files outside can be given to it; no shell, no password.
RUN groupadd --gid 10001 stepgate \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/stepgate --create-home --shell /usr/sbin/nologin stepgate \
 && chmod 700 /var/lib/stepgate
COPY --from=build /usr/local/bin/stepgate /usr/local/bin/stepgate
USER 10001:10001
# Where a `stepgate.toml` is looked for; with SQLite, mount a volume here.
WORKDIR /var/lib/stepgate
ENV STEPGATE_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["stepgate"]
CMD ["serve"]
