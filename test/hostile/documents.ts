import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { describeConfigChanges, readBase } from "../../src/base/base.ts";
import { openTokenizer } from "../../src/calibration/tokenizer.ts";
import { renderCard } from "../../src/card/render.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { readHeader } from "../../src/checkpoint/safetensors.ts";
import { line } from "../../src/ground/schema.ts";
import { answers, parseFile, readAnswer } from "../../src/hub/answers.ts";
import { parseSums, writeSums } from "../../src/hub/sums.ts";
import { bytesPerElement } from "../../src/kernel/dtype.ts";
import { planTier } from "../../src/plan/plan.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { parseReceipt, writeReceipt } from "../../src/receipt/receipt-file.ts";
import { parseSensitivity, writeSensitivity } from "../../src/sensitivity/sensitivity-file.ts";
import { smallest } from "../support/models.ts";
import { evaluatedReceipt, nemotronReceipt, tunedReceipt } from "../support/receipts.ts";
import { entry, goodConfig, safetensors, shard } from "./case.ts";
import { damageBytes, damageValue, type Random, writeDamaged } from "./damage.ts";
import { memoryFile, memoryRepository } from "./memory.ts";
import { type Target, textOf, utf8 } from "./target.ts";

/** A header that is damaged in its structure, with the right length or another one; or in bytes. */
function damageHeader(file: Uint8Array, random: Random): Uint8Array {
  if (random(2) === 0) return damageBytes(file, random);
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(textOf(file.subarray(8, 8 + length)));
  const text = writeDamaged(damageValue(header, random));
  const lie = [BigInt(random(300)), 2n ** BigInt(random(64)), 2n ** 64n - 1n][random(12)];
  return safetensors(text, file.subarray(8 + length), lie);
}

const header: Target = {
  name: "safetensors header",
  seeds: [
    safetensors(
      {
        __metadata__: { format: "pt" },
        "a.weight": entry("BF16", [4, 3], 0, 24),
        "b.weight": entry("F32", [5], 24, 44),
        empty: entry("F16", [0, 7], 44, 44),
        scalar: entry("I64", [], 44, 52),
      },
      52,
    ),
  ],
  damage: damageHeader,
  codes: ["BAD_CHECKPOINT"],
  read: async (file) => {
    const { tensors } = await readHeader(memoryFile(file));
    let reached = tensors[0]?.start ?? file.length;
    for (const { dtype, shape, start, end } of tensors) {
      assert.equal(start, reached);
      const size = shape.reduce((product, one) => product * one, bytesPerElement[dtype]!);
      assert.equal(end - start, size);
      reached = end;
    }
    assert.equal(reached, file.length);
    return true;
  },
};

const index: Target = {
  name: "index",
  seeds: [
    utf8(
      '{"metadata":{"total_size":16},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}',
    ),
  ],
  codes: ["BAD_CHECKPOINT", "MISSING_FILE"],
  read: async (text) => {
    const files = {
      "config.json": utf8(goodConfig),
      "model-00001-of-00002.safetensors": shard("a"),
      "model-00002-of-00002.safetensors": shard("b"),
      "model.safetensors.index.json": text,
    };
    const { tensors } = await openCheckpoint(memoryRepository(files));
    assert.ok(tensors.size > 0); // an index may leave a whole shard out
    for (const name of tensors.keys()) assert.ok(["a", "b"].includes(name));
    return true;
  },
};

async function configTarget(name: string, folder: string): Promise<Target> {
  const [config, weights] = await Promise.all(
    ["config.json", "model.safetensors"].map((file) => readFile(join(folder, file))),
  );
  return {
    name: `config of ${name}`,
    seeds: [config!],
    codes: ["BAD_CHECKPOINT", "UNSUPPORTED_MODEL", "ALREADY_QUANTIZED"],
    read: async (text) => {
      const files = { "config.json": text, "model.safetensors": weights! };
      const base = await readBase(memoryRepository(files), { allowHeaderOnly: false });
      const { architecture } = base;
      planTier(tiers[0]!, base);
      for (const note of describeConfigChanges(base)) assert.ok(v.is(line, note), note);
      architecture.layers(base.config);
      architecture.experts(base.config);
      return true;
    },
  };
}

function tokenizerTarget(text: string): Target {
  return {
    name: "tokenizer.json",
    seeds: [utf8(text)],
    codes: ["UNSUPPORTED_MODEL", "BAD_CHECKPOINT"],
    read: async (document) => {
      const base = memoryRepository({ "tokenizer.json": document });
      const tokenizer = await openTokenizer(base);
      const ids = tokenizer.encode("It's a test, 42 日本 <s>\n");
      assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0));
      return true;
    },
  };
}

const receipt: Target = {
  name: "receipt",
  seeds: [nemotronReceipt(), tunedReceipt(), evaluatedReceipt()].map((one) =>
    utf8(writeReceipt(one)),
  ),
  codes: ["BAD_INPUT"],
  read: async (document) => {
    const found = parseReceipt(textOf(document), "oqe-receipt.json");
    assert.deepEqual(parseReceipt(writeReceipt(found), "again"), found);
    for (const path of Object.keys(found.files)) assert.ok(!path.split("/").includes(".."));
    await renderCard(found);
    return true;
  },
};

function sensitivityTarget(text: string): Target {
  return {
    name: "sensitivity",
    seeds: [utf8(text)],
    codes: ["BAD_SENSITIVITY"],
    read: async (document) => {
      const found = parseSensitivity(textOf(document), "sensitivity.json");
      assert.deepEqual(parseSensitivity(writeSensitivity(found), "again"), found);
      return true;
    },
  };
}

const [one, two] = ["1".repeat(64), "2".repeat(64)];
const sums: Target = {
  name: "SHA256SUMS",
  damage: (seed, random) => {
    if (random(2) === 0) return damageBytes(seed, random);
    const paths = ["../README.md", "/etc/passwd", "a/../../b", "a//b", "C:b", "a\\b", "__proto__"];
    const path = paths[random(paths.length)]!;
    return utf8(textOf(seed).replace(random(2) === 0 ? "README.md" : "figures/bits.svg", path));
  },
  seeds: [utf8(`${one}  README.md\n${two}  figures/bits.svg\n`)],
  codes: [],
  read: async (document) => {
    const text = textOf(document);
    const found = parseSums(text);
    if (found !== null) assert.equal(writeSums(found), text);
    for (const path of found?.keys() ?? []) assert.ok(!path.split("/").includes(".."));
    return found !== null;
  },
};

const oid = "a".repeat(40);
/** A sound answer of each kind. */
const soundAnswers: Readonly<Record<keyof typeof answers, unknown>> = {
  account: {
    name: "me",
    orgs: [{ name: "acme", roleInOrg: "write" }],
    auth: {
      accessToken: {
        role: "fineGrained",
        fineGrained: { scoped: [{ entity: { name: "acme" }, permissions: ["repo.write"] }] },
      },
    },
  },
  standing: { disabled: false },
  revision: { name: "acme/model", sha: oid },
  entries: [
    { type: "file", path: "a/b.json", size: 3, oid },
    { type: "file", path: "m.safetensors", size: 9, oid, lfs: { oid: one } },
  ],
  file: { path: "a/b.json", size: 3, oid, lfs: null },
  uploadModes: { files: [{ path: "a", uploadMode: "lfs" }] },
  commits: [{ title: "Add", authors: [{ user: "me" }] }],
  batch: {
    transfer: "basic",
    objects: [{ oid: one, actions: { upload: { href: "x" } }, error: null }],
  },
  exchange: { access_token: "hf_jwt_x", expires_in: 3600 },
  refs: { tags: [{ name: "v1" }] },
  discussions: {
    count: 1,
    start: 0,
    discussions: [
      { num: 1, title: "Publish", status: "open", isPullRequest: true, author: { name: "me" } },
    ],
  },
  collections: [{ slug: "acme/tiny-0a", title: "Tiny", description: "Tiers" }],
  newCollection: { slug: "acme/tiny-0a" },
  collection: {
    slug: "acme/tiny-0a",
    items: [{ _id: "0a", type: "model", id: "acme/Tiny-oQ4e", note: { text: "oQ4e" } }],
  },
  commit: { commitOid: oid },
};

function answerTarget(name: keyof typeof answers): Target {
  return {
    name: `answer: ${name}`,
    seeds: [utf8(JSON.stringify(soundAnswers[name]))],
    codes: name === "entries" ? ["NETWORK", "BAD_CHECKPOINT"] : ["NETWORK"],
    read: async (document) => {
      const response = new Response(document as Uint8Array<ArrayBuffer>);
      const found = await readAnswer(answers[name], response, "acme/model");
      if (name !== "entries") return true;
      for (const listed of found as Parameters<typeof parseFile>[0][]) {
        const [path] = parseFile(listed, "acme/model");
        assert.ok(!path.startsWith("/") && !path.split("/").includes(".."));
      }
      return true;
    },
  };
}

/** Readers of what is given to a run: a base, documents, and answers of the Hub. */
export async function documentTargets(sensitivity: string): Promise<readonly Target[]> {
  const tokenizer = await readFile(join(smallest.llama!, "tokenizer.json"), "utf8");
  const configs = Object.entries(smallest).map(([name, folder]) => configTarget(name, folder));
  const names = Object.keys(soundAnswers) as (keyof typeof answers)[];
  return [
    ...[header, index, tokenizerTarget(tokenizer), receipt, sensitivityTarget(sensitivity), sums],
    ...(await Promise.all(configs)),
    ...names.map(answerTarget),
  ];
}
