/**
 * Builds the editor from editor/ into dist/editor. In development the server's own routes are proxied to
 * SPLICEBOARD_SERVER (default http://127.0.0.1:4400).
 */
import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const server = process.env.SPLICEBOARD_SERVER ?? 'http://127.0.0.1:4400';

export default defineConfig({
  root: fileURLToPath(new URL('./editor/', import.meta.url)),
  plugins: [react(), tailwindcss()],
  build: {
    outDir: fileURLToPath(new URL('./dist/editor/', import.meta.url)),
    emptyOutDir: true,
    target: 'es2023',
    // The content security policy of the server allows no inline data besides images.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/media', '/b', '/healthz', '/login'].map((path) => [path, { target: server, changeOrigin: false }]),
    ),
  },
});
