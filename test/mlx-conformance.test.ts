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
/** The trained hybrid, the random ones whose logits torch stored, and the random hybrid for the dt floor. */
const bases: Record<string, string> = { ...byArchitecture, "nemotron_h (random)": random };
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

async function runPython(
  command: string,
  base: string,
  folders: readonly string[],
): Promise<Check[]> {
  if (!("path" in python)) throw new Error(python.reason);
  const environment = {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? "",
    HF_HUB_OFFLINE: "1",
  };
  const options = { env: environment, maxBuffer: 1 << 26 };
  const { stdout } = await promisify(execFile)(
    python.path,
    [script, command, base, ...folders],
    options,
  );
  const lines = stdout.split("\n").filter((line) => line.startsWith('{"check"'));
  return lines.map((line) => JSON.parse(line));
}

describe.skipIf(absent !== null)(`stock mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
  let out: string;
  beforeAll(async () => {
    out = await scratchFolder();
  });
  afterAll(() => removeFolder(out));

  const ways = { tuned: evaluatedRows, stored: rounded, mlx: [...rounded, "--rounding", "mlx"] };
  const quantize = async (base: string, way: keyof typeof ways) => {
    const args = ["quantize", base, "--out", join(out, way), ...ways[way], "--overwrite", "--json"];
    const { code, stdout, stderr } = await runCli(args);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout).folders as string[];
  };

  describe.each(Object.entries(bases))("%s", (_, base) => {
    test.each(["tuned", "stored"] as const)(
      "loads every tier (%s), with transformers' behaviour and the logits of a dequantized reference",
      async (way) => {
        const folders = await quantize(base, way);
        if (way === "tuned")
          for (const folder of folders)
            await expectTuned(folder, { samples: 4, length: 32, evaluation: 2 });
        const checks = await runPython("load", base, folders);
        expect(checks.filter(({ ok }) => !ok)).toEqual([]);
        for (const what of [
          "loads in stock",
          "near its base",
          "dequantized reference",
          "generates",
        ]) {
          expect(checks.filter(({ check }) => check.includes(what))).toHaveLength(tiers.length);
        }
      },
    );

    test("with rounding mlx gets the very bytes of mlx_lm.convert in every tier", async () => {
      const checks = await runPython("convert", base, await quantize(base, "mlx"));
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(checks).toHaveLength(3 * tiers.length);
    });
  });

  test("loads every tier of a float16 base, stored as float16 and with the bytes of mlx_lm.convert", async () => {
    const base = await castModel(byArchitecture.qwen3_moe!, "F16", "half");
    const loaded = await runPython("load", base, await quantize(base, "tuned"));
    const converted = await runPython("convert", base, await quantize(base, "mlx"));
    expect([...loaded, ...converted].filter(({ ok }) => !ok)).toEqual([]);
    expect(converted).toHaveLength(3 * tiers.length);
  });

  test("loads every tier of a float32 base, stored as bfloat16", async () => {
    const base = await castModel(byArchitecture.llama!, "F32", "single");
    const folders = await quantize(base, "tuned");
    const checks = await runPython("load", base, folders);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(JSON.parse(await readFile(`${folders[0]}/config.json`, "utf8")).torch_dtype).toBe(
      "bfloat16",
    );
  });

  test("the checks can fail: one changed scale is found", async () => {
    const [eight] = await quantize(byArchitecture.llama!, "stored");
    const broken = `${out}/broken`;
    await cp(eight!, broken, { recursive: true });
    const file = await readFile(`${broken}/model.safetensors`);
    const size = Number(file.readBigUInt64LE());
    const { data_offsets } = JSON.parse(file.subarray(8, 8 + size).toString())[
      "model.layers.0.mlp.up_proj.scales"
    ];
    file.writeUInt16LE(
      file.readUInt16LE(8 + size + data_offsets[0]) ^ 0x0200,
      8 + size + data_offsets[0],
    );
    await writeFile(`${broken}/model.safetensors`, file);
    const checks = await runPython("load", byArchitecture.llama!, [broken]);
    expect(checks.some(({ ok }) => !ok)).toBe(true);
  });
});
