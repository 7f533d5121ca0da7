# An image of the service; docs/deploy.md says how to run it. `make check-deploy` checks this file, `make image-rehearsal`
# builds and runs it.

# rust-toolchain.toml is not copied (.dockerignore), since it also asks for clippy and rustfmt; this is the same version.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# Only what the build needs: .dockerignore lists it.
COPY . .
# Libraries stay in the two caches between builds. A cache is in no image, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && \
    cp target/release/orders-inventory /usr/local/bin/

# The binary links to glibc and libgcc only, so this is the same Debian as above. An image without a shell would be smaller,
# but the health check is a line of bash, and so neither curl nor a command of our own is needed for it. The tag moves with
# Debian's security updates: `docker build --pull`.
FROM debian:bookworm-slim
# The database; a new volume gets this owner and mode. The number lets Kubernetes see that the user is not root.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
# For TLS to PostgreSQL: the authorities that the system trusts.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/bin/orders-inventory /usr/local/bin/

USER 10001:10001
# Nothing else is written, so the root may be read-only (--read-only).
VOLUME /data
WORKDIR /data
ENV HOST=0.0.0.0 \
    PORT=8080 \
    DATABASE_URL=sqlite:///data/orders-inventory.db \
    LOG_FORMAT=json
EXPOSE 8080

# Without a shell between, so that SIGTERM reaches the service. Secrets come with the environment of a container only.
ENTRYPOINT ["orders-inventory"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$PORT\" && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
