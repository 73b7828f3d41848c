# The images of server and agent (`--target server`, `--target agent`): one static program each and nothing else.
# `make images` makes the same without a Docker daemon.

FROM rust:1.95 AS build
WORKDIR /src
COPY . .
RUN make release agent \
    && mkdir -p /out/data \
    && cp "target/$(rustc --print host-tuple)/release/slipway" "target/$(rustc --print host-tuple)/agent/slipway-agent" /out/

FROM scratch AS agent
COPY --from=build /out/slipway-agent /slipway-agent
USER 65532:65532
ENTRYPOINT ["/slipway-agent"]

FROM scratch AS server
# Not at /slipway: in the pods of tasks the agent has its mounts there.
COPY --from=build /out/slipway /usr/bin/slipway
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /var/lib/slipway
VOLUME /var/lib/slipway
ENV SLIPWAY_DATA_DIR=/var/lib/slipway PATH=/usr/bin
USER 65532:65532
ENTRYPOINT ["/usr/bin/slipway"]
