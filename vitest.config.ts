import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // The tests run whole commands on shared machines of two cores: these limits only end a test
    // that hangs.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    globalSetup: "test/support/bundle.ts",
    projects: [
      // Unit tests change nothing outside themselves, so their files share a worker and its
      // modules.
      { extends: true, test: { name: "unit", include: ["src/**/*.test.ts"], isolate: false } },
      { extends: true, test: { name: "whole", include: ["test/**/*.test.ts"] } },
    ],
  },
});
