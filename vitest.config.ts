import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The test files that take longest, in CPU time. They start first, so that no worker idles. */
const longest = [
  "act-events",
  "ahead",
  "mlx-conformance",
  "tuned-determinism",
  "arm64",
  "resume",
  "staging",
  "staged-measurement",
  "reads",
  "publish",
  "act-again",
  "mlx-forward",
  "state-files",
  "check",
  "bad-states",
  "bad-input/mid-walk",
  "sensitivity",
  "flipped-bits",
  "action",
  "repair",
  "planning",
  "upkeep-entry",
  "verify",
  "determinism",
  "two-runs",
  "act",
  "card-look",
  "event-states",
  "site",
  "bad-input/weights",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return at === -1 ? longest.length : at;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    // Tests run whole commands on shared machines of two cores. These limits only end a test that
    // hangs. While a test waits for a command, another worker uses the core.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 4,
    globalSetup: "test/support/bundle.ts",
    setupFiles: ["test/support/cpu-time.ts", "test/support/open-files.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      // Unit tests change nothing outside themselves, so their files share a worker's modules.
      { extends: true, test: { name: "unit", include: ["src/**/*.test.ts"], isolate: false } },
      { extends: true, test: { name: "whole", include: ["test/**/*.test.ts"] } },
    ],
  },
});
