import { execFile } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findPython } from "./python/python.ts";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { byArchitecture, castModel, removeFolder, scratchFolder } from "./support/models.ts";
import { expectTuned } from "./support/tuned-tier.ts";

const tiers = ["oQ8e", "oQ6e", "oQ5e", "oQ4e"];
const script = fileURLToPath(new URL("./python/mlx_conformance.py", import.meta.url));
const random = fileURLToPath(new URL("./models/random-tiny/nemotron_h", import.meta.url));
const { nemotron_h: trained, ...others } = byArchitecture;
const ways = { tuned: evaluatedRows, stored: rounded, mlx: [...rounded, "--rounding", "mlx"] };
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;

/** One base, quantized in one way, and what Python does with its four tiers. */
interface Case {
  readonly way: keyof typeof ways;
  readonly base: () => Promise<string>;
}
const at = (folder: string) => async () => folder;

/**
 * The trained hybrid is tuned, the random ones are rounded: their logits in torch are stored, and
 * the random hybrid has a dt floor. The bases of other dtypes are tuned too.
 */
const loaded: Record<string, Case> = {
  "nemotron_h, tuned": { way: "tuned", base: at(trained!) },
  "nemotron_h (random), stored": { way: "stored", base: at(random) },
  ...Object.fromEntries(
    Object.entries(others).map(([name, folder]) => [
      `${name}, stored`,
      { way: "stored", base: at(folder) } satisfies Case,
    ]),
  ),
  "qwen3_moe in float16, tuned": { way: "tuned", base: () => half() },
  "llama in float32, tuned": { way: "tuned", base: () => single() },
};
const converted: Record<string, Case> = {
  ...Object.fromEntries(
    Object.entries(byArchitecture).map(([name, folder]) => [
      `${name}, mlx`,
      { way: "mlx", base: at(folder) } satisfies Case,
    ]),
  ),
  "qwen3_moe in float16, mlx": { way: "mlx", base: () => half() },
};

const once = (make: () => Promise<string>) => {
  let made: Promise<string> | undefined;
  return () => (made ??= make());
};
const half = once(() => castModel(byArchitecture.qwen3_moe!, "F16", "half"));
const single = once(() => castModel(byArchitecture.llama!, "F32", "single"));

interface Check {
  readonly task: string;
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** What one case gave: its folders and checks, or why it has none. */
interface Outcome {
  readonly base: string;
  readonly folders: readonly string[];
  readonly failure: string | null;
}

describe.skipIf(absent !== null)(`stock mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
  let out: string;
  const outcomes = new Map<string, Outcome>();
  let checks: readonly Check[] = [];

  async function quantize(name: string, { way, base }: Case): Promise<Outcome> {
    const from = await base();
    const to = join(out, name.replaceAll(/\W+/g, "-"));
    const { code, stdout, stderr } = await runCli([
      ...["quantize", from, "--out", to, "--json"],
      ...ways[way],
    ]);
    if (code !== 0) return { base: from, folders: [], failure: stderr };
    return { base: from, folders: JSON.parse(stdout).folders, failure: null };
  }

  /** A copy of a tier with one scale changed. */
  async function breakTier(tier: string): Promise<string> {
    const broken = join(out, "broken");
    await cp(tier, broken, { recursive: true });
    const file = await readFile(`${broken}/model.safetensors`);
    const size = Number(file.readBigUInt64LE());
    const header = JSON.parse(file.subarray(8, 8 + size).toString());
    const [start] = header["model.layers.0.mlp.up_proj.scales"].data_offsets;
    file.writeUInt16LE(file.readUInt16LE(8 + size + start) ^ 0x0200, 8 + size + start);
    await writeFile(`${broken}/model.safetensors`, file);
    return broken;
  }

  async function runPython(tasks: readonly object[]): Promise<Check[]> {
    if (!("path" in python)) throw new Error(python.reason);
    await writeFile(join(out, "tasks.json"), JSON.stringify(tasks));
    const env = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", HF_HUB_OFFLINE: "1" };
    const args = [script, join(out, "tasks.json")];
    const { stdout } = await promisify(execFile)(python.path, args, { env, maxBuffer: 1 << 26 });
    const lines = stdout.split("\n").filter((line) => line.startsWith('{"task"'));
    return lines.map((line) => JSON.parse(line));
  }

  // Python starts once for all tests of this file: its imports take longer than a test.
  beforeAll(async () => {
    out = await scratchFolder();
    const tasks: object[] = [];
    for (const [command, cases] of Object.entries({ load: loaded, convert: converted })) {
      for (const [task, one] of Object.entries(cases)) {
        const outcome = await quantize(task, one);
        outcomes.set(task, outcome);
        tasks.push({ task, command, base: outcome.base, tiers: outcome.folders });
      }
    }
    const eight = outcomes.get("llama, stored")?.folders[0];
    if (eight !== undefined) {
      const broken = {
        command: "load",
        base: byArchitecture.llama!,
        tiers: [await breakTier(eight)],
      };
      tasks.push({ task: "broken", ...broken });
    }
    checks = await runPython(tasks);
  }, 600_000);
  afterAll(() => removeFolder(out));

  /** The checks of a case, all of which must have passed. */
  function passed(task: string): { folders: readonly string[]; own: readonly Check[] } {
    const { folders, failure } = outcomes.get(task)!;
    expect(failure).toBeNull();
    const own = checks.filter((one) => one.task === task);
    expect(own.filter(({ ok }) => !ok)).toEqual([]);
    return { folders, own };
  }

  test.each(Object.keys(loaded))(
    "loads every tier with the logits of a dequantized reference and of transformers: %s",
    async (task) => {
      const { folders, own } = passed(task);
      for (const what of ["loads in stock", "near its base", "dequantized reference", "generates"])
        expect(own.filter(({ check }) => check.includes(what))).toHaveLength(tiers.length);
      if (loaded[task]!.way === "tuned")
        for (const folder of folders)
          await expectTuned(folder, { samples: 4, length: 32, evaluation: 2 });
    },
  );

  test.each(Object.keys(converted))(
    "rounding mlx gives the bytes of mlx_lm.convert in every tier: %s",
    (task) => {
      expect(passed(task).own).toHaveLength(3 * tiers.length);
    },
  );

  test("a float32 base is stored as bfloat16", async () => {
    const { folders } = passed("llama in float32, tuned");
    const config = JSON.parse(await readFile(`${folders[0]}/config.json`, "utf8"));
    expect(config.torch_dtype).toBe("bfloat16");
  });

  test("the checks find one changed scale", () => {
    expect(checks.some(({ task, ok }) => task === "broken" && !ok)).toBe(true);
  });
});
