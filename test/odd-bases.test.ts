import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { openKernel } from "../src/kernel/pool.ts";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { safetensors } from "./hostile/case.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { convertUnquantized } from "./support/converted.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { copyModel, removeFolder, scratchFolder, smallest } from "./support/models.ts";

/** Bases as they occur on the Hub, untidy but complete, through the whole command. */
let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const index = "model.safetensors.index.json";
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;

/** The tensors of a single-file checkpoint, in the order of the header. */
async function tensorsOf(base: string): Promise<[name: string, entry: object, bytes: Buffer][]> {
  const file = await readFile(join(base, "model.safetensors"));
  const start = 8 + Number(file.readBigUInt64LE());
  const { __metadata__: _, ...header } = JSON.parse(file.subarray(8, start).toString());
  return Object.entries<{ data_offsets: [number, number] }>(header).map(([name, entry]) => {
    const [from, to] = entry.data_offsets;
    return [name, entry, file.subarray(start + from, start + to)];
  });
}

async function writeShard(path: string, tensors: Awaited<ReturnType<typeof tensorsOf>>) {
  let end = 0;
  const header = tensors.map(([name, entry, { length }]) => {
    end += length;
    return [name, { ...entry, data_offsets: [end - length, end] }];
  });
  const data = Buffer.concat(tensors.map(([, , bytes]) => bytes));
  await writeFile(path, safetensors(Object.fromEntries(header), data));
}

/** An index of another upload, which has two shards, beside the whole file. */
async function withStaleIndex(): Promise<string> {
  const base = await copyModel(smallest.llama!, "base");
  const names = (await tensorsOf(base)).map(([name]) => name);
  const weightMap = Object.fromEntries(names.map((name, i) => [name, shards[i > 8 ? 1 : 0]]));
  await writeFile(join(base, index), JSON.stringify({ weight_map: weightMap }));
  return base;
}

/** Two shards with a tensor that no model reads, which the index leaves out. */
async function withUnlistedTensor(): Promise<string> {
  const base = await copyModel(smallest.llama!, "base");
  const tensors = await tensorsOf(base);
  const unread = "model.layers.0.self_attn.rotary_emb.inv_freq";
  tensors.push([unread, { dtype: "F32", shape: [16] }, Buffer.alloc(4 * 16, 1)]);
  const weightMap: Record<string, string> = {};
  for (const [at, part] of [tensors.slice(0, 20), tensors.slice(20)].entries()) {
    await writeShard(join(base, shards[at]!), part);
    for (const [name] of part) if (name !== unread) weightMap[name] = shards[at]!;
  }
  await removeFolder(join(base, "model.safetensors"));
  await writeFile(join(base, index), JSON.stringify({ weight_map: weightMap }));
  return base;
}

/** What mlx-lm's conversion without quantization makes: experts are stacked already. */
async function asMlxConversion(): Promise<string> {
  const kernel = await openKernel({ workers: 1 });
  return convertUnquantized(smallest.qwen3_moe!, kernel).finally(() => kernel.close());
}

async function shardHashes(base: string, out: string): Promise<string[]> {
  const args = ["quantize", base, "--out", `${folder}/${out}`, "--tiers", "oQ8e,oQ4e", ...rounded];
  const { code, stderr } = await runCli(args);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  const all = Object.entries(await folderHashes(`${folder}/${out}`));
  return all.filter(([path]) => path.endsWith(".safetensors")).map(([, hash]) => hash);
}

describe("a base gives the bytes of the tidy checkpoint", () => {
  test.each([
    ["with a stale index beside the whole file", "llama", withStaleIndex],
    ["with a tensor that its index leaves out", "llama", withUnlistedTensor],
    ["as an unquantized MLX conversion", "qwen3_moe", asMlxConversion],
  ])("%s", async (_, model, make) => {
    const base = await make();
    const tidy = await shardHashes(smallest[model]!, `${model}-tidy`);
    expect(tidy.length).toBeGreaterThanOrEqual(2);
    expect((await shardHashes(base, `${model}-odd`)).sort()).toEqual(tidy.sort());
    await removeFolder(join(base, ".."));
  });
});

test("a base whose licence the Hub would reject is published with a link to its card", async () => {
  const licences = {
    "link-with-a-space":
      "license: other\nlicense_name: my-terms\nlicense_link: docs/LICENSE terms.pdf",
    "other-without-link": "license: other\nlicense_name: my-terms",
    "other-alone": "license: other",
    "unknown-licence": "license: my-company-license-1.0",
    capitals: "license: Apache-2.0",
  };
  const hub = await startLocalHub({ folder: `${folder}/hub` });
  try {
    for (const [name, metadata] of Object.entries(licences)) {
      const base = await copyModel(smallest.llama!, name);
      await writeFile(join(base, "README.md"), `---\n${metadata}\n---\n`);
      await hub.seed(`base/${name}`, base);
      await removeFolder(join(base, ".."));
      const { code, stderr } = await runCli(
        [
          ...["publish", `base/${name}`, "--namespace", "acme", "--tiers", "oQ4e", ...rounded],
          ...["--work-dir", `${folder}/work`],
        ],
        { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_tokenOfTheTest" },
      );
      expect({ name, code, stderr: code === 0 ? "" : stderr }).toEqual({
        name,
        code: 0,
        stderr: "",
      });
      const card = await readFile(`${folder}/hub/acme/${name}-oQ4e/README.md`, "utf8");
      const front = parse(card.split("---\n")[1]!);
      if (name === "capitals") expect(front).toMatchObject({ license: "apache-2.0" });
      else {
        expect(front).toMatchObject({ license: "other", license_name: expect.any(String) });
        expect(front.license_link).toMatch(/^https?:\/\//);
        // A link that can be encoded needs no warning.
        if (name !== "link-with-a-space")
          expect(stderr).toMatch(/warning: .* states a licence that the Hub does not accept/);
      }
    }
  } finally {
    await hub.close();
  }
});
