import { readFile, stat } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  renderAction,
  renderActionPage,
  renderGitHubPage,
  renderInputsPage,
  renderSchema,
  renderSeriesPage,
  renderSeriesSchema,
} from "../.ci/input-tables.ts";
import { exitCodes } from "../src/ground/errors.ts";
import type { InputRow } from "../src/inputs/input-row.ts";
import { inputTable } from "../src/inputs/input-table.ts";

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8");
const rows: readonly InputRow[] = inputTable;

describe("action.yml", () => {
  test("has the inputs of the table (else: node .ci/input-tables.ts)", async () => {
    const action = await read("action.yml");
    expect(action).toBe(renderAction(action));
  });

  test("has the names and defaults that the code reads", async () => {
    const { inputs } = parse(await read("action.yml")) as {
      inputs: Record<string, { default: unknown }>;
    };
    const declared = Object.entries(inputs).map(([name, input]) => ({
      name,
      default: input.default,
    }));
    expect(declared).toEqual(
      rows.map((row) => ({
        name: row.name,
        default: row.expression ?? row.default,
      })),
    );
  });

  test("runs dist/ on Node 24", async () => {
    const { runs } = parse(await read("action.yml"));
    expect(runs).toEqual({ using: "node24", main: "dist/action.js" });
  });

  test("keeps the text around the inputs, and must have both sections", () => {
    const made = renderAction("name: x\ninputs:\n  outdated: {}\noutputs:\n  a: {}\n# end\n");
    expect(made).toMatch(
      /^name: x\ninputs:\n {2}base-model:\n.*\noutputs:\n {2}a: \{\}\n# end\n$/s,
    );
    expect(made).not.toContain("outdated");
    expect(() => renderAction("inputs:\n")).toThrow(/action\.yml must have/);
  });
});

describe("docs/github.md", () => {
  test("has what the reusable workflow takes (else: node .ci/input-tables.ts)", async () => {
    const page = await read("docs/github.md");
    expect(page).toBe(renderGitHubPage(page, await read(".github/workflows/series.yml")));
  });
});

describe("docs/inputs.md", () => {
  test("is made from the table (else: node .ci/input-tables.ts)", async () => {
    const page = await read("docs/inputs.md");
    expect(page).toBe(renderInputsPage(page));
  });

  test("has a row for every input: flag, variable and key of those that `oqe` takes", async () => {
    const page = await read("docs/inputs.md");
    for (const { name, commands, group } of rows) {
      const [line = ""] = page.match(new RegExp(`^\\| \`${name}\` \\| .*$`, "m")) ?? [];
      expect(line).toContain("| Action");
      expect(line.includes(`\`--${name}\``)).toBe(commands.length > 0);
      const variable = `\`OQE_${name.toUpperCase().replaceAll("-", "_")}\``;
      expect(line.includes(variable)).toBe(group !== "Command");
      const isSecret = ["hub-token", "hub-endpoint"].includes(name);
      expect(line.includes(", file |")).toBe(group !== "Command" && !isSecret);
    }
  });
});

describe("docs/inputs.schema.json", () => {
  test("is made from the table (else: node .ci/input-tables.ts)", async () => {
    expect(await read("docs/inputs.schema.json")).toBe(renderSchema());
  });

  test("describes every input: choices, ranges, defaults and what is required", () => {
    const { properties, anyOf } = JSON.parse(renderSchema());
    expect(Object.keys(properties)).toEqual(rows.map((row) => row.name));
    const upkeep = { enum: ["check", "access", "cards", "push-cards", "release", "report"] };
    expect(anyOf).toEqual([
      { required: ["base-model", "namespace"] },
      { required: ["series"] },
      { required: ["command"], properties: { command: upkeep } },
    ]);
    expect(properties).toMatchObject({
      method: { enum: ["rounded", "tuned"], default: "tuned" },
      "calibration-length": { type: "integer", minimum: 16, maximum: 8192, default: 256 },
      "dry-run": { type: "boolean", default: false },
      workers: { anyOf: [{ minimum: 1, maximum: 64 }, { const: "" }] },
    });
  });
});

describe("docs/series-file.md and docs/series.schema.json", () => {
  test("are made from the keys of the series file (else: node .ci/input-tables.ts)", async () => {
    const page = await read("docs/series-file.md");
    expect(page).toBe(renderSeriesPage(page));
    expect(await read("docs/series.schema.json")).toBe(renderSeriesSchema());
  });

  test("have every input of a model, and none that belongs to the workflow", () => {
    const { properties } = JSON.parse(renderSeriesSchema());
    const { models, defaults } = properties;
    const own = ["name", "runner", "timeout-minutes", "environment", "collection"];
    const ofWorkflow = ["hub-endpoint", "hub-token", "work-dir", "dry-run"];
    const inputs = rows.filter(
      ({ name, group }) => group !== "Command" && !ofWorkflow.includes(name),
    );
    const keys = [...own, ...inputs.map(({ name }) => name)].sort();
    expect(Object.keys(models.items.properties).sort()).toEqual(keys);
    const single = ["base-model", "name", "revision"];
    expect(Object.keys(defaults.properties).sort()).toEqual(
      keys.filter((key) => !single.includes(key)),
    );
    expect(models.items.properties).toMatchObject({
      tiers: { anyOf: [{ type: ["string", "number"] }, { type: "array" }] },
      "max-kl": { anyOf: [{ type: ["string", "number"] }, { type: "object" }] },
      verify: { type: "boolean", default: true },
      "timeout-minutes": { type: "integer", default: 350 },
    });
  });
});

describe("README.md", () => {
  test("names the oldest Node that package.json allows, and docs/errors.md the same", async () => {
    const { engines } = JSON.parse(await read("package.json"));
    const oldest = engines.node.replace(">=", "");
    expect(await read("README.md")).toContain(`Node ${oldest} or newer`);
    expect(await read("docs/errors.md")).toContain(`Node older than ${oldest},`);
  });

  test("has at most 120 lines, and its pictures are there and small", async () => {
    const readme = await read("README.md");
    expect(readme.split("\n").length).toBeLessThanOrEqual(121);
    const pictures = [...readme.matchAll(/<img src="([^"]+)"/g)].map(([, path]) => path!);
    expect(pictures).toHaveLength(2);
    for (const path of pictures)
      expect((await stat(new URL(`../${path}`, import.meta.url))).size).toBeLessThan(150_000);
  });

  test("leads to the exit codes: docs/command-line.md and docs/errors.md list them", async () => {
    for (const text of [await read("docs/command-line.md"), await read("docs/errors.md")])
      for (const code of Object.values(exitCodes))
        expect(text).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
  });

  test("links all inputs", async () => {
    expect(await read("README.md")).toContain("(docs/inputs.md)");
  });
});

describe("docs/action.md", () => {
  test("has the table of outputs (else: node .ci/input-tables.ts)", async () => {
    const page = await read("docs/action.md");
    expect(page).toBe(renderActionPage(page, await read("action.yml")));
  });

  test("has no table without its markers, and changes only between them", () => {
    const action = "outputs: { b: { description: w|z } }";
    const blank = "# T\n<!-- outputs -->outdated<!-- /outputs -->\nend\n";
    const filled = renderActionPage(blank, action);
    expect(filled).toContain("| `b` | w\\|z |");
    expect(filled).toMatch(/^# T\n<!-- outputs -->\n.*\n<!-- \/outputs -->\nend\n$/s);
    expect(filled).not.toContain("outdated");
    expect(renderActionPage(filled, action)).toBe(filled);
    for (const marker of ["<!-- outputs -->", "<!-- /outputs -->"]) {
      expect(() => renderActionPage(blank.replace(marker, ""), action)).toThrow(
        /the page must have/,
      );
    }
  });
});
