import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { renderTables } from "../.ci/readme-tables.ts";
import { type InputRow, inputTable } from "../src/inputs/inputs.ts";

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8");

describe("action.yml", () => {
  test("has the inputs and defaults that the code reads", async () => {
    const { inputs } = parse(await read("action.yml")) as {
      inputs: Record<string, { default?: unknown }>;
    };
    const declared = Object.entries(inputs).map(([name, input]) => ({
      name,
      default: input.default ?? "",
    }));
    const rows: readonly InputRow[] = inputTable;
    expect(declared).toEqual(rows.map((row) => ({ name: row.name, default: row.default })));
  });

  test("runs what dist/ holds, on Node 24", async () => {
    const { runs } = parse(await read("action.yml"));
    expect(runs).toEqual({ using: "node24", main: "dist/action.js" });
  });
});

describe("README.md", () => {
  test("has the tables of action.yml (else: node .ci/readme-tables.ts)", async () => {
    const readme = await read("README.md");
    expect(readme).toBe(renderTables(readme, await read("action.yml")));
  });

  test("without its markers is refused", () => {
    const action =
      "inputs: { a: { description: x|y, default: z } }\noutputs: { b: { description: w } }";
    const blank =
      "# T\n<!-- inputs -->\n<!-- /inputs -->\nand\n<!-- outputs -->old<!-- /outputs -->\nend\n";
    const filled = renderTables(blank, action);
    expect(filled).toContain("| `a` | `z` | x\\|y |");
    expect(filled).toMatch(
      /^# T\n<!-- inputs -->\n.*<!-- \/inputs -->\nand\n<!-- outputs -->\n.*\nend\n$/s,
    );
    expect(filled).not.toContain("old");
    expect(renderTables(filled, action)).toBe(filled);
    for (const marker of [
      "<!-- inputs -->",
      "<!-- /inputs -->",
      "<!-- outputs -->",
      "<!-- /outputs -->",
    ]) {
      expect(() => renderTables(blank.replace(marker, ""), action)).toThrow(/README\.md must hold/);
    }
  });
});
