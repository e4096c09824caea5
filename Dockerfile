# Two images from one build: the gateway (the default target) and the sample shop (`--target shop`).

FROM node:22-bookworm-slim AS build
WORKDIR /build
# The lock and what the install script needs come first: this layer is kept while only the code changes.
COPY package.json package-lock.json .npmrc ./
COPY scripts/complete-lock.mjs scripts/
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev && chmod 755 dist/gateway/cli/amarre.js

# The sample application: dist/examples/shop has no dependency but Node's own modules.
FROM node:22-bookworm-slim AS shop
ENV NODE_ENV=production
COPY --from=build /build/package.json /app/
COPY --from=build /build/dist/examples/shop /app/dist/examples/shop
USER 10002:10002
EXPOSE 3000
ENTRYPOINT ["node", "/app/dist/examples/shop/server.js", "--host", "0.0.0.0", "--port", "3000"]
CMD ["--version", "1.0.0", "--name", "a"]

FROM node:22-bookworm-slim AS gateway
RUN groupadd --gid 10001 amarre \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/amarre --shell /usr/sbin/nologin amarre \
  && install -d -o 10001 -g 10001 -m 700 /var/lib/amarre \
  && install -d /etc/amarre \
  && ln -s /app/dist/gateway/cli/amarre.js /usr/local/bin/amarre
# Keys and sessions live under the state directory: without a volume there they are lost with the container.
ENV NODE_ENV=production \
  AMARRE_ADMIN_LISTEN=0.0.0.0:9901 \
  AMARRE_STATE_DIRECTORY=/var/lib/amarre
COPY --from=build /build/package.json /app/
COPY --from=build /build/node_modules /app/node_modules
COPY --from=build /build/dist/gateway /app/dist/gateway
WORKDIR /var/lib/amarre
USER 10001:10001
VOLUME /var/lib/amarre
EXPOSE 8080 9901
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9901/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/gateway/cli/amarre.js"]
CMD ["start", "--config", "/etc/amarre"]
