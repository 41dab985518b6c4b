import { beforeAll, describe, expect, test } from "vitest";
import { findPython, runMlx } from "./python/python.ts";
import { smallest } from "./support/models.ts";
import { type TierReceipt, tierName, verifyScene } from "./support/published-tier.ts";

const hybrid = smallest.nemotron_h!;
const python = findPython("mlx_lm");
const absent = "path" in python ? null : python.reason;

const scene = verifyScene(hybrid);
let receipt: TierReceipt;
beforeAll(async () => {
  receipt = await scene.publishTier("--floors", "none");
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
  test("prints the evaluation of the receipt for a folder", async () => {
    const base = `base/nemotron-nano-tiny@${receipt.base.revision}`;
    const { code, stdout, stderr } = await scene.oqe(
      "verify",
      scene.tier,
      "--base",
      base,
      "--json",
    );
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining("warning"),
    });
    const files = Object.keys(receipt.files).length;
    const checked = `receipt \\(3 of 6\\)\n  ${files} files as in the receipt\nDraw the rows `;
    expect(stderr).toMatch(new RegExp(checked));
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
    expect(evaluation.byLayer).toHaveLength(2);
  });

  test("prints the same for a repository on the Hub, and downloads no whole file", async () => {
    scene.seen = [];
    const base = "base/nemotron-nano-tiny";
    const { code, stdout } = await scene.oqe(
      "verify",
      `acme/${tierName}`,
      "--base",
      base,
      "--json",
      "--workers",
      "1",
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(receipt.evaluation);
    const weights = scene.seen.filter(
      ({ method, url }) => method === "GET" && /safetensors|[0-9a-f]{64}/.test(url),
    );
    expect(weights.length).toBeGreaterThan(20);
    expect(
      weights.filter(({ headers, status }) => headers.range === undefined && status < 300),
    ).toEqual([]);
  });

  test("takes the base from the receipt, and ends with what matches", async () => {
    const { code, stdout, stderr } = await scene.oqe("verify", `acme/${tierName}`);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/\nEvery file and every figure matches the receipt\.\n$/);
  });

  test("prints tables", async () => {
    const { code, stdout } = await scene.oqe(
      "verify",
      scene.tier,
      "--base",
      hybrid,
      "--evaluation-samples",
      "2",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^the folder nemotron-nano-tiny-oQ4e\n512 positions: 2 rows of 256 tokens of bundled/,
    );
    for (const line of [
      /^all +0\.0\d+ ± 0\.0\d+ +\d\d\.\d\d % +/m,
      /^rounded +0\.0/m,
      /^en +0\.0/m,
      /^layer 4 +\d\d\./m,
    ])
      expect(stdout).toMatch(line);
    expect(stdout.match(/^passed {2}\S+/gm)).toHaveLength(3);
    expect(stdout).toMatch(/\nEvery file matches the receipt\. Its figures are of other rows\.\n$/);
  });

  test("uses given evaluation text", async () => {
    const own = ["--evaluation", `${scene.folder}/evaluation.txt`, "--evaluation-samples", "3"];
    const { code, stdout, stderr } = await scene.oqe(
      "verify",
      scene.tier,
      "--base",
      hybrid,
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

  test("finds no difference between a base and itself", async () => {
    const args = ["--base", smallest.llama!, "--json", "--evaluation-samples", "1"];
    const { code, stdout } = await scene.oqe("verify", smallest.llama!, ...args);
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

  test("prints the figures, then the gate that failed", async () => {
    const limit = ["--max-kl", "oQ4e=1e-4", "--evaluation-samples", "1"];
    const { code, stdout, stderr } = await scene.oqe(
      "verify",
      scene.tier,
      "--base",
      hybrid,
      ...limit,
    );
    expect(code).toBe(3);
    expect(stdout).toMatch(/^FAILED {2}max-kl 0\.0001: 0\.0\d+$/m);
    expect(stderr).toMatch(
      /^error: .*mean KL is 0\.0\d+; gate max-kl requires at most 0\.0001 \[GATE\]$/m,
    );
  });

  describe.skipIf(absent !== null)(`with mlx-lm${absent === null ? "" : ` (${absent})`}`, () => {
    test("accepts what mlx_lm.convert made", async () => {
      if (!("path" in python)) throw new Error(python.reason);
      const converted = `${scene.folder}/converted`;
      const script = `from mlx_lm import convert; convert(${JSON.stringify(smallest.qwen3_moe)}, ${JSON.stringify(converted)}, quantize=True, q_bits=4, q_group_size=64)`;
      await runMlx(python.path, ["-c", script]);
      const rows = ["--evaluation-samples", "2", "--min-router-agreement", "0.5"];
      const { code, stdout, stderr } = await scene.oqe(
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

test.each([
  [["/nowhere", "--base", hybrid], "NOT_FOUND", /\/nowhere/],
  [["acme/nothing", "--base", hybrid], "NOT_FOUND", /acme\/nothing/],
  [[hybrid], "BAD_INPUT", /nemotron_h does not say where its base is: it has no oqe-receipt\.json/],
  [[hybrid, "--base", "/nowhere"], "NOT_FOUND", /\/nowhere/],
  [[hybrid, "--base", hybrid], "BAD_CHECKPOINT", /is not a quantized repository: its config/],
  [[hybrid, "--base", hybrid, "--tiers", "oQ4e"], "BAD_INPUT", /does not take --tiers/],
  [[hybrid, "--base", hybrid, "--evaluation-samples", "0"], "BAD_INPUT", /evaluation-samples: "0"/],
  [[hybrid, "--base", hybrid, "--max-kl", "low"], "BAD_INPUT", /max-kl: "low" is not a limit/],
])("%j is refused", (args, code, says) => scene.expectRefused(args, code, says));
