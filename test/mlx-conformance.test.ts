import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openKernel } from "../src/kernel/pool.ts";
import { findPython, runMlx } from "./python/python.ts";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { publications, publish } from "./support/coded-bases.ts";
import { readableByMlx } from "./support/converted.ts";
import { castModel, embedded, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { fp8Layouts, publishFp8 } from "./support/published-fp8.ts";
import { tunedRun, tunedRuns } from "./support/tuned-run.ts";
import { expectTuned } from "./support/tuned-tier.ts";

/** How many tiers a run makes, unless it names some. */
const allTiers = 4;
const script = fileURLToPath(new URL("./python/mlx_conformance.py", import.meta.url));
const tuned = [...evaluatedRows, "--tiers", "oQ8e,oQ4e"];
const mlx = [...rounded, "--rounding", "mlx"];
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;

/** One base, the folder of its tiers, and how many of them Python must accept. */
interface Case {
  readonly base: () => Promise<string>;
  /** Of a coded base: the one that its codes stand for, which Python reads. */
  readonly values?: () => Promise<string>;
  readonly make: (name: string, base: string) => Promise<string>;
  readonly tiers: number;
}
const at = (folder: string) => async () => folder;

const once = <T>(make: () => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
};

/** A run of this file. */
const own = (base: Case["base"], flags: readonly string[], tiers = allTiers): Case => ({
  base,
  tiers,
  make: async (name, from) => {
    const to = join(out, name.replaceAll(/\W+/g, "-"));
    const { code, stderr } = await runCli(["quantize", from, "--out", to, ...flags]);
    if (code !== 0) throw new Error(stderr);
    return to;
  },
});

/**
 * Every base of random-tiny in one way. Their logits in torch are stored. Two tiers of each way are
 * enough: stored and tuned ones together have every width.
 */
const each = (way: string, make: (folder: string, name: string) => Case) =>
  Object.fromEntries(
    Object.entries(smallest).map(([name, folder]) => [`${name}, ${way}`, make(folder, name)]),
  );

const loaded: Record<string, Case> = {
  ...each("stored", (folder) => own(at(folder), [...rounded, "--tiers", "oQ6e,oQ5e"], 2)),
  ...Object.fromEntries(
    Object.entries(tunedRuns).map(([name, { base, tiers }]) => [
      `${name}, tuned`,
      { base: at(base), make: () => tunedRun(name), tiers } satisfies Case,
    ]),
  ),
  "qwen3_moe in float16, tuned": own(() => half(), tuned, 2),
  "llama in float32, tuned": own(() => single(), tuned, 2),
};
const converted: Record<string, Case> = {
  // All tiers of each type, and two of its further checkpoints. The trained one is a nemotron_h.
  ...each("mlx", (folder, name) => {
    const few = name.includes(".") || name === "nemotron_h";
    return few ? own(at(folder), [...mlx, "--tiers", "oQ8e,oQ4e"], 2) : own(at(folder), mlx);
  }),
  "nemotron_h (trained), mlx": own(at(embedded), mlx),
  "qwen3_moe in float16, mlx": own(() => half(), [...mlx, "--tiers", "oQ5e"], 1),
};

/** A coded base, of which one tier is made. */
const coded = (type: string, way: string, flags: readonly string[], tier = "oQ4e"): Case => {
  const made = once(() => publish(smallest[type]!, join(out, way, type), publications[way]!));
  const codes = own(async () => (await made()).codes, [...flags, "--tiers", tier], 1);
  return { ...codes, values: async () => (await made()).values };
};
const microscaled = "mxfp4 of compressed-tensors";
/** Every kind of coded base, as a dense model and as one of experts. */
const codedBases: readonly (readonly [string, string])[] = [
  ...Object.keys(publications).flatMap((way) => [
    ["llama", way] as const,
    ["nemotron_h", way] as const,
  ]),
  ["qwen3_moe", "fp8 in blocks, one of each shape"],
  ["qwen3_moe", microscaled],
];
for (const [type, way] of codedBases) {
  const one = coded(type, way, mlx);
  // One tier for both checks.
  const tier = once(async () => one.make(`${type}, ${way}`, await one.base()));
  loaded[`${type}, ${way}`] = { ...one, make: tier };
  // From 4 bits on, a tier has the codes of mxfp4 themselves.
  const rounds = way === microscaled ? coded(type, way, mlx, "oQ3.5e") : { ...one, make: tier };
  converted[`${type}, ${way}, mlx`] = rounds;
}
loaded[`llama, ${microscaled}, tuned`] = coded("llama", microscaled, evaluatedRows);

/** A base in the layout of an FP8 release. mlx-lm drops vision towers. */
const published = (name: string, flags: readonly string[], tiers: number): Case => {
  const from = () => publishFp8(fp8Layouts[name]!, join(out, "published", name));
  return {
    ...own(async () => (await from()).codes, [...flags, "--carry", "mtp"], tiers),
    values: async () => join(out, "published", name, "values"),
  };
};
for (const name of Object.keys(fp8Layouts)) {
  loaded[`${name}, FP8 as published`] = published(name, rounded, allTiers);
  converted[`${name}, FP8 as published, mlx`] = published(name, [...mlx, "--tiers", "oQ4e"], 1);
}

const half = once(() => castModel(smallest.qwen3_moe!, "F16", "half"));
const single = once(() => castModel(smallest.llama!, "F32", "single"));

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

let out: string;
const kernel = await openKernel({ workers: 1 });

describe.skipIf(absent !== null)(`stock mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
  const outcomes = new Map<string, Outcome>();
  let checks: readonly Check[] = [];

  async function outcomeOf(name: string, { base, values, make }: Case): Promise<Outcome> {
    const from = await base();
    const read = (await values?.()) ?? from;
    try {
      const to = await make(name, from);
      const folders = (await readdir(to)).map((tier) => join(to, tier));
      return { base: read, folders, failure: null };
    } catch (cause) {
      return { base: read, folders: [], failure: String(cause) };
    }
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
    const printed = await runMlx(python.path, [script, join(out, "tasks.json")]);
    const lines = printed.split("\n").filter((line) => line.startsWith('{"task"'));
    return lines.map((line) => JSON.parse(line));
  }

  // Python starts once for all tests of this file: its imports take longer than a test.
  beforeAll(async () => {
    out = await scratchFolder();
    const tasks: object[] = [];
    for (const [command, cases] of Object.entries({ load: loaded, convert: converted })) {
      for (const [task, one] of Object.entries(cases)) {
        const outcome = await outcomeOf(task, one);
        outcomes.set(task, outcome);
        // It cannot read float experts of gpt_oss; mxfp4 ones it passes through, as we do.
        const isKept = command === "convert" && outcome.base === smallest.gpt_oss;
        const base = isKept ? outcome.base : await readableByMlx(outcome.base, kernel);
        tasks.push({ task, command, base, tiers: outcome.folders });
      }
    }
    const sixth = outcomes.get("llama, stored")?.folders.find((folder) => /oQ6e$/.test(folder));
    if (sixth !== undefined) {
      const broken = {
        command: "load",
        base: smallest.llama!,
        tiers: [await breakTier(sixth)],
      };
      tasks.push({ task: "broken", ...broken });
    }
    checks = await runPython(tasks);
  }, 600_000);
  afterAll(async () => {
    await kernel.close();
    await removeFolder(out);
  });

  /** The checks of a case, all of which must have passed. */
  function passed(task: string): { folders: readonly string[]; own: readonly Check[] } {
    const { folders, failure } = outcomes.get(task)!;
    expect(failure).toBeNull();
    const own = checks.filter((one) => one.task === task);
    expect(own.filter(({ ok }) => !ok)).toEqual([]);
    return { folders, own };
  }

  test.each(Object.entries(loaded))(
    "loads every tier with the logits of a dequantized reference and of transformers: %s",
    async (task, { tiers }) => {
      const { folders, own } = passed(task);
      for (const what of ["loads in stock", "near its base", "dequantized reference", "generates"])
        expect(own.filter(({ check }) => check.includes(what))).toHaveLength(tiers);
      if (task.endsWith("tuned"))
        for (const folder of folders)
          await expectTuned(folder, { samples: 4, length: 32, evaluation: 2 });
    },
  );

  test.each(Object.entries(converted))(
    "rounding mlx gives the bytes of mlx_lm.convert in every tier: %s",
    (task, { tiers }) => {
      expect(passed(task).own).toHaveLength(3 * tiers);
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
