import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { finiteWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { evaluateTiers } from "../src/evaluation/evaluate.ts";
import { roundedWeights } from "../src/evaluation/rounded-weights.ts";
import { stockQuant } from "../src/evaluation/stock-quant.ts";
import { silentReport } from "../src/ground/report.ts";
import { sum } from "../src/ground/sum.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { openFinished } from "../src/mlx/mlx-weights.ts";
import type { WeightSource } from "../src/models/run.ts";
import { findPython, runMlx } from "./python/python.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { evaluationRows } from "./support/evaluation-rows.ts";
import { byArchitecture, removeFolder, scratchFolder, tiedMoe } from "./support/models.ts";

const python = findPython("mlx_lm");
// mlx-lm cannot convert float experts of gpt_oss, and keeps its mxfp4 ones: see below.
const { gpt_oss: mxfp4, "gpt_oss.float": _, ...affine } = byArchitecture;
const bases = { ...affine, "tied qwen3_moe": tiedMoe };

let folder: string;
let kernel: Kernel;
beforeAll(async () => {
  folder = await scratchFolder();
  kernel = await openKernel({ workers: 2 });
  await convertAll();
});
afterAll(async () => {
  await kernel.close();
  await removeFolder(folder);
});

/** Bytes of the tensors in a shard: the file without its header. */
async function payload(path: string): Promise<number> {
  const file = await readFile(`${path}/model.safetensors`);
  return file.length - 8 - Number(file.readBigUInt64LE());
}

/** Where stock mlx-lm put a base. */
const converted = (name: string) => `${folder}/${name.replace(" ", "-")}`;

/** One process converts all bases: its imports take longer. */
async function convertAll(): Promise<void> {
  if ("reason" in python) return;
  const places = Object.entries({ ...bases, mxfp4: mxfp4! }).map(([name, model]) => {
    return ["mlx_lm.convert", "--hf-path", model, "--mlx-path", converted(name), "-q"];
  });
  const script = `
import importlib, sys
for sys.argv in ${JSON.stringify(places)}: importlib.import_module("mlx_lm.convert").main()`;
  await runMlx(python.path, ["-c", script]);
}

test.skipIf("reason" in python)("the stock quant keeps mxfp4, and has its bytes", async () => {
  const base = await readBase(await openFolder(mxfp4!), { allowHeaderOnly: false });
  await base.checkpoint.close();
  expect(stockQuant(base).bytes).toBe(await payload(converted("mxfp4")));
});

test.skipIf("reason" in python).each(Object.entries(bases))(
  "the stock quant of %s is what mlx_lm.convert -q makes, bit for bit",
  async (name, model) => {
    const to = converted(name);
    const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
    const theirs = await openFinished(await openFolder(to), kernel);
    try {
      const { tensors, bytes, fileBpw } = stockQuant(base);
      const described = (of: typeof tensors) =>
        of.map(({ name, width, dtype }) => ({ name, width, dtype }));
      expect(described(tensors)).toEqual(described(theirs.tensors));
      expect(bytes).toBe(await payload(to));
      expect(fileBpw).toBe((8 * bytes) / base.parameters);
      const ours = roundedWeights(finiteWeights(base, kernel), tensors, kernel);
      for (const { layer, role, sources } of tensors) {
        for (const expert of role.routed === true ? sources.keys() : [0]) {
          const read = (of: WeightSource) => valuesOf(of, layer, role.role, expert);
          expect(await read(ours), `${layer} ${role.role} ${expert}`).toEqual(
            await read(theirs.weights),
          );
        }
      }
      expect(sum(tensors, ({ width }) => Number(width?.bits === 4))).toBeGreaterThan(5);
    } finally {
      await Promise.all([base.checkpoint.close(), theirs.close()]);
    }
  },
);

/** The values of a tensor, or of one expert, in float32. */
async function valuesOf(of: WeightSource, layer: number | null, role: string, expert: number) {
  const matrix = await of.matrix(layer, role, expert).catch(() => null);
  const bytes = matrix?.dtype === "F32" ? matrix.bytes : null;
  const values = bytes ?? (await of.unquantized(layer, role));
  return Buffer.from(values!.buffer, values!.byteOffset, values!.byteLength).toString("base64");
}

test("its figures are those of a tier with the same weights", async () => {
  const model = byArchitecture.llama!;
  const flags = [...rounded, "--rounding", "mlx", "--target-bpw", "4.5", "--json"];
  const { stdout } = await runCli(["quantize", model, "--out", `${folder}/same`, ...flags]);
  const tier = await openFinished(await openFolder(JSON.parse(stdout).folders[0]), kernel);
  const base = await readBase(await openFolder(model), { allowHeaderOnly: false });
  try {
    const one = { model: tier, predicted: null, limits: {}, rounded: false };
    const rows = await evaluationRows(base, 4, 24);
    const [evaluation] = await evaluateTiers({
      ...{ base, rows, kernel, tiers: [one], report: silentReport },
    });
    const { stock, ...own } = evaluation!;
    const { bytes, fileBpw, ...figures } = stock!;
    expect(own).toMatchObject(figures);
    expect(figures.meanKl).toBeGreaterThan(0);
    expect({ bytes, fileBpw }).toEqual({
      bytes: await payload(JSON.parse(stdout).folders[0]),
      fileBpw: (8 * bytes) / base.parameters,
    });
  } finally {
    await Promise.all([base.checkpoint.close(), tier.close()]);
  }
});
