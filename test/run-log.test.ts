import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { rounded, runCli, tunedRows } from "./support/cli-run.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";

let folder: string;
let hub: LocalHub;
let requests = 0;
beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub`, onRequest: () => requests++ });
  await hub.seed("base/small", byArchitecture.llama!);
});
afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

/** The log of a command that ends well, in lines. */
async function logOf(...args: readonly string[]): Promise<string[]> {
  const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_ofThisTest" };
  const { code, stderr } = await runCli([...args, "--work-dir", `${folder}/work`], environment);
  expect(code, stderr).toBe(0);
  expect(stderr).not.toContain("hf_ofThisTest");
  return stderr.trimEnd().split("\n");
}

const stages = (log: readonly string[]) => log.filter((line) => /^\S/.test(line));

describe("the log of a run", () => {
  const publish = ["publish", "base/small", "--namespace", "me", "--tiers", "oQ8e,oQ4e"];

  test("numbers the stages, and ends with what went over the network", async () => {
    hub.faults.push({
      match: /whoami/,
      times: 1,
      action: { status: 503 },
    });
    requests = 0;
    const log = await logOf(...publish, ...rounded);
    expect(stages(log)).toEqual([
      "Check the token (1 of 9)",
      "Open the base model (2 of 9)",
      "Draw the rows (3 of 9)",
      "Look at the tier repositories (4 of 9)",
      "Check the cards (5 of 9)",
      "Estimate the run (6 of 9)",
      "Quantize (7 of 9)",
      "Publish me/small-oQ8e (8 of 9)",
      "Publish me/small-oQ4e (9 of 9)",
    ]);
    const [, counted, retries] =
      /took \d+ s and \S+ GB of memory at most\. It received \S+ [kM]B and sent \S+ [kM]B in (\d+) requests, with (.*)\.$/.exec(
        log.at(-1)!,
      ) ?? [];
    expect([Number(counted), retries]).toEqual([requests, "1 retry"]);
  });

  test("keeps the numbers where stages are left out, because all is published", async () => {
    expect(stages(await logOf(...publish, ...rounded))).toEqual([
      "Check the token (1 of 9)",
      "Open the base model (2 of 9)",
      "Draw the rows (3 of 9)",
      "Look at the tier repositories (4 of 9)",
      "Publish me/small-oQ8e (8 of 9)",
      "Publish me/small-oQ4e (9 of 9)",
    ]);
  });

  test("has a line for each block that is measured and tuned", async () => {
    const log = await logOf(
      ...["quantize", byArchitecture.llama!, "--out", `${folder}/out`, "--tiers", "oQ6e"],
      ...[...tunedRows, "--floors", "none", "--verify", "false"],
    );
    expect(stages(log).slice(-2)).toEqual(["Measure (4 of 5)", "Quantize (5 of 5)"]);
    const blocks = log.filter((line) => /^ {2}(block|the head)/.test(line));
    expect(blocks.map((line) => line.replace(/ \(.*\)/, ""))).toEqual([
      "  block 1 of 2: measured",
      "  block 2 of 2: measured",
      "  the head: measured",
      expect.stringMatching(/^ {2}block 1 of 2: (1 part|[2-9] parts) made$/),
      expect.stringMatching(/^ {2}block 2 of 2: (1 part|[2-9] parts) made$/),
      expect.stringMatching(/^ {2}the head: (1 part|[2-9] parts) made$/),
    ]);
    expect(log.at(-1)).toMatch(/took \d+ s and \S+ GB of memory at most\.$/);
  });

  test("of a verification numbers its stages too", async () => {
    const log = await logOf(
      ...["verify", "me/small-oQ8e", "--base", "base/small", "--evaluation-samples", "1"],
    );
    expect(stages(log)).toEqual([
      "Open the target (1 of 6)",
      "Open the base model (2 of 6)",
      "Check the files against the receipt (3 of 6)",
      "Draw the rows (4 of 6)",
      "Estimate the run (5 of 6)",
      "Evaluate (6 of 6)",
    ]);
  });
});
