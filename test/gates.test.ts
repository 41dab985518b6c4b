import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { smallest } from "./support/models.ts";
import { tierName, verifyScene } from "./support/published-tier.ts";

const hybrid = smallest.nemotron_h!;
const scene = verifyScene(hybrid);

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

  test("hold back a tier that fails, publish the others, and name the figure that failed", async () => {
    const made = await scene.oqe(
      ...[
        "publish",
        "base/nemotron-nano-tiny",
        "--namespace",
        "gated",
        "--work-dir",
        `${scene.folder}/gated`,
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
    expect(scene.hub.head("gated/nemotron-nano-tiny-oQ8e")).not.toBeNull();
    expect(scene.hub.head("gated/nemotron-nano-tiny-oQ4e")).toBeNull();
    const receipt = JSON.parse(
      await readFile(`${scene.folder}/gated/${tierName}/oqe-receipt.json`, "utf8"),
    );
    expect(receipt.evaluation.gates[0]).toMatchObject({
      gate: "max-kl",
      limit: 1e-5,
      passed: false,
    });
  });

  test("leave a published tier as it is, and fail the run where it misses a new limit", async () => {
    const again = (limit: string) =>
      scene.oqe(
        ...[
          "publish",
          "base/nemotron-nano-tiny",
          "--namespace",
          "gated",
          "--work-dir",
          `${scene.folder}/gated`,
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
    const head = scene.hub.head("gated/nemotron-nano-tiny-oQ8e");
    const same = await again("0.5");
    expect(JSON.parse(same.stdout).repositories).toMatchObject([
      { outcome: "unchanged", commit: head },
    ]);
    const stricter = await again("1e-6");
    expect(stricter).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/gate max-kl requires at most 0\.000001/),
    });
    expect(scene.hub.head("gated/nemotron-nano-tiny-oQ8e")).toBe(head);
  });

  test("fail a quantize, which leaves its folders", async () => {
    const made = await scene.oqe(
      "quantize",
      hybrid,
      "--out",
      `${scene.folder}/looked`,
      "--json",
      ...args,
    );
    expect(made).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/oQ4e: mean KL is .*folder stays on disk/s),
    });
    for (const path of JSON.parse(made.stdout).folders) await readFile(`${path}/README.md`);
  });

  test("are not checked with verify false, and the run warns", async () => {
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
    const made = await scene.oqe(
      "quantize",
      hybrid,
      "--out",
      `${scene.folder}/unevaluated`,
      ...unevaluated,
    );
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
