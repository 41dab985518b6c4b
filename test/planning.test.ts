import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Width } from "../src/kernel/width.ts";
import type { LocalHub } from "../src/local-hub/local-hub.ts";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import { parseReceipt } from "../src/receipt/receipt-file.ts";
import { parseSensitivity } from "../src/sensitivity/sensitivity-file.ts";
import { makeCheckpoint } from "./support/checkpoints.ts";
import { type CliResult, runCli } from "./support/cli-run.ts";
import {
  copyModel,
  editSafetensors,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";
import { nemotron30b } from "./support/nemotron-30b.ts";
import { exitCodeOf } from "./support/refusal.ts";

const model = smallest.nemotron_h!;
const rows = ["--calibration-samples", "4", "--calibration-length", "32"];
const unevaluated = ["--verify", "false"];
const floors = ["--floors", "attention=6"];

let folder: string;
let file: string;
let measured: CliResult;
let domain: string;
beforeAll(async () => {
  folder = await scratchFolder();
  file = `${folder}/sensitivity.json`;
  measured = await runCli(["sensitivity", model, ...rows, "--out", file]);
  [domain] = JSON.parse(await readFile(file, "utf8")).domains;
});
afterAll(() => removeFolder(folder));

const refused = async (args: readonly string[], code: string, says: RegExp) => {
  const { code: exit, stdout, stderr } = await runCli(args);
  expect({ exit, stdout }).toEqual({ exit: exitCodeOf(code), stdout: "" });
  expect(stderr).toMatch(says);
  expect(stderr).toContain(`[${code}]`);
  expect(stderr).not.toMatch(/\n\s+at /);
};

describe("a sensitivity", () => {
  test("has the costs of every tensor that a plan quantizes", async () => {
    expect({ code: measured.code, stdout: measured.stdout }).toEqual({
      code: 0,
      stdout: `${file}\n`,
    });
    const { tensors, base, engine } = parseSensitivity(await readFile(file, "utf8"), file);
    expect(base).toMatchObject({
      id: null,
      name: "nemotron_h",
      revision: expect.stringMatching(/^sha256:/),
    });
    expect(engine.kernelSha256).toMatch(/^[0-9a-f]{64}$/);
    const { stdout } = await runCli(["plan", model, "--policy", "oq", "--json"]);
    const modules = Object.keys(JSON.parse(stdout).tiers[0].modules);
    expect(tensors.map(({ module }) => module).sort()).toEqual(modules.sort());
  });

  test("gives plans with custom tiers and floors, explained by role", async () => {
    const ask = [
      "plan",
      model,
      "--sensitivity",
      file,
      "--explain",
      "--tiers",
      "oQ4e",
      "--target-bpw",
      "5",
    ];
    const { stdout, code } = await runCli([...ask, ...floors, "--json"]);
    expect(code).toBe(0);
    const plan = JSON.parse(stdout);
    expect(plan.policy).toBe("measured");
    expect(plan.tiers.map(({ tier }: { tier: string }) => tier)).toEqual(["oQ4e", "oQ5.0e"]);
    for (const { bpw, targetBpw, roles, floors, floorCosts, predicted, bytes } of plan.tiers) {
      expect(bpw).toBeLessThanOrEqual(targetBpw + 0.1);
      expect(floors).toEqual({ attention: 6 });
      expect(floorCosts).toEqual({ attention: expect.any(Number) });
      expect(predicted.kl).toBeGreaterThanOrEqual(predicted.forcedKl);
      const total = (value: (role: { share: number; bytes: number }) => number) =>
        roles.map(value).reduce((a: number, b: number) => a + b, 0);
      expect(total(({ share }) => share)).toBeCloseTo(1, 9);
      expect(total((role) => role.bytes)).toBeLessThanOrEqual(bytes);
      const attention = roles.filter(({ role }: { role: string }) => role.startsWith("attention."));
      const widths: Width[] = attention.flatMap((role: { widths: Width[] }) => role.widths);
      expect(Math.min(...widths.map(({ bits }) => bits))).toBeGreaterThanOrEqual(6);
    }
    const text = (await runCli([...ask, ...floors])).stdout;
    expect(text).toMatch(/^oQ4e: \d\.\d\d bpw of 4\.60, predicted KL .*floors attention=6$/m);
    const named = text.match(/^oQ\S+: the floor of attention costs \d+\.\d % of the/gm) ?? [];
    const costly = plan.tiers.filter((tier: TierPlan) => tier.floorCosts!.attention! > 0.1);
    expect(named.length).toBe(costly.length);
    expect(text).toMatch(/^experts\.down +[\d-]+ +[\d,]+ +\d+\.\d % /m);
  });

  test("fits a copy of the base under another name", async () => {
    const ask = (path: string) => ["plan", path, "--sensitivity", file, ...floors, "--json"];
    const copy = await copyModel(model, "renamed");
    const [own, renamed] = [await runCli(ask(model)), await runCli(ask(copy))];
    expect([own.code, renamed.code]).toEqual([0, 0]);
    expect(JSON.parse(renamed.stdout).tiers).toEqual(JSON.parse(own.stdout).tiers);
  });

  test("is in the receipt of a tier that it planned", async () => {
    const out = `${folder}/out`;
    const args = [
      "quantize",
      model,
      "--out",
      out,
      "--tiers",
      "oQ4e",
      "--sensitivity",
      file,
      "--method",
      "rounded",
    ];
    expect((await runCli([...args, ...floors, ...unevaluated])).code).toBe(0);
    const path = `${out}/nemotron_h-oQ4e/oqe-receipt.json`;
    const receipt = parseReceipt(await readFile(path, "utf8"), path);
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    expect(receipt.options).toMatchObject({
      policy: "measured",
      sensitivity: sha256,
      domainWeights: {},
    });
    expect(receipt.options.floors).toEqual({ attention: 6 });
    expect(receipt.sensitivity!.calibration).toMatchObject({ samples: 4, length: 32 });
    expect(receipt.series.map(({ tier, predicted }) => [tier, predicted!.kl > 0])).toEqual(
      ["oQ8e", "oQ6e", "oQ5e", "oQ4e"].map((tier) => [tier, true]),
    );
  });
});

test("a target that no plan reaches gives one warning", async () => {
  const { code, stderr } = await runCli(["plan", model, "--policy", "oq", "--target-bpw", "9.5"]);
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /^ {2}warning: oQ9\.5e is larger than 8 bits throughout, which take [\d,]+ bytes: .*\n$/,
  );
});

describe("a plan is refused for", () => {
  const plan = (...more: string[]) => ["plan", model, ...more];
  test("a budget below the floors, before anything is measured", () =>
    refused(
      plan("--target-bpw", "3.5", ...rows),
      "BAD_INPUT",
      /^(?!.*Measure \().*the smallest possible plan takes [\d,]+, \d\.\d\d bits/s,
    ));
  test("a sensitivity of another model", () =>
    refused(
      ["plan", smallest.llama!, "--sensitivity", file],
      "BAD_SENSITIVITY",
      /is of base nemotron_h at sha256:\w+, not llama at/,
    ));
  test("a sensitivity of the same shapes with other weights", async () => {
    const other = await copyModel(model, "shuffled");
    await editSafetensors(other, (header, data) => {
      const name = Object.keys(header).find((key) => key.endsWith("in_proj.weight"))!;
      const [start, end] = header[name]!.data_offsets;
      const half = (end - start) / 2;
      const first = Buffer.from(data.subarray(start, start + half));
      data.copyWithin(start, start + half, end);
      data.set(first, end - half);
    });
    await refused(
      ["plan", other, "--sensitivity", file, ...floors],
      "BAD_SENSITIVITY",
      /is of base nemotron_h at sha256:\w+, not shuffled at sha256:/,
    );
  });
  test("a sensitivity of another engine", async () => {
    const other = JSON.parse(await readFile(file, "utf8"));
    other.engine.recipe = 1;
    await writeFile(`${folder}/other.json`, JSON.stringify(other));
    await refused(
      plan("--sensitivity", `${folder}/other.json`),
      "BAD_SENSITIVITY",
      /is of engine oqe-publisher with recipe version 1, not/,
    );
  });
  test("a file that is no sensitivity, or does not exist", async () => {
    await writeFile(`${folder}/none.json`, "{}");
    await refused(
      plan("--sensitivity", `${folder}/none.json`),
      "BAD_SENSITIVITY",
      /none\.json: field "format" is missing/,
    );
    await refused(
      plan("--sensitivity", `${folder}/absent.json`),
      "BAD_INPUT",
      /absent\.json does not exist/,
    );
  });
  test("a weight for a domain that the text does not have", () =>
    refused(
      plan("--measure", ...rows, ...floors, "--domain-weights", "cobol=2"),
      "BAD_INPUT",
      /no domain "cobol"; the calibration text has /,
    ));
  test("domain weights beside a finished sensitivity", () =>
    refused(
      plan("--sensitivity", file, "--domain-weights", "code=2"),
      "BAD_INPUT",
      /no effect on a sensitivity/,
    ));
  test("policy measured with method rounded", () =>
    refused(
      plan("--policy", "measured", "--method", "rounded"),
      "BAD_INPUT",
      /method rounded reads none/,
    ));
  test("headers without weights", async () => {
    await makeCheckpoint(`${folder}/Nemotron-30B`, nemotron30b, 2, "header-only");
    await refused(
      ["plan", `${folder}/Nemotron-30B`, "--measure"],
      "BAD_CHECKPOINT",
      /headers without weights.*\n.*policy oq/,
    );
  });
});

describe("publishing with policy measured", () => {
  let hub: LocalHub;
  beforeAll(async () => {
    hub = await startLocalHub({ folder: `${folder}/hub` });
    await hub.seed("base/hybrid", model);
  });
  afterAll(() => hub.close());
  const publish = (...more: string[]) =>
    runCli(
      [
        "publish",
        "base/hybrid",
        "--namespace",
        "acme",
        "--work-dir",
        `${folder}/work`,
        "--json",
        ...rows,
        ...unevaluated,
        ...more,
      ],
      { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_rehearsal" },
    );
  const outcomes = ({ stdout }: CliResult) =>
    JSON.parse(stdout).repositories.map(({ outcome }: { outcome: string }) => outcome);

  test("measures and publishes once, and measures nothing when nothing changed", async () => {
    const first = await publish("--tiers", "oQ4e", ...floors);
    expect(first.stderr).toMatch(/^Measure/m);
    expect(outcomes(first)).toEqual(["published"]);
    const { tiers } = JSON.parse(first.stdout);
    await removeFolder(`${folder}/work`);

    const second = await publish("--tiers", "oQ4e", ...floors);
    expect(second.stderr).not.toMatch(/^Measure/m);
    expect(outcomes(second)).toEqual(["unchanged"]);
    expect(JSON.parse(second.stdout).tiers).toEqual(tiers);
  });

  test("publishes again for other floors, and reads the sensitivity that it has", async () => {
    const weights = ["--domain-weights", `${domain}=2`];
    const plain = await publish("--tiers", "oQ5e", "--floors", "none", ...weights);
    expect(outcomes(plain)).toEqual(["published"]);
    const again = await publish("--tiers", "oQ5e", "--floors", "head=8", ...weights);
    expect(outcomes(again)).toEqual(["published"]);
    expect(again.stderr).toContain("measured before: ");
    expect(outcomes(await publish("--tiers", "oQ5e", "--floors", "head=8"))).toEqual(["published"]);
  });
});
