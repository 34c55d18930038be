# The image of forgetd: a program, a CA bundle, time zones, and nothing to log in to.
#
#   podman build -t localhost/forgetd:0.1.0 .
#   podman build --build-arg FEATURES=postgres -t localhost/forgetd:0.1.0-postgres .
#
# Both bases are arguments: a mirror, and a digest (name:tag@sha256:..), belong there.
ARG BUILD=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD} AS build
# Which databases: any of mongodb, mysql, postgres, sqlite.
ARG FEATURES=mongodb,mysql,postgres,sqlite
ARG PROFILE=release
WORKDIR /source
COPY . .
RUN cargo build --locked --profile "$PROFILE" --no-default-features --features "$FEATURES" --bin forgetd --target-dir /target \
    && install -D -m 0755 "/target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")/forgetd" /out/forgetd

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="forgetd" \
      org.opencontainers.image.description="The daemon that forgets: declarative retention with evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/forgetd /usr/local/bin/forgetd
COPY LICENSE /usr/share/doc/forgetd/LICENSE
# MySQL's driver keeps up to 128 buffers, each as large as the largest packet it ever held: up to this many bytes.
ENV PATH=/usr/local/bin MYSQL_ASYNC_BUFFER_SIZE_CAP=65536
USER 65532:65532
EXPOSE 9878
ENTRYPOINT ["/usr/local/bin/forgetd"]
CMD ["serve"]
