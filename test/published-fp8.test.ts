import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { qwen3_5 } from "../src/models/qwen3-5.ts";
import { qwen3_5Moe } from "../src/models/qwen3-5-moe.ts";
import { qwen3Next } from "../src/models/qwen3-next.ts";
import { fromBf16, rewriteBase } from "./support/base-layouts.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { bytesOf, openBaseFolder } from "./support/converted.ts";
import { difference, openBase, readNpy, run } from "./support/forward-run.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { byArchitecture } from "./support/models.ts";
import { unstackExperts } from "./support/mtp.ts";
import { fp8Ids, fp8Layouts, publishFp8 } from "./support/published-fp8.ts";
import { readTensors } from "./support/safetensors.ts";
import { methods, tierFiles, writeTier } from "./support/tier-files.ts";

/** The layouts of Qwen's FP8 releases give the tiers of their decoded values. */

const scene = kernelScene();
const architectures = { qwen3_next: qwen3Next, qwen3_5, qwen3_5_moe: qwen3_5Moe };

describe.each(Object.entries(fp8Layouts))("%s", (name, layout) => {
  let made: ReturnType<typeof publishFp8> | undefined;
  const make = () => (made ??= publishFp8(layout, join(scene.scratch, name)));
  const architecture = architectures[layout.type];
  const golden = `test/golden/fp8/${layout.type}`;

  test.each(["rounded", "tuned"])("%s: every file is that of the values", async (way) => {
    const { values, codes } = await make();
    const files = await tierFiles(codes, architecture, methods[way]!, scene);
    expect(Object.keys(files)).toContain("mtp.safetensors");
    expect(files).toEqual(await tierFiles(values, architecture, methods[way]!, scene));
  });

  test("the decoded values are those of transformers, bit for bit; so are the logits", async () => {
    const { codes } = await make();
    const digests = JSON.parse(readFileSync(`${golden}.json`, "utf8"));
    const base = await openBaseFolder(codes);
    for (const tensor of base.tensors) {
      // transformers adds 1 to such a norm when it runs.
      if (tensor.sources[0]!.plus !== 0) continue;
      const bytes = new Uint8Array(await bytesOf(base, tensor, scene.kernel));
      const values = tensor.dtype === "F32" ? bytes : fromBf16(bytes);
      const found = createHash("sha256").update(values).digest("hex");
      expect(found, tensor.name).toBe(digests[nameInTransformers(tensor.name)]);
    }
    await base.checkpoint.close();
    const model = await openBase(codes, scene.kernel);
    const { logits, vocabulary } = await run(model, fp8Ids, fp8Ids.length);
    await model.close();
    const gap = difference(logits, readNpy(`${golden}.npy`, Float32Array), vocabulary);
    expect(gap.relative, gap.text).toBeLessThan(2e-6);
  });

  test("multi-token prediction has the values, and the names of the release in BF16", async () => {
    const { values, codes } = await make();
    const { folder } = await writeTier(codes, architecture, null, scene);
    const plain = readTensors(join(values, "model.safetensors"));
    const own = new Map([...plain].filter(([tensor]) => tensor.startsWith("mtp.")));
    const found = readTensors(join(folder, "mtp.safetensors"));
    expect(new Map([...found].sort())).toEqual(new Map([...own].sort()));
    const { warnings, checkpoint } = await openBaseFolder(codes);
    await checkpoint.close();
    expect(warnings.join("\n")).toContain(
      "the multi-token prediction is published as FP8 with a scale for each block of 32 × 32; the " +
        "tiers hold its decoded values in BF16",
    );
  });
});

function nameInTransformers(name: string): string {
  return name.replace(/^language_model\./, "").replace(/switch_mlp\.(\w+)\.weight$/, "experts.$1");
}

test("experts of floats give one tier, whether stacked or single", async () => {
  const plain = byArchitecture.qwen3_5_moe!;
  const single = rewriteBase(plain, join(scene.scratch, "single"), (tensors) => {
    unstackExperts(tensors, "model.");
  });
  for (const method of Object.values(methods))
    expect(await tierFiles(single, qwen3_5Moe, method, scene)).toEqual(
      await tierFiles(plain, qwen3_5Moe, method, scene),
    );
});

test("oqe verify compares multi-token prediction with the decoded base", async () => {
  const { codes } = await publishFp8({ type: "qwen3_5_moe" }, join(scene.scratch, "verified"));
  const out = join(scene.scratch, "verified/out");
  const flags = ["--out", out, "--tiers", "oQ8e", ...rounded];
  expect(await runCli(["quantize", codes, ...flags])).toMatchObject({ code: 0 });
  const tier = join(out, (await readdir(out))[0]!);
  const rows = ["--evaluation-samples", "2", "--evaluation-length", "32"];
  const verify = () => runCli(["verify", tier, "--base", codes, ...rows]);
  const { code, stderr } = await verify();
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain("Compare carried tensors");
  // A bit of the last tensor, and the receipt as if it were so.
  const path = join(tier, "mtp.safetensors");
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
  const receipt = JSON.parse(readFileSync(join(tier, "oqe-receipt.json"), "utf8"));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  receipt.files["mtp.safetensors"].sha256 = sha256;
  writeFileSync(join(tier, "oqe-receipt.json"), JSON.stringify(receipt));
  const changed = await verify();
  expect(changed.code).toBe(3);
  expect(changed.stderr).toMatch(/tensor "mtp\.[\w.]+" does not have the base's values/);
});
