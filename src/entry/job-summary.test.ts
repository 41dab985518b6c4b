import { describe, expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { OqeError } from "../ground/errors.ts";
import { newTraffic } from "../hub/traffic.ts";
import { type SummaryDependencies, writeSummary } from "./job-summary.ts";

const facts = {
  base: nemotronReceipt().base,
  series: nemotronReceipt().series,
  repositories: [
    { repository: "acme/N-oQ8e", outcome: "published", url: null, commit: null },
    { repository: "acme/N-oQ4e", outcome: "failed", url: null, commit: null },
  ],
  made: [],
  dryRun: false,
  private: false,
  run: { seconds: 1, peakBytes: 1, traffic: newTraffic(), action: null, expected: [] },
  warnings: [],
} as const;

/** What is written and warned about. */
async function run(dependencies: Partial<SummaryDependencies>) {
  const written: string[] = [];
  const warnings: string[] = [];
  await writeSummary(facts, {
    render: async () => "all well\n",
    write: async (text) => written.push(text),
    warn: (line) => warnings.push(line),
    ...dependencies,
  });
  return { written, warnings };
}

const repositories = "- `acme/N-oQ8e`: published\n- `acme/N-oQ4e`: failed\n";

describe("the job summary", () => {
  test("is written as rendered", async () => {
    expect(await run({})).toEqual({ written: ["all well\n"], warnings: [] });
  });

  test.each([
    ["its template", new OqeError("TEMPLATE", "summary.md.jinja: no fact x"), "no fact x"],
    ["our code", new TypeError("Cannot read properties of null"), "not as expected"],
  ])("lists the repositories where %s fails, with a warning", async (_, error, reason) => {
    const { written, warnings } = await run({ render: () => Promise.reject(error) });
    expect(written).toEqual([`The summary of this run could not be made.\n\n${repositories}`]);
    expect(warnings).toEqual([expect.stringContaining(reason)]);
    expect(warnings[0]).toMatch(/^the job summary could not be made: /);
    expect(warnings[0]).not.toContain("Cannot read");
  });

  test("of more than 1 MiB is replaced by the list, of just 1 MiB it is written", async () => {
    const most = "é".repeat(2 ** 19);
    expect((await run({ render: async () => most })).written).toEqual([most]);
    const { written, warnings } = await run({ render: async () => `${most}x` });
    expect(written).toEqual([
      `The summary of this run is too large for GitHub.\n\n${repositories}`,
    ]);
    expect(warnings).toEqual([
      "the job summary is too large: 1,048,577 of at most 1,048,576 bytes",
    ]);
  });

  test("that cannot be written is a warning", async () => {
    const full = Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC", syscall: "write" });
    const { warnings } = await run({ write: () => Promise.reject(full) });
    expect(warnings).toEqual(["the job summary could not be made: the disk is full"]);
  });
});
