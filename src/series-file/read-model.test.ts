import { describe, expect, test } from "vitest";
import type { InputName } from "../inputs/input-table.ts";
import { parseInputs } from "../inputs/inputs.ts";
import { readModel } from "./read-model.ts";
import { findModel, parseSeriesFile } from "./series-file.ts";

const parse = (text: string) => parseSeriesFile(text, "series.yml");
const example = `
defaults: { namespace: acme, tiers: [oQ8e, oQ4e] }
models:
  - base-model: nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B
    target-size: 18GB
    name: nano
    hub-pull-request: true
    max-kl: { oQ4e: 0.05, oQ8e: 0.002 }
  - base-model: org/Other
`;

describe("the inputs of a model", () => {
  const { models } = parse(example);
  const read = (given: Partial<Record<InputName, string>> = {}) =>
    readModel(models[0]!, (name) => given[name] ?? "");

  test("come from the file, those of the run from the step", () => {
    const inputs = parseInputs(
      read({ "hub-token": "hf_x", "dry-run": "true", command: "tune" }),
      {},
    );
    expect(inputs).toMatchObject({
      baseModel: { kind: "hub", id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B", revision: "main" },
      ...{ namespace: "acme", hubToken: "hf_x", dryRun: true, until: "staged" },
      ...{ hubPullRequest: true, gates: { "max-kl": { oQ4e: 0.05, oQ8e: 0.002 } } },
    });
    expect(inputs.tiers.map(({ name }) => name)).toEqual(["oQ8e", "oQ4e", "oQ18GBe"]);
  });

  test("can be narrowed to a tier and a commit", () => {
    const narrowed = read({ tiers: "oQ18GBe", revision: "a".repeat(40) });
    const { tiers, baseModel } = parseInputs(narrowed, {});
    expect(tiers.map(({ name }) => name)).toEqual(["oQ18GBe"]);
    expect(baseModel).toMatchObject({ revision: "a".repeat(40) });
  });

  test("cannot be changed by the step, whose defaults do not count", () => {
    expect(() => read({ method: "rounded" })).toThrow(
      'method is given beside series "nano", whose inputs are at series.yml:4',
    );
    expect(() => read({ method: "tuned", "calibration-samples": "128" })).not.toThrow();
  });

  test.each([
    ["350", "measure", 330],
    ["350", "tune", 330],
    ["350", "Seal", 330],
    ["25", "seal", 13],
    ["1", "seal", 1],
    ["350", "publish", null],
    ["350", "", null],
  ])("of %s timeout-minutes give %s this time limit, in minutes: %s", (timeout, command, limit) => {
    const lines = example.replace("name: nano", `name: nano\n    timeout-minutes: ${timeout}`);
    const given: Partial<Record<InputName, string>> = { command };
    const limitOf = (text: string) => {
      const [model] = parse(text).models;
      return parseInputs(
        readModel(model!, (name) => given[name] ?? ""),
        {},
      ).timeLimit;
    };
    expect(limitOf(lines)).toBe(limit === null ? null : 60 * limit);
    expect(limitOf(lines.replace("name: nano", "name: nano\n    time-limit: 45s"))).toBe(45);
  });

  test("of an unknown model are refused with the known names", () => {
    const file = parse(example);
    expect(findModel(file, "nano").name).toBe("nano");
    expect(() => findModel(file, "nanoo")).toThrow(
      expect.objectContaining({
        message: 'series.yml has no model "nanoo"',
        hint: "Did you mean nano? It has nano, Other.",
      }),
    );
  });
});
