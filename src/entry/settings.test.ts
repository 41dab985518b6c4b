import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { OqeError } from "../ground/errors.ts";
import { commandTable } from "./command-table.ts";
import { readConfig } from "./config-file.ts";
import { Settings, strayVariables, variableOf, withSavedLogin } from "./settings.ts";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const row = (name: string) => commandTable.find((command) => command.name === name)!;
const config = async (text: string) => {
  const path = join(folder, "oqe.yml");
  await writeFile(path, text);
  return readConfig(path);
};

describe("an input", () => {
  const file = new Map([["method", { text: "tuned", place: "oqe.yml:1: method" }]]);
  const read = (flags: Record<string, string>, environment: Record<string, string>, of = file) =>
    new Settings(row("publish"), {
      flags: new Map(Object.entries(flags)),
      environment,
      file: of,
    }).read("method");

  test("comes from flag, else variable, else file, else nowhere", () => {
    const variable = { OQE_METHOD: "Rounded" };
    expect(read({ method: "own" }, variable)).toBe("own");
    expect(read({}, variable)).toBe("Rounded");
    expect(read({}, {})).toBe("tuned");
    expect(read({}, {}, new Map())).toBe("");
  });

  test("that is empty is as good as none", () => {
    expect(read({ method: "" }, { OQE_METHOD: " " })).toBe("tuned");
  });

  test("that a command does not take is left out, base-model stays", () => {
    const environment = { OQE_TIERS: "oQ4e", OQE_BASE_MODEL: "org/base", OQE_WORKERS: "2" };
    const settings = new Settings(row("verify"), { flags: new Map(), environment, file });
    expect(settings.read("tiers")).toBe("");
    expect(settings.read("base-model")).toBe("org/base");
    expect(settings.read("workers")).toBe("2");
  });

  test("has a variable of its name", () => {
    expect(variableOf("min-router-agreement")).toBe("OQE_MIN_ROUTER_AGREEMENT");
    const environment = { OQE_MAX_KL: "1", OQE_DEBUG: "1", OQE_METHDO: "tuned", PATH: "/" };
    expect(strayVariables(environment)).toEqual([
      "OQE_METHDO is no variable of oqe. Did you mean OQE_METHOD?",
    ]);
  });
});

describe("oqe.yml", () => {
  test("has the inputs by name, lists and tables too", async () => {
    const text = "# mine\nbase-model: org/base\ntiers: [oQ6e, oQ4e]\nmax-kl:\n  oQ4e: 0.05\n";
    const found = await config(text);
    expect([...found].map(([name, { text }]) => [name, text])).toEqual([
      ["base-model", "org/base"],
      ["tiers", "oQ6e,oQ4e"],
      ["max-kl", "oQ4e=0.05"],
    ]);
    expect(found.get("max-kl")!.place).toBe(`${folder}/oqe.yml:4: max-kl`);
  });

  test.each([
    ["tiers: oQ4e\nmethdo: tuned\n", ":2: methdo: is no input", "Did you mean method?"],
    ["command: tune\n", ":1: command: is no input", "docs/inputs.md"],
    ["\n\nmethod: [tuned]\n", ":3: method: expected text, got a list", "docs/inputs.md"],
    ["tiers: {a: 1}\n", ":1: tiers: expected text or a list, got a table", "docs/inputs.md"],
    ["- oQ4e\n", ":1: expected a table of inputs, got a list", "docs/inputs.md"],
    ["a: [\n", ": not valid YAML", "docs/inputs.md"],
    ["method: a\nmethod: b\n", ":2: method is there twice", "docs/inputs.md"],
    ["hub-token: hf_secret\n", ":1: hub-token: a file may not say", "HF_TOKEN"],
    ["hub-endpoint: https://example.org\n", ":1: hub-endpoint: a file may not", "HF_ENDPOINT"],
  ])("%j is refused with file, line and key", async (text, says, hint) => {
    const failure = await config(text).catch((error) => error);
    expect(failure).toBeInstanceOf(OqeError);
    expect(failure.message).toContain(says);
    expect(failure.message).toContain(`${folder}/oqe.yml`);
    expect(failure.message).not.toContain("hf_secret");
    expect(failure.hint).toContain(hint);
  });

  test("may be empty or absent, but not if it was named", async () => {
    expect(await config("# nothing yet\n")).toEqual(new Map());
    expect(await readConfig(null)).toEqual(new Map());
    await expect(readConfig(`${folder}/other.yml`)).rejects.toThrow(
      /other\.yml: it does not exist/,
    );
  });

  test("gives the place of a value that cannot be used, alone or beside another", async () => {
    const file = await config("workers: many\nrounding: mlx\nmax-kl: small\n");
    const settings = (environment = {}) =>
      new Settings(row("publish"), { flags: new Map(), environment, file });
    expect(() => settings().check()).toThrow(
      /oqe\.yml:1: workers: "many" is not a whole number from 1 to 64$/,
    );
    expect(() => settings({ OQE_WORKERS: "none" }).check()).toThrow(/^OQE_WORKERS: "none" is not/);
    const own = new OqeError("BAD_INPUT", 'max-kl: "small" is not a limit', "hint");
    expect(settings().explain(own)).toMatchObject({
      message: expect.stringMatching(/oqe\.yml:3: max-kl: "small" is not a limit$/),
    });
    const both = new OqeError("BAD_INPUT", "rounding mlx gives bytes, but method tuned", "Set it.");
    expect(settings().explain(both)).toMatchObject({
      message: both.message,
      hint: expect.stringMatching(/^Set it\. Given by .*oqe\.yml:2: rounding\.$/),
    });
  });
});

describe("a saved login", () => {
  test("stands behind input and HF_TOKEN, and is not for another Hub", async () => {
    const path = join(folder, "token");
    await writeFile(path, "hf_saved");
    const token = async (given: Record<string, string>, environment: Record<string, string>) => {
      const own = { HF_TOKEN_PATH: path, ...environment };
      return (await withSavedLogin(own, (name) => given[name] ?? "")).HF_TOKEN;
    };
    expect(await token({}, {})).toBe("hf_saved");
    expect(await token({}, { HF_TOKEN: "hf_own" })).toBe("hf_own");
    expect(await token({ "hub-token": "hf_flag" }, {})).toBeUndefined();
    expect(await token({}, { HF_ENDPOINT: "http://127.0.0.1:1" })).toBeUndefined();
    expect(await token({ "hub-endpoint": "http://127.0.0.1:1" }, {})).toBeUndefined();
  });
});
