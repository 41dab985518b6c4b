import { spawnSync } from "node:child_process";
import { appendFile, cp, mkdir, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { rounded, runCli, runScript } from "./support/cli-run.ts";
import {
  byArchitecture,
  copyModel,
  editConfig,
  editSafetensors,
  embedded,
  removeFolder,
  scratchFolder,
} from "./support/models.ts";
import { expectRefused, type Refusal, spoiled } from "./support/refusal.ts";

let folder: string;
let hub: LocalHub;
const seen: SeenRequest[] = [];

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({
    folder: `${folder}/hub`,
    onRequest: (request) => seen.push(request),
    gated: { "base/gated": [] },
  });
  await hub.seed("base/tiny", byArchitecture.llama!);
  await hub.seed("base/gated", byArchitecture.llama!);
  await hub.seed("acme/taken-oQ4e", byArchitecture.llama!);
  await hub.seed("base/taken", byArchitecture.llama!);
});

afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const onHub = (id: string) => async () => id;
const config = (edit: (config: Record<string, unknown>) => void, from = embedded) =>
  spoiled(from, (at) => editConfig(at, edit));
const header = (edit: Parameters<typeof editSafetensors>[1], from = embedded) =>
  spoiled(from, (at) => editSafetensors(at, edit));
const llama = byArchitecture.llama!;

const cases: Refusal[] = [
  {
    what: "an unknown tier",
    base: onHub("base/tiny"),
    args: ["--tiers", "oQ4e,oQ7e"],
    code: "BAD_INPUT",
    says: /"oQ7e".*oQ8e, oQ6e, oQ5e, oQ4e/,
  },
  {
    what: "an unknown policy",
    base: onHub("base/tiny"),
    args: ["--policy", "best"],
    code: "BAD_INPUT",
    says: /policy: "best"/,
  },
  {
    what: "an unknown rounding",
    base: onHub("base/tiny"),
    args: ["--rounding", "up"],
    code: "BAD_INPUT",
    says: /rounding: "up".*stored, mlx/,
  },
  {
    what: "an unknown flag",
    base: onHub("base/tiny"),
    args: ["--tier", "oQ4e"],
    code: "BAD_INPUT",
    says: /--tier/,
  },
  {
    what: "no workers",
    base: onHub("base/tiny"),
    args: ["--workers", "0"],
    code: "BAD_INPUT",
    says: /workers: "0"/,
  },
  {
    what: "a model that is neither folder nor repository",
    base: onHub("just-a-name"),
    code: "BAD_INPUT",
    says: /"just-a-name".*neither/,
  },
  {
    what: "a path that leaves the Hub's names",
    base: onHub("base/../tiny"),
    code: "BAD_INPUT",
    says: /base\/\.\.\/tiny/,
  },
  {
    what: "a revision that climbs",
    base: onHub("base/tiny@../main"),
    code: "BAD_INPUT",
    says: /\.\.\/main/,
  },
  {
    what: "a namespace with a slash",
    base: onHub("base/tiny"),
    args: ["--namespace", "ac/me"],
    code: "BAD_INPUT",
    says: /ac\/me/,
  },
  {
    what: "a namespace that climbs",
    base: onHub("base/tiny"),
    args: ["--namespace", ".."],
    code: "BAD_INPUT",
    says: /"?\.\."?/,
  },
  {
    what: "no namespace",
    base: onHub("base/tiny"),
    args: ["--namespace", ""],
    code: "BAD_INPUT",
    says: /namespace/,
  },
  {
    what: "an endpoint that is no address",
    base: onHub("base/tiny"),
    args: ["--hub-endpoint", "hub"],
    code: "BAD_INPUT",
    says: /endpoint/,
  },
  {
    what: "an endpoint that would send the token in the clear",
    base: onHub("base/tiny"),
    args: ["--hub-endpoint", "http://hub.example"],
    code: "BAD_INPUT",
    says: /http/,
  },
  { what: "a missing folder", base: onHub("./nowhere"), code: "NOT_FOUND", says: /nowhere/ },
  {
    what: "a missing repository",
    base: onHub("base/absent"),
    code: "NOT_FOUND",
    says: /base\/absent/,
  },
  { what: "an unknown revision", base: onHub("base/tiny@v9"), code: "NOT_FOUND", says: /v9/ },
  { what: "a gated base", base: onHub("base/gated"), code: "GATED", says: /base\/gated/ },
  {
    what: "a wrong token",
    base: onHub("base/tiny"),
    token: "hf_invalidToken",
    code: "UNAUTHORIZED",
    says: /token/,
  },
  {
    what: "a token that is none",
    base: onHub("base/tiny"),
    token: "swordfish",
    code: "BAD_INPUT",
    says: /hf_/,
  },
  { what: "no token", base: onHub("base/tiny"), token: "", code: "UNAUTHORIZED", says: /token/ },
  {
    what: "a token without the right to write",
    base: onHub("base/tiny"),
    token: "hf_readOnly",
    code: "FORBIDDEN",
    says: /write/,
  },
  {
    what: "a repository that is not ours",
    base: onHub("base/taken"),
    code: "NOT_OURS",
    says: /acme\/taken-oQ4e/,
  },
  {
    what: "an unsupported model_type",
    base: config((c) => {
      c.model_type = "gpt_bigcode";
    }),
    code: "UNSUPPORTED_MODEL",
    says: /"gpt_bigcode".*nemotron_h, llama, mistral, qwen2, qwen3, qwen3_moe/,
  },
  {
    what: "no model_type",
    base: config((c) => {
      delete c.model_type;
    }),
    code: "BAD_CHECKPOINT",
    says: /model_type/,
  },
  {
    what: "an already quantized base",
    base: config((c) => {
      c.quantization = { bits: 4, group_size: 64 };
    }),
    code: "ALREADY_QUANTIZED",
    says: /quantiz/,
  },
  {
    what: "a base with packed weights",
    base: header((h) => {
      const t = h["lm_head.weight"]!;
      t.dtype = "U32";
      t.shape = [t.shape[0]!, t.shape[1]! / 2];
    }),
    code: "ALREADY_QUANTIZED",
    says: /U32/,
  },
  {
    what: "shapes against the config",
    base: config((c) => {
      c.hidden_size = 256;
    }),
    code: "BAD_CHECKPOINT",
    says: /shape \[.*192.*\].*256/,
  },
  {
    what: "more experts than the file holds",
    base: config((c) => {
      c.n_routed_experts = 17;
    }),
    code: "BAD_CHECKPOINT",
    says: /experts\.16|\[16, 192\]/,
  },
  {
    what: "a layer pattern of unknown letters",
    base: config((c) => {
      c.hybrid_override_pattern = "MEX";
    }),
    code: "BAD_CHECKPOINT",
    says: /hybrid_override_pattern/,
  },
  {
    what: "more layers than memory could list",
    base: config((c) => {
      c.num_hidden_layers = 30_000_000;
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /num_hidden_layers.*30000000/,
  },
  {
    what: "more experts than memory could list",
    base: config((c) => {
      c.n_routed_experts = 1_000_000_000;
    }),
    code: "BAD_CHECKPOINT",
    says: /5000000000 routed experts/,
  },
  {
    what: "more experts per token than there are",
    base: config((c) => {
      c.num_experts_per_tok = 400;
    }),
    code: "BAD_CHECKPOINT",
    says: /400 experts per token out of 16/,
  },
  {
    what: "a config that is not JSON",
    base: spoiled(llama, (at) => writeFile(join(at, "config.json"), "{ nope")),
    code: "BAD_CHECKPOINT",
    says: /config\.json/,
  },
  {
    what: "no config",
    base: spoiled(llama, (at) => rm(join(at, "config.json"))),
    code: "MISSING_FILE",
    says: /config\.json/,
  },
  {
    what: "no weights",
    base: spoiled(llama, (at) => rm(join(at, "model.safetensors"))),
    code: "MISSING_FILE",
    says: /safetensors/,
  },
  {
    what: "no tokenizer",
    base: spoiled(llama, (at) => rm(join(at, "tokenizer.json"))),
    code: "MISSING_FILE",
    says: /tokenizer\.json/,
  },
  {
    what: "a truncated safetensors",
    base: spoiled(llama, (at) => truncate(join(at, "model.safetensors"), 500_000)),
    code: "BAD_CHECKPOINT",
    says: /truncated.*model\.safetensors|model\.safetensors.*truncated/,
  },
  {
    what: "a file that ends after its header",
    base: spoiled(llama, (at) => editSafetensors(at, () => {}).then(() => truncateToHeader(at))),
    code: "BAD_CHECKPOINT",
    says: /model\.safetensors/,
  },
  {
    what: "a lying safetensors: overlapping tensors",
    base: header((h) => {
      h["lm_head.weight"]!.data_offsets = h["model.embed_tokens.weight"]!.data_offsets;
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /model\.safetensors/,
  },
  {
    what: "a tensor that no role names",
    base: header((h) => {
      h["model.extra.weight"] = h["model.norm.weight"]!;
      delete h["model.norm.weight"];
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /model\.norm\.weight/,
  },
  {
    what: "an extra tensor",
    base: spoiled(llama, addTensor),
    code: "UNSUPPORTED_MODEL",
    says: /"model\.layers\.0\.mystery\.weight"/,
  },
  {
    what: "an index that names a missing shard",
    base: spoiled(llama, (at) =>
      writeFile(
        join(at, "model.safetensors.index.json"),
        JSON.stringify({ weight_map: { "model.norm.weight": "model-00001-of-00002.safetensors" } }),
      ),
    ),
    code: "BAD_CHECKPOINT",
    says: /model-00001-of-00002/,
  },
  {
    what: "NaN among the weights",
    base: spoiled(llama, (at) =>
      editSafetensors(at, (h, data) =>
        data.writeUInt16LE(0x7fc0, h["lm_head.weight"]!.data_offsets[0] + 64),
      ),
    ),
    code: "BAD_CHECKPOINT",
    says: /"lm_head\.weight".*NaN/,
  },
  {
    what: "NaN in a norm",
    base: spoiled(llama, (at) =>
      editSafetensors(at, (h, data) =>
        data.writeUInt16LE(0xff80, h["model.norm.weight"]!.data_offsets[0] + 6),
      ),
    ),
    code: "BAD_CHECKPOINT",
    says: /"model\.norm\.weight"/,
  },
];

async function truncateToHeader(at: string) {
  const { readFile } = await import("node:fs/promises");
  const size = Number((await readFile(join(at, "model.safetensors"))).readBigUInt64LE());
  await truncate(join(at, "model.safetensors"), 8 + size);
}

async function addTensor(at: string) {
  await editSafetensors(at, (h) => {
    const end = Math.max(...Object.values(h).map((t) => t.data_offsets?.[1] ?? 0));
    h["model.layers.0.mystery.weight"] = {
      dtype: "BF16",
      shape: [2, 2],
      data_offsets: [end, end + 8],
    };
  });
  await writeFile(join(at, "model.safetensors"), Buffer.alloc(8), { flag: "a" });
}

describe("bad input ends in one clear message, exit code 1, and nothing half-written", () => {
  test.each(cases)("$what", async (refusal) => {
    await expectRefused(refusal, { hub, seen, work: `${folder}/work` });
  });

  test("a full disk: the partial folders are gone and the message says how much was needed", async ({
    skip,
  }) => {
    const mount = `${folder}/small`;
    await mkdir(mount);
    const mounted = tryMount(mount, "3m");
    if (mounted === null && process.env.CI !== "true")
      skip("a small file system can only be mounted as root");
    expect(mounted).not.toBeNull();
    try {
      const { code, stderr } = await runCli([
        "quantize",
        embedded,
        "--out",
        `${mount}/out`,
        ...rounded,
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: .*needed.*\[DISK\]/);
      expect(await readdir(`${mount}/out`).catch(() => [])).toEqual([]);
    } finally {
      const [command, ...args] = [...mounted!, "umount", mount];
      spawnSync(command!, args);
    }
  });

  test("a folder that is not ours is left alone, unless told to overwrite", async () => {
    const out = `${folder}/foreign`;
    await mkdir(`${out}/llama-oQ4e`, { recursive: true });
    await writeFile(`${out}/llama-oQ4e/diary.txt`, "mine");
    const refused = await runCli(["quantize", llama, "--out", out, "--tiers", "oQ4e", ...rounded]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/\[NOT_OURS\]/);
    expect(await readdir(`${out}/llama-oQ4e`)).toEqual(["diary.txt"]);
    const told = await runCli([
      "quantize",
      llama,
      "--out",
      out,
      "--tiers",
      "oQ4e",
      "--overwrite",
      ...rounded,
    ]);
    expect(told.code).toBe(0);
    expect(await readdir(`${out}/llama-oQ4e`)).toContain("oqe-receipt.json");
  });

  test("an output folder within the base, or in its place", async () => {
    const base = await copyModel(llama, "model-oQ4e");
    for (const out of [`${base}/out`, join(base, "..")]) {
      const { code, stderr } = await runCli([
        "quantize",
        base,
        "--out",
        out,
        "--tiers",
        "oQ4e",
        "--overwrite",
        ...rounded,
      ]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/error: .*model-oQ4e.*\[BAD_INPUT\]/);
      expect(await readdir(base)).toContain("model.safetensors");
    }
  });

  test("overwrite replaces a foreign repository in one commit", async () => {
    const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" };
    const before = hub.head("acme/taken-oQ4e");
    const told = await runCli(
      [
        "publish",
        "base/taken",
        "--namespace",
        "acme",
        "--overwrite",
        ...rounded,
        "--work-dir",
        `${folder}/w`,
      ],
      environment,
    );
    expect({ code: told.code, stderr: told.code === 0 ? "" : told.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(hub.head("acme/taken-oQ4e")).not.toBe(before);
    expect([...hub.files("acme/taken-oQ4e").keys()]).toContain("oqe-receipt.json");
  });
});

describe("bad input that needs a Hub or an installation of its own", () => {
  test("a token without rights in the namespace", async () => {
    const strict = await startLocalHub({
      folder: `${folder}/strict`,
      users: { hf_elsewhere: { name: "somebody", role: "write" } },
    });
    try {
      await strict.seed("base/tiny", llama);
      const { code, stderr } = await runCli(
        [
          "publish",
          "base/tiny",
          "--namespace",
          "acme",
          ...rounded,
          "--tiers",
          "oQ4e",
          "--work-dir",
          `${folder}/strict-work`,
        ],
        { HF_ENDPOINT: strict.url, HF_TOKEN: "hf_elsewhere" },
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: .*acme.*\[FORBIDDEN\]/);
      expect(strict.head("acme/tiny-oQ4e")).toBeNull();
    } finally {
      await strict.close();
    }
  });

  test("a template that names what the facts do not hold, before anything is quantized", async () => {
    const dist = `${folder}/dist`;
    await cp(fileURLToPath(new URL("../dist", import.meta.url)), dist, { recursive: true });
    await appendFile(`${dist}/templates/model-card.md.jinja`, "{{ perplexity }}\n");
    const { code, stderr } = await runScript(`${dist}/cli.js`, [
      "quantize",
      llama,
      "--out",
      `${folder}/templated`,
      "--policy",
      "oq",
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: .*model-card\.md\.jinja.*perplexity.*\[TEMPLATE\]/);
    expect(await readdir(`${folder}/templated`).catch(() => [])).toEqual([]);
  });
});

/** The command that mounts: as root it is there, on a CI runner sudo gives it. */
function tryMount(at: string, size: string): string[] | null {
  for (const prefix of [[], ["sudo", "-n"]]) {
    const [command, ...args] = [
      ...prefix,
      "mount",
      "-t",
      "tmpfs",
      "-o",
      `size=${size},mode=1777`,
      "tmpfs",
      at,
    ];
    if (spawnSync(command!, args, { stdio: "ignore" }).status === 0) return prefix;
  }
  return null;
}
