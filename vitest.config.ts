import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{db,runtime,nodes,server,editor,scripts,emulators,bench}/**/*.test.{ts,tsx}', 'tests/**/*.test.ts'],
    globalSetup: ['tests/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
