import { describe, expect, test } from "vitest";
import { OqeError } from "../ground/errors.ts";
import { knownLabels } from "./runner.ts";
import { parseSeriesFile } from "./series-file.ts";

const parse = (text: string) => parseSeriesFile(text, "series.yml");
const fault = (text: string): OqeError => {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof OqeError) return error;
    throw error;
  }
  throw new Error("was not refused");
};
/** A file of one model with more lines: `key: value`. The lines are the sixth and following. */
const withLines = (...lines: string[]) =>
  `# a comment\n\nmodels:\n  - base-model: org/Base-8B\n    namespace: acme\n${lines
    .map((line) => `    ${line}\n`)
    .join("")}`;

const example = `
defaults: { namespace: acme, runner: macos-latest, tiers: [oQ8e, oQ4e] }
models:
  - base-model: nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B
    target-size: 18GB
    name: nano
    runner: ubuntu-24.04-arm
    timeout-minutes: 200
    environment: hub
    collection: false
    hub-pull-request: true
    max-kl: { oQ4e: 0.05, oQ8e: 0.002 }
  - base-model: org/Other@v1.0
    tiers:
      - oQ6e
    target-bpw: 4.0
    calibration: datasets/org/text/rows.txt
    calibration-samples: 64
    verify: false
    runner: [self-hosted, macOS, arm64]
`;

describe("a series file", () => {
  test("gives its models, with the defaults that they do not replace", () => {
    const { name, models } = parse(example);
    expect(name).toBe("series.yml");
    expect(models).toEqual([
      {
        ...{ name: "nano", place: "series.yml:4", runner: "ubuntu-24.04-arm" },
        ...{ timeoutMinutes: 200, environment: "hub", collection: false },
        inputs: {
          "base-model": "hf://nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B",
          ...{ namespace: "acme", tiers: "oQ8e,oQ4e", "target-size": "18GB" },
          ...{ "hub-pull-request": "true", "max-kl": "oQ4e=0.05,oQ8e=0.002" },
        },
      },
      {
        ...{ name: "Other", place: "series.yml:13", runner: ["self-hosted", "macOS", "arm64"] },
        ...{ timeoutMinutes: 350, environment: "", collection: true },
        inputs: {
          ...{ "base-model": "hf://org/Other@v1.0", namespace: "acme", tiers: "oQ6e" },
          ...{ "target-bpw": "4.0", calibration: "datasets/org/text/rows.txt" },
          ...{ "calibration-samples": "64", verify: "false" },
        },
      },
    ]);
  });

  test("keeps numbers as they are written, and reads words like no and null as text or nothing", () => {
    const [model] = parse(withLines("target-bpw: 4.10", "revision: 1e5", "environment: no")).models;
    expect(model).toMatchObject({ environment: "no" });
    expect(model!.inputs).toMatchObject({ "target-bpw": "4.10", revision: "1e5" });
    expect(parse(withLines("environment: null", "tiers:")).models[0]).toMatchObject({
      environment: "",
      inputs: { tiers: "" },
    });
  });

  test("may name a group of runners, and any known label in any case", () => {
    const runnerOf = (text: string) => parse(withLines(`runner: ${text}`)).models[0]!.runner;
    expect(runnerOf("{ group: Large macs, labels: [m4] }")).toEqual({
      group: "Large macs",
      labels: ["m4"],
    });
    for (const label of knownLabels) expect(runnerOf(label.toUpperCase())).toBe(label);
  });

  test("of 256 models is read", () => {
    const models = Array.from({ length: 256 }, (_, i) => `  - base-model: org/base-${i}\n`);
    expect(parse(`defaults: {namespace: acme}\nmodels:\n${models.join("")}`).models).toHaveLength(
      256,
    );
  });
});

describe("a fault names file, line and key", () => {
  const cases: readonly [string, string, string | RegExp, RegExp?][] = [
    [
      "an unknown key",
      withLines("teirs: oQ4e"),
      "series.yml:6: models[0].teirs: is not a key here",
      /mean tiers\?/,
    ],
    [
      "a key of JavaScript",
      withLines("constructor: x"),
      "series.yml:6: models[0].constructor: is not a key here",
    ],
    [
      "__proto__",
      withLines("__proto__: {a: b}"),
      "series.yml:6: models[0].__proto__: is not a key here",
    ],
    [
      "an unknown section",
      "model:\n  - base-model: a/b\n",
      "series.yml:1: model: is not a key here",
      /mean models\?/,
    ],
    [
      "a key twice",
      withLines("tiers: oQ4e", "tiers: oQ8e"),
      "series.yml:7: models[0].tiers is there twice",
    ],
    [
      "an input of the workflow",
      withLines("hub-endpoint: https://evil.example"),
      "series.yml:6: models[0].hub-endpoint: belongs to the workflow, not to a model",
    ],
    [
      "a token",
      withLines("hub-token: hf_x"),
      "series.yml:6: models[0].hub-token: belongs to the workflow, not to a model",
    ],
    [
      "a model's key in defaults",
      "defaults:\n  base-model: a/b\nmodels: []\n",
      "series.yml:2: defaults.base-model: belongs to one model",
    ],
    ["no models", "defaults: {}\n", 'series.yml:1: models: expected a list of models, got ""'],
    ["an empty list", "models: []\n", "series.yml:1: models: expected 1 to 256 models, got 0"],
    ["an empty file", "", 'series.yml:1: expected a table of keys, got ""'],
    [
      "no base model",
      "models:\n  - namespace: acme\n",
      "series.yml:2: models[0]: base-model is missing",
    ],
    [
      "no namespace",
      "models:\n  - base-model: a/b\n",
      "series.yml:2: models[0]: namespace is missing",
      /defaults/,
    ],
    [
      "an unknown tier",
      withLines("tiers: [oQ8e, oQ9e]"),
      /^series\.yml:6: models\[0\]\.?t?i?e?r?s?: "oQ9e" is not a tier/,
    ],
    [
      "an unknown method",
      withLines("method: fast"),
      'series.yml:6: models[0].method: "fast" is not one of rounded, tuned',
    ],
    [
      "a number that is none",
      withLines("calibration-samples: many"),
      'series.yml:6: models[0].calibration-samples: "many" is not a whole number from 1 to 4096',
    ],
    [
      "a list where text is expected",
      withLines("method: [tuned]"),
      "series.yml:6: models[0].method: expected text, got a list",
    ],
    [
      "a table in a list",
      withLines("tiers: [{a: b}]"),
      "series.yml:6: models[0].tiers: expected text, got a table",
    ],
    [
      "a folder as base",
      "models:\n  - base-model: ./here\n    namespace: acme",
      'series.yml:2: models[0].base-model: expected org/name or org/name@revision on the Hub, got "./here"',
    ],
    [
      "a file outside",
      withLines("calibration: ../../etc/passwd"),
      /series\.yml:6: models\[0\]\.calibration: expected a file below/,
    ],
    [
      "an absolute file",
      withLines("sensitivity: /etc/passwd"),
      /series\.yml:6: models\[0\]\.sensitivity: expected a file below/,
    ],
    [
      "a file that is not there",
      withLines("calibration: ./gone.txt"),
      /series\.yml:6: models\[0\]\.calibration: .*gone\.txt does not exist/,
    ],
    [
      "an unknown label",
      withLines("runner: macos-lastest"),
      /series\.yml:6: models\[0\]\.runner: expected a label .*, got "macos-lastest"/,
      /mean macos-latest\?/,
    ],
    [
      "a label of one's own",
      withLines("runner: gpu"),
      /runner: expected a label of GitHub's macOS or Linux runners, got "gpu"/,
      /self-hosted/,
    ],
    [
      "labels without self-hosted",
      withLines("runner: [gpu, self-hosted]"),
      /starts with self-hosted, got "gpu"/,
    ],
    [
      "an odd label",
      withLines('runner: [self-hosted, "a b;$(x)"]'),
      /expected a label, got "a b;\$\(x\)"/,
    ],
    [
      "zero minutes",
      withLines("timeout-minutes: 0"),
      'series.yml:6: models[0].timeout-minutes: expected a whole number of minutes from 1 to 7200, got "0"',
    ],
    [
      "a name that climbs",
      withLines("name: ../x"),
      /series\.yml:6: models\[0\]\.name: expected a name/,
    ],
    ["a name that ends a branch", withLines("name: a.lock"), /models\[0\]\.name: expected a name/],
    [
      "a namespace that climbs",
      "models:\n  - base-model: a/b\n    namespace: ../x\n",
      /^series\.yml:3: models\[0\]\.namespace: .*\.\.\/x/,
    ],
    [
      "inputs that exclude each other",
      withLines("method: rounded", "policy: measured"),
      /^series\.yml:4: models\[0\]: policy measured measures on calibration text/,
    ],
    [
      "a limit of no tier",
      withLines("max-kl: {oQ9e: 1}"),
      /^series\.yml:6: models\[0\]\.max-kl: .*oQ9e/,
    ],
  ];
  test.each(cases)("%s", (_, text, message, hint) => {
    const { code, message: found, hint: advice } = fault(text);
    expect(code).toBe("BAD_INPUT");
    if (typeof message === "string") expect(found).toBe(message);
    else expect(found).toMatch(message);
    expect(found).toMatch(/^[^\n]+$/);
    if (hint !== undefined) expect(advice).toMatch(hint);
    expect(advice).not.toBe("");
  });

  const two = (first: string, second: string) =>
    `defaults: { namespace: acme }\nmodels:\n  - ${first}\n  - ${second}\n`;
  test.each([
    [
      "a model twice",
      two("base-model: a/b", "base-model: A/b@v2"),
      /^series\.yml:4: models\[1\]\.base-model: A\/b is in the list twice for namespace acme \(line 3\)$/,
    ],
    [
      "one name",
      two("base-model: a/b", "base-model: c/B"),
      /^series\.yml:4: models\[1\]: another model is called B too \(line 3\)$/,
    ],
    [
      "one repository",
      two("{base-model: a/b}", "{base-model: c/b-BF16, name: other}"),
      /^series\.yml:4: models\[1\]: another model writes acme\/b-oQ8e too \(line 3\)$/,
    ],
  ])("%s", (_, text, message) => {
    expect(fault(text).message).toMatch(message);
  });

  test("more models or tiers than GitHub starts jobs", () => {
    const models = Array.from({ length: 257 }, (_, i) => `  - base-model: org/base-${i}\n`);
    expect(fault(`models:\n${models.join("")}`).message).toBe(
      "series.yml:1: models: expected 1 to 256 models, got 257",
    );
    const targets = Array.from({ length: 257 }, (_, i) => `${i + 1}MB`);
    expect(fault(withLines(`target-size: [${targets.join(", ")}]`)).message).toBe(
      "series.yml:4: models[0]: expected at most 256 tiers, got 257",
    );
  });
});
