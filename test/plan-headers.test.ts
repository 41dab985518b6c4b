import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import {
  byArchitecture,
  copyModel,
  editConfig,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";
import { nemotron30b } from "./support/nemotron-30b.ts";

const model = smallest.nemotron_h!;
const rows = ["--calibration-samples", "4", "--calibration-length", "32", "--floors", "none"];

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const plan = async (...args: string[]) => {
  const { code, stdout, stderr } = await runCli(["plan", ...args, "--json"]);
  return { code, stderr, plan: code === 0 ? JSON.parse(stdout) : null };
};
const work = (name: string) => ["--work-dir", `${folder}/${name}`];

describe("oqe plan", () => {
  test("needs headers alone, and says what measuring would cost", async () => {
    await makeCheckpoint(`${folder}/Nemotron-30B`, nemotron30b, 2, "header-only");
    const { code, stderr, plan: found } = await plan(`${folder}/Nemotron-30B`, ...work("none"));
    expect({ code, policy: found?.policy }).toEqual({ code: 0, policy: "oq" });
    const fixed = await plan(`${folder}/Nemotron-30B`, "--policy", "oq");
    expect(found.tiers).toEqual(fixed.plan.tiers);
    // The base has 63.2 GB.
    expect(stderr).toMatch(
      /measuring would read 63\.\d GB and take about \S+ GB of memory and .* of arithmetic on/,
    );
    expect(stderr).toContain("--measure does it");
    expect(stderr).toContain("follows the fixed rules (policy oq)");
    expect(fixed.stderr).not.toContain("measuring");
    const text = await runCli(["plan", `${folder}/Nemotron-30B`, ...work("none")]);
    expect(text.stdout).toMatch(/^the folder Nemotron-30B, planned by fixed rules\n/);
  });

  test("says the same cost that a measurement says before it begins", async () => {
    const foreseen = await plan(model, ...rows, ...work("cost"));
    const measured = await plan(model, ...rows, ...work("cost"), "--measure");
    const [, bytes] = /would read (\S+ \S+) and/.exec(foreseen.stderr) ?? [];
    expect(bytes).toBeDefined();
    expect(measured.stderr).toContain(`reads ${bytes} (measuring ${bytes})`);
    const [, memory] = /about (\S+ \S+) of memory/.exec(foreseen.stderr) ?? [];
    expect(measured.stderr).toContain(`memory: about ${memory} at most`);
  });

  test("takes the measurement of just these inputs that a work folder has, and no other", async () => {
    const measured = await plan(model, ...rows, ...work("kept"), "--measure");
    expect(measured.plan.policy).toBe("measured");
    const again = await plan(model, ...rows, ...work("kept"));
    expect(again.plan).toEqual(measured.plan);
    expect(again.stderr).toContain(`measured before: ${folder}/kept/sensitivities/`);
    const otherRows = [...rows.slice(2), "--calibration-samples", "5"];
    for (const other of [
      [model, ...otherRows, ...work("kept")],
      [model, ...rows, ...work("kept"), "--domain-weights", "code=2"],
      [model, ...rows, ...work("elsewhere")],
    ]) {
      const { code, plan: found } = await plan(...other);
      expect({ code, policy: found?.policy }).toEqual({ code: 0, policy: "oq" });
    }
  });

  test("refuses a model that no run could pass through, whatever the method", async () => {
    const copy = await copyModel(byArchitecture.gpt_oss!, "windowless");
    await editConfig(copy, (config) => {
      config.sliding_window = 0;
    });
    const says = /config\.json: "sliding_window" should be a positive integer, got 0/;
    const ways = [[], ["--policy", "oq"], ["--method", "rounded", "--verify", "false"]];
    for (const way of ways) {
      const { code, stderr } = await plan(copy, ...way, ...work("none"));
      expect({ code, says: says.exec(stderr) }).toEqual({ code: 1, says: expect.anything() });
      expect(stderr).toContain("[BAD_CHECKPOINT]");
    }
    await removeFolder(dirname(copy));
  });
});
