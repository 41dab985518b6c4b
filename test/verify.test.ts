import { execFile } from "node:child_process";
import { appendFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { findPython } from "./python/python.ts";
import { runCli } from "./support/cli-run.ts";
import {
  copyModel,
  editConfig,
  embedded,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";
import { exitCodeOf } from "./support/refusal.ts";

const name = "nemotron-nano-tiny-oQ4e";
const hybrid = smallest.nemotron_h!;
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;

let folder: string;
let hub: LocalHub;
let seen: SeenRequest[] = [];
/** A published tier: its folder, and what its receipt holds. */
let tier: string;
let receipt: {
  evaluation: Record<string, unknown>;
  base: { revision: string };
  plan: { modules: Record<string, unknown> };
};

/** Text that no test model has seen: sentences of random words. */
function story(seed: number): string {
  const words =
    "stone river lamp winter garden letter engine silver window mountain paper the a of under beside".split(
      " ",
    );
  let state = seed;
  const word = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return words[state % words.length];
  };
  return Array.from({ length: 400 }, () => `${Array.from({ length: 12 }, word).join(" ")}.`).join(
    "\n\n",
  );
}

const environment = () => ({ HF_ENDPOINT: hub.url, HF_TOKEN: "hf_tokenOfTheTest" });
const oqe = (...args: string[]) => runCli(args, environment());

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({
    folder: `${folder}/hub`,
    onRequest: (request) => seen.push(request),
  });
  await hub.seed("base/nemotron-nano-tiny", embedded);
  await writeFile(`${folder}/calibration.txt`, story(1));
  await writeFile(`${folder}/evaluation.txt`, story(2));
  const rows = [
    "--calibration-samples",
    "4",
    "--calibration-length",
    "64",
    "--evaluation-samples",
    "4",
  ];
  const made = await oqe(
    ...[
      "publish",
      "base/nemotron-nano-tiny",
      "--namespace",
      "acme",
      "--work-dir",
      `${folder}/work`,
      "--tiers",
      "oQ4e",
    ],
    ...rows,
  );
  if (made.code !== 0) throw new Error(made.stderr);
  tier = `${folder}/work/${name}`;
  receipt = JSON.parse(await readFile(`${tier}/oqe-receipt.json`, "utf8"));
}, 120_000);

afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const keys = [
  ...[
    "positions",
    "meanKl",
    "meanKlError",
    "medianKl",
    "p99Kl",
    "forcedMeanKl",
    "sameTop",
    "perplexity",
  ],
  ...[
    "perplexityRatio",
    "perplexityRatioError",
    "routerAgreement",
    "exactRoutes",
    "byDomain",
    "byLayer",
  ],
];

describe("oqe verify", () => {
  test("finds in a folder what its receipt says, and prints it as the receipt holds it", async () => {
    const base = `base/nemotron-nano-tiny@${receipt.base.revision}`;
    const { code, stdout, stderr } = await oqe("verify", tier, "--base", base, "--json");
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining("warning"),
    });
    const evaluation = JSON.parse(stdout);
    expect(Object.keys(evaluation)).toEqual(expect.arrayContaining(keys));
    expect(evaluation).toEqual(receipt.evaluation);
    expect(evaluation).toMatchObject({ positions: 1024, rows: { samples: 4, source: "bundled" } });
    expect(evaluation.byDomain.map(({ domain }: { domain: string }) => domain)).toEqual([
      "en",
      "es",
      "fr",
      "de",
    ]);
    expect(evaluation.byLayer).toHaveLength(5);
  });

  test("finds the same on the Hub, and downloads nothing whole", async () => {
    seen = [];
    const base = "base/nemotron-nano-tiny";
    const { code, stdout } = await oqe(
      "verify",
      `acme/${name}`,
      "--base",
      base,
      "--json",
      "--workers",
      "1",
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(receipt.evaluation);
    const weights = seen.filter(
      ({ method, url }) => method === "GET" && /safetensors|[0-9a-f]{64}/.test(url),
    );
    expect(weights.length).toBeGreaterThan(20);
    expect(
      weights.filter(({ headers, status }) => headers.range === undefined && status < 300),
    ).toEqual([]);
  });

  test("prints a table that a person can read", async () => {
    const { code, stdout } = await oqe(
      "verify",
      tier,
      "--base",
      embedded,
      "--evaluation-samples",
      "2",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^nemotron-nano-tiny-oQ4e at sha256:[0-9a-f]{64}\n512 positions: 2 rows of 256 tokens of bundled/,
    );
    for (const line of [
      /^all +0\.0\d+ ± 0\.0\d+ +\d\d\.\d\d % +/m,
      /^rounded +0\.0/m,
      /^en +0\.0/m,
      /^layer 10 +\d\d\./m,
    ])
      expect(stdout).toMatch(line);
    expect(stdout.match(/^passed {2}\S+/gm)).toHaveLength(3);
  });

  test("measures on text of one's own", async () => {
    const own = ["--evaluation", `${folder}/evaluation.txt`, "--evaluation-samples", "3"];
    const { code, stdout, stderr } = await oqe(
      "verify",
      tier,
      "--base",
      embedded,
      "--json",
      ...own,
    );
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("these are not the receipt's rows"),
    });
    expect(JSON.parse(stdout)).toMatchObject({
      rows: { source: "evaluation.txt" },
      positions: 768,
    });
  });

  test("finds nothing between a base and itself", async () => {
    const args = ["--base", smallest.llama!, "--json", "--evaluation-samples", "1"];
    const { code, stdout } = await oqe("verify", smallest.llama!, ...args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{
        meanKl: 0,
        maxKl: 0,
        sameTop: 1,
        perplexityRatio: 1,
        routerAgreement: null,
        exactRoutes: null,
        gates: [],
      },
      ...{ meanKlError: null, perplexityRatioError: null },
    });
  });

  test("ends with what failed where a gate is not passed, after the figures", async () => {
    const limit = ["--max-kl", "oQ4e=1e-4", "--evaluation-samples", "1"];
    const { code, stdout, stderr } = await oqe("verify", tier, "--base", embedded, ...limit);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^FAILED {2}max-kl 0\.0001: 0\.0\d+$/m);
    expect(stderr).toMatch(
      /^error: .*mean KL is 0\.0\d+; gate max-kl requires at most 0\.0001 \[GATE\]$/m,
    );
  });

  describe.skipIf(absent !== null)(`with mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
    test("takes what mlx_lm.convert made", async () => {
      if (!("path" in python)) throw new Error(python.reason);
      const converted = `${folder}/converted`;
      const script = `from mlx_lm import convert; convert(${JSON.stringify(smallest.qwen3_moe)}, ${JSON.stringify(converted)}, quantize=True, q_bits=4, q_group_size=64)`;
      const env = {
        PATH: process.env.PATH ?? "",
        HOME: process.env.HOME ?? "",
        HF_HUB_OFFLINE: "1",
      };
      await promisify(execFile)(python.path, ["-c", script], { env, maxBuffer: 1 << 26 });
      const rows = ["--evaluation-samples", "2", "--min-router-agreement", "0.5"];
      const { code, stdout, stderr } = await oqe(
        "verify",
        converted,
        "--base",
        smallest.qwen3_moe!,
        "--json",
        ...rows,
      );
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const evaluation = JSON.parse(stdout);
      expect(evaluation.meanKl).toBeGreaterThan(1e-3);
      expect(evaluation.rounded).toMatchObject({
        meanKl: evaluation.meanKl,
        sameTop: evaluation.sameTop,
      });
      expect(evaluation.gates).toMatchObject([
        { gate: "min-router-agreement", limit: 0.5, passed: true },
      ]);
    });
  });
});

/** A copy of the tier, spoiled. */
async function spoil(change: (at: string) => Promise<unknown>): Promise<string> {
  const copy = `${folder}/spoiled/${name}`;
  await rm(copy, { recursive: true, force: true });
  await mkdir(`${folder}/spoiled`, { recursive: true });
  await cp(tier, copy, { recursive: true });
  await change(copy);
  return copy;
}

/** Edits a copy's receipt. */
const receiptOf = (edit: (root: typeof receipt) => void) => async (at: string) => {
  const root = JSON.parse(await readFile(`${at}/oqe-receipt.json`, "utf8"));
  edit(root);
  await writeFile(`${at}/oqe-receipt.json`, JSON.stringify(root));
};
const dropReceipt = (at: string) => rm(`${at}/oqe-receipt.json`);
const changeShard = async (at: string) => {
  const file = await readFile(`${at}/model.safetensors`);
  file[file.length - 1]! ^= 1;
  await writeFile(`${at}/model.safetensors`, file);
};
const module = "backbone.layers.1.mixer.switch_mlp.fc1";
const widthOf = (at: string, bits: number) =>
  editConfig(at, (config) => {
    (config.quantization as Record<string, unknown>)[module] = { bits, group_size: 64 };
  });

async function expectRefused(args: readonly string[], code: string, says: RegExp) {
  const result = await oqe("verify", ...args);
  expect(result).toMatchObject({ code: exitCodeOf(code), stdout: "" });
  const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain(`[${code}]`);
  expect(errors[0]).toMatch(says);
  expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
}

describe("a target that is not what its receipt says is refused by file and both values:", () => {
  const bytes = "[\\d,]+";
  test.each<[string, (at: string) => Promise<unknown>, RegExp]>([
    [
      "a longer shard",
      (at) => appendFile(`${at}/model.safetensors`, "x"),
      new RegExp(`model\\.safetensors has ${bytes} bytes, oqe-receipt\\.json says ${bytes} `),
    ],
    [
      "a shard of other content",
      changeShard,
      /model\.safetensors has the SHA-256 [0-9a-f]{64}, oqe-receipt\.json says [0-9a-f]{64} /,
    ],
    [
      "another config",
      (at) => widthOf(at, 5),
      /config\.json has [\d,]+ bytes, oqe-receipt\.json says [\d,]+ /,
    ],
    [
      "no shard",
      (at) => rm(`${at}/model.safetensors`),
      /model\.safetensors is missing, oqe-receipt\.json lists it/,
    ],
    [
      "one shard more",
      (at) => cp(`${at}/model.safetensors`, `${at}/model-2.safetensors`),
      /model-2\.safetensors is a shard that oqe-receipt\.json does not list/,
    ],
    [
      "another plan on the receipt",
      receiptOf(({ plan }) => {
        plan.modules[module] = { bits: 8, groupSize: 64 };
      }),
      /config\.json has "backbone\.layers\.1\.mixer\.switch_mlp\.fc1" \d-bit in groups of 64, oqe-receipt\.json says 8-bit in groups of 64/,
    ],
    [
      "a module fewer on the receipt",
      receiptOf((root) => {
        const { tuning, sensitivity } = root as unknown as Record<
          string,
          Record<string, Record<string, unknown>>
        >;
        for (const byModule of [root.plan.modules, tuning!.modules!, sensitivity!.costs!])
          delete byModule[module];
      }),
      /config\.json has ".*fc1" \d-bit in groups of 64, oqe-receipt\.json says unquantized/,
    ],
    [
      "a receipt that is none",
      (at) => writeFile(`${at}/oqe-receipt.json`, "{"),
      /oqe-receipt\.json is not JSON/,
    ],
  ])("%s", async (_, change, says) => {
    await expectRefused([await spoil(change), "--base", embedded], "BAD_INPUT", says);
  });

  test("figures that the files do not have, after they are printed", async () => {
    const forged = receiptOf(({ evaluation }) => {
      evaluation.meanKl = (evaluation.meanKl as number) / 3;
      (evaluation.gates as { value: number }[])[0]!.value = evaluation.meanKl as number;
    });
    const { code, stdout, stderr } = await oqe(
      "verify",
      await spoil(forged),
      "--base",
      embedded,
      "--json",
    );
    expect({ code, meanKl: JSON.parse(stdout).meanKl }).toEqual({
      code: 3,
      meanKl: receipt.evaluation.meanKl,
    });
    expect(stderr).toMatch(
      /^error: .*meanKl is 0\.0\d+, oqe-receipt\.json says 0\.0\d+ \[GATE\]$/m,
    );
  });

  test("without a receipt, config and shards still have to agree", async () => {
    const target = await spoil(async (at) => {
      await dropReceipt(at);
      await widthOf(at, 8);
    });
    const says =
      /model\.safetensors: tensor ".*fc1\.weight" has shape \[[\d, ]+\], but config\.json gives \[[\d, ]+\]/;
    await expectRefused([target, "--base", embedded], "BAD_CHECKPOINT", says);
  });
});

describe("another base is refused:", () => {
  test("at another commit, and the hint names the right one", async () => {
    const moved = await copyModel(embedded, "nemotron-nano-tiny");
    await writeFile(`${moved}/NOTES.md`, "changed since");
    const before = receipt.base.revision;
    const now = await hub.seed("base/nemotron-nano-tiny", moved);
    const target = `acme/${name}`;
    const says = new RegExp(
      `at ${now}, oqe-receipt\\.json says ${before} of base/nemotron-nano-tiny`,
    );
    await expectRefused([target, "--base", "base/nemotron-nano-tiny"], "BAD_INPUT", says);
    const then = `base/nemotron-nano-tiny@${before}`;
    expect(await oqe("verify", target, "--base", then, "--evaluation-samples", "1")).toMatchObject({
      code: 0,
    });
  });

  test("a folder of another fingerprint", async () => {
    const own = await oqe(
      ...["quantize", hybrid, "--out", `${folder}/own`, "--tiers", "oQ8e", "--method", "rounded"],
      ...["--evaluation-samples", "1", "--json"],
    );
    const [target] = JSON.parse(own.stdout).folders;
    const other = await copyModel(hybrid, "nemotron_h");
    await appendFile(`${other}/config.json`, "\n");
    const says =
      /the base nemotron_h is at sha256:[0-9a-f]{64}, oqe-receipt\.json says sha256:[0-9a-f]{64} of nemotron_h/;
    await expectRefused([target, "--base", other], "BAD_INPUT", says);
    expect(await oqe("verify", target, "--base", hybrid)).toMatchObject({ code: 0 });
  });

  test("of another architecture, or shape, where no receipt tells", async () => {
    const bare = await spoil(dropReceipt);
    await expectRefused(
      [bare, "--base", smallest.llama!],
      "BAD_INPUT",
      /is no quant of llama: it is a nemotron_h model/,
    );
    await expectRefused(
      [bare, "--base", hybrid],
      "BAD_INPUT",
      /is no quant of nemotron_h: .*tensor/,
    );
  });
});

describe("evaluation text is refused:", () => {
  test("where it overlaps the calibration text, naming the rows", async () => {
    const rows = [
      "--calibration-samples",
      "8",
      "--calibration-length",
      "256",
      "--evaluation-samples",
      "1",
    ];
    const own = [
      "--calibration",
      `${folder}/calibration.txt`,
      "--tiers",
      "oQ8e",
      "--out",
      `${folder}/told`,
      "--json",
    ];
    const made = await oqe("quantize", hybrid, ...own, ...rows);
    expect(made).toMatchObject({ code: 0 });
    const [target] = JSON.parse(made.stdout).folders;
    const both = `${await readFile(`${folder}/calibration.txt`, "utf8")}\n\n${story(9).slice(0, 3000)}`;
    await writeFile(`${folder}/both.txt`, both);
    const named = ["--calibration", `${folder}/calibration.txt`, "--evaluation-samples", "12"];
    const overlapping = [target, "--base", hybrid, ...named, "--evaluation", `${folder}/both.txt`];
    const says =
      /both\.txt shares passages with the calibration text calibration\.txt: rows \d+ \(calibration row \d+\), .*counted from 0/;
    await expectRefused(overlapping, "BAD_INPUT", says);
    const same = [target, "--base", hybrid, ...named, "--evaluation", `${folder}/calibration.txt`];
    await expectRefused(same, "BAD_INPUT", /rows 0 to 11 are of the same text/);
    const other = ["--calibration", `${folder}/evaluation.txt`];
    const wrong =
      /calibration: the rows of evaluation\.txt have the SHA-256 [0-9a-f]{64}, oqe-receipt\.json says [0-9a-f]{64} of calibration\.txt/;
    await expectRefused([target, "--base", hybrid, ...other], "BAD_INPUT", wrong);
    const untold = await oqe("verify", target, "--base", hybrid, "--evaluation-samples", "1");
    expect(untold).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("cannot be drawn again"),
    });
  });

  test("before a weight is read where a run is to measure on it", async () => {
    const text = `${folder}/calibration.txt`;
    const args = [
      "quantize",
      hybrid,
      "--policy",
      "oq",
      "--out",
      `${folder}/never`,
      "--calibration",
      text,
      "--evaluation",
      text,
    ];
    const rows = ["--calibration-samples", "2", "--evaluation-samples", "5"];
    const { code, stderr } = await oqe(...args, ...rows);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: evaluation: calibration\.txt shares passages .*rows 0 to 4/m);
  });

  test.each([
    ["./nowhere.txt", "BAD_INPUT", /evaluation: .*nowhere\.txt does not exist/],
    ["datasets/no/such/rows.txt", "NOT_FOUND", /no\/such/],
  ])("where it is not there: %s", async (text, code, says) => {
    await expectRefused([tier, "--base", embedded, "--evaluation", text], code, says);
  });

  test("where it is too short, or empty", async () => {
    await writeFile(`${folder}/short.txt`, "A word.");
    await writeFile(`${folder}/empty.txt`, "");
    const on = (file: string) => [tier, "--base", embedded, "--evaluation", `${folder}/${file}`];
    await expectRefused(on("short.txt"), "BAD_INPUT", /short\.txt is too short/);
    await expectRefused(on("empty.txt"), "BAD_INPUT", /evaluation: .*empty\.txt is empty/);
  });
});

test.each([
  [["/nowhere", "--base", embedded], "NOT_FOUND", /\/nowhere/],
  [["acme/nothing", "--base", embedded], "NOT_FOUND", /acme\/nothing/],
  [[hybrid], "BAD_INPUT", /oqe verify needs --base/],
  [[hybrid, "--base", "/nowhere"], "NOT_FOUND", /\/nowhere/],
  [[hybrid, "--base", hybrid, "--tiers", "oQ4e"], "BAD_INPUT", /does not take --tiers/],
  [[hybrid, "--base", hybrid, "--evaluation-samples", "0"], "BAD_INPUT", /evaluation-samples: "0"/],
  [[hybrid, "--base", hybrid, "--max-kl", "low"], "BAD_INPUT", /max-kl: "low" is not a limit/],
])("%j is refused", (args, code, says) => expectRefused(args, code, says));

describe("gates of a run", () => {
  const args = [
    "--method",
    "rounded",
    "--tiers",
    "oQ8e,oQ4e",
    "--evaluation-samples",
    "1",
    "--max-kl",
    "oQ4e=1e-5",
  ];

  test("publish what passes, keep back what does not, and say which number failed", async () => {
    const made = await oqe(
      ...[
        "publish",
        "base/nemotron-nano-tiny",
        "--namespace",
        "gated",
        "--work-dir",
        `${folder}/gated`,
        "--json",
        ...args,
      ],
    );
    expect(made.code).toBe(3);
    expect(made.stderr).toMatch(
      /^error: oQ4e: mean KL is 0\.\d+; gate max-kl requires at most 0\.00001 \[GATE\]$/m,
    );
    expect(JSON.parse(made.stdout).repositories).toMatchObject([
      { tier: "oQ8e", outcome: "published" },
      { tier: "oQ4e", outcome: "failed", commit: null },
    ]);
    expect(hub.head("gated/nemotron-nano-tiny-oQ8e")).not.toBeNull();
    expect(hub.head("gated/nemotron-nano-tiny-oQ4e")).toBeNull();
    const kept = JSON.parse(await readFile(`${folder}/gated/${name}/oqe-receipt.json`, "utf8"));
    expect(kept.evaluation.gates[0]).toMatchObject({ gate: "max-kl", limit: 1e-5, passed: false });
  });

  test("let a published tier stand as long as it keeps them", async () => {
    const again = (limit: string) =>
      oqe(
        ...[
          "publish",
          "base/nemotron-nano-tiny",
          "--namespace",
          "gated",
          "--work-dir",
          `${folder}/gated`,
          "--json",
        ],
        ...[
          "--method",
          "rounded",
          "--tiers",
          "oQ8e",
          "--evaluation-samples",
          "1",
          "--max-kl",
          limit,
        ],
      );
    const head = hub.head("gated/nemotron-nano-tiny-oQ8e");
    const same = await again("0.5");
    expect(JSON.parse(same.stdout).repositories).toMatchObject([
      { outcome: "unchanged", commit: head },
    ]);
    const stricter = await again("1e-6");
    expect(stricter).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/gate max-kl requires at most 0\.000001/),
    });
    expect(hub.head("gated/nemotron-nano-tiny-oQ8e")).toBe(head);
  });

  test("fail a quantize too, which leaves its folders for a look", async () => {
    const made = await oqe("quantize", hybrid, "--out", `${folder}/looked`, "--json", ...args);
    expect(made).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/oQ4e: mean KL is .*folder is kept/s),
    });
    for (const path of JSON.parse(made.stdout).folders) await readFile(`${path}/README.md`);
  });

  test("are not there where nothing is measured", async () => {
    const unevaluated = [
      "--method",
      "rounded",
      "--tiers",
      "oQ4e",
      "--verify",
      "false",
      "--max-kl",
      "0",
      "--json",
    ];
    const made = await oqe("quantize", hybrid, "--out", `${folder}/unevaluated`, ...unevaluated);
    expect(made).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("without effect: max-kl (verify is false)"),
    });
    const [path] = JSON.parse(made.stdout).folders;
    expect(JSON.parse(await readFile(`${path}/oqe-receipt.json`, "utf8"))).toMatchObject({
      evaluation: null,
      evaluationRows: null,
    });
  });
});
