import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Base } from "../src/base/base.ts";
import { silentReport } from "../src/ground/report.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { makeFolders } from "../src/series/folders.ts";
import { draftTiers, makePlan, openBase, planDrafts } from "../src/series/recipes.ts";
import { calibrate } from "../src/series/rows.ts";
import { TimeLimit } from "../src/series/time-limit.ts";
import { runCli } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const connect = () => {
  throw new Error("there is no Hub");
};

let folder: string;
let kernel: Kernel;
let base: Base;
beforeAll(async () => {
  folder = await scratchFolder();
  kernel = await openKernel({ workers: 2 });
  const model = { kind: "folder", path: smallest.nemotron_h! } as const;
  base = await openBase(model, connect, { allowHeaderOnly: false });
});
afterAll(async () => {
  await base.checkpoint.close();
  await kernel.close();
  await removeFolder(folder);
});

/** Makes and evaluates two tiers. Gives the hashes of their files, and the log. */
async function make(
  out: string,
  given: Record<string, string>,
  memoryForStates: number,
  { runner = kernel, ...room }: { readonly runner?: Kernel; readonly disk?: number } = {},
) {
  const inTurn = memoryForStates === 0;
  const own: Record<string, string> = {
    "base-model": smallest.nemotron_h!,
    ...{ policy: "oq", tiers: "oQ6e oQ4e", floors: "none" },
    ...{ "calibration-samples": "4", "calibration-length": "32" },
    ...{ "evaluation-samples": "2", "evaluation-length": "32" },
    ...given,
  };
  const inputs = parseInputs((name) => own[name] ?? "", {});
  const rows = await calibrate(base, inputs, connect, silentReport);
  const target = { folder: out, namespace: null, kernelSha256: kernel.sha256 };
  const names = { sensitivitySha256: null, proxyName: null };
  const drafts = await draftTiers(base, inputs, rows, { ...target, ...names });
  const plan = makePlan(base, inputs, null);
  const runs = planDrafts(drafts, { base, floors: inputs.floors, plan, sensitivity: null });
  const log: string[] = [];
  const report = { ...silentReport, info: (line: string) => void log.push(line) };
  const { gates } = inputs;
  await makeFolders({
    base,
    runs,
    replacing: inputs,
    gates,
    rows,
    memoryForStates,
    inTurn,
    staging: null,
    timeLimit: new TimeLimit(null),
    kernel: runner,
    report,
    ...room,
  });
  return { files: await folderHashes(out), log: log.join("\n") };
}

describe("the files of a series do not depend on what is kept in files", () => {
  test.each([
    [{ propagation: "reference" }],
    [{ propagation: "sequential", repair: "router,rounding,residual" }],
    [{ method: "rounded" }],
  ])("%o", async (given) => {
    const place = `${folder}/${Object.values(given).join("-")}`;
    const inMemory = await make(`${place}/memory`, given, Number.POSITIVE_INFINITY);
    expect(Object.keys(inMemory.files).filter((path) => /receipt/.test(path))).toHaveLength(2);
    expect(inMemory.log).not.toContain("hidden states");
    for (const some of [0, 20_000]) {
      const inFiles = await make(`${place}/${some}`, given, some);
      expect(inFiles.log).toMatch(/[\d,]+ bytes of hidden states were kept in files below/);
      expect(inFiles.files).toEqual(inMemory.files);
    }
  });
});

describe("a fault in the middle of a walk ends the run, and what was finished stays", () => {
  test("a job that no worker has memory for", async () => {
    let jobs = 0;
    /** More than an instance has memory for. The memory is reserved but never touched. */
    const tooLarge = () => {
      const weights = new Uint8Array(new SharedArrayBuffer(1.92e9));
      const shape = { rows: 1, columns: weights.length / 2, from: "BF16", store: "BF16" } as const;
      const widths = [{ bits: 4, groupSize: 64 }] as const;
      return kernel.quantize({ weights, ...shape, rounding: "stored", widths });
    };
    const run: Kernel["run"] = async (name, job) => {
      if (name === "tune" && ++jobs === 12) await tooLarge();
      return kernel.run(name, job);
    };
    const trapping = new Proxy(kernel, {
      get(own, name) {
        if (name === "run") return run;
        const value: unknown = Reflect.get(own, name, own);
        return typeof value === "function" ? value.bind(own) : value;
      },
    });
    const out = `${folder}/trapped`;
    await expect(
      make(out, { propagation: "reference" }, 0, { runner: trapping }),
    ).rejects.toMatchObject({
      code: "KERNEL",
      message: expect.stringMatching(/ bytes for one row exceed the 2 GiB of a worker's memory$/),
    });
    expect(jobs).toBeGreaterThanOrEqual(12);
    // The work folders of tiers with a finished part stay for the next run.
    const left = await readdir(out);
    expect(left.filter((name) => !name.endsWith(".partial"))).toEqual([]);
    const again = await make(out, { propagation: "reference" }, 0);
    const undisturbed = await make(`${folder}/whole`, { propagation: "reference" }, 0);
    expect(again.files).toEqual(undisturbed.files);
  });
});

test("a series needs the room that its estimate says, not that of all tiers", async () => {
  const series = make(`${folder}/room`, { propagation: "reference" }, 0, { disk: 2 ** 60 });
  await expect(series).rejects.toMatchObject({
    code: "DISK",
    message: expect.stringContaining(`${2 ** 60} bytes are needed`),
  });
});

describe("a run says what it needs before any work", () => {
  const rows = ["--calibration-samples", "4", "--calibration-length", "32"];
  const args = ["quantize", smallest.nemotron_h!, ...rows, "--policy", "oq", "--verify", "false"];

  test("in its log, and keeps a limit that is enough", async () => {
    const way = [...args, "--out", `${folder}/told`, "--tiers", "oQ8e", "--memory-limit", "3GB"];
    const { code, stderr } = await runCli(way);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [, block] = stderr.split(/^Estimate the run .*\n/m);
    const lines = block!.split("\n").slice(0, 4);
    expect(lines[0]).toMatch(
      /^ {2}reads [\d.]+ MB \(tuning [\d.]+ MB\), writes [\d.]+ kB \(1 tier\)$/,
    );
    expect(lines[1]).toMatch(
      /^ {2}memory: about [\d.]+ [GM]B at most \(tuning, \w+\), limit 3.0 GB; /,
    );
    expect(lines[2]).toMatch(/^ {2}disk: [\d.]+ [kM]B$/);
    expect(lines[3]).toMatch(/^ {2}time: about \d+ s of arithmetic on \d+ threads \(tuning /);
  });

  test("and is refused for a memory-limit that no walk can keep", async () => {
    const out = `${folder}/never`;
    const { code, stderr } = await runCli([...args, "--out", out, "--memory-limit", "1MB"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: memory-limit: 0.001GB is less than the run needs: .*\[MEMORY\]$/m,
    );
    expect(stderr).not.toMatch(/^Quantize/m);
    const least = /Set memory-limit ([\d.]+GB) or more/.exec(stderr)![1]!;
    const enough = await runCli([...args, "--out", out, "--memory-limit", least]);
    expect(enough).toMatchObject({ code: 0 });
  });

  test("and rounds a small base where little memory is allowed", async () => {
    const way = ["quantize", smallest.nemotron_h!, "--method", "rounded", "--verify", "false"];
    const limits = ["--workers", "2", "--memory-limit", "300MB"];
    const { code, stderr } = await runCli([...way, ...limits, "--out", `${folder}/little`]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });

  test.each([
    ["sensitivity", []],
    ["plan", ["--measure"]],
  ])("also if `%s` measures", async (command, flags) => {
    const own = ["--work-dir", `${folder}/measured-by-${command}`];
    const way = [command, smallest.nemotron_h!, ...flags, ...rows, ...own];
    const { code, stderr } = await runCli([...way, "--memory-limit", "3GB"]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [, block] = stderr.split(/^Estimate the run .*\n/m);
    const lines = block!.split("\n").slice(0, 5);
    expect(lines[0]).toMatch(/^ {2}reads [\d.]+ MB \(measuring [\d.]+ MB\), writes nothing$/);
    expect(lines[1]).toMatch(
      /^ {2}memory: about [\d.]+ [GM]B at most \(measuring, \w+\), limit 3.0 GB$/,
    );
    expect(lines[2]).toBe("  disk: 0 bytes");
    expect(lines[3]).toMatch(/^ {2}time: about \d+ s of arithmetic on \d+ threads \(measuring /);
    expect(lines[4]).toMatch(/^Measure \(/);
    const refused = await runCli([...way, "--memory-limit", "1MB"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/is less than the run needs: .*measuring.*\[MEMORY\]$/m);
    expect(refused.stderr).not.toMatch(/^Measure/m);
  });

  test("but not if nothing is measured", async () => {
    const { code, stderr } = await runCli(["plan", smallest.nemotron_h!, "--policy", "oq"]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).not.toMatch(/^Estimate the run/m);
  });
});
