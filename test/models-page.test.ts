import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { families } from "../bench/sizes/families.ts";
import { knownModels } from "../bench/sizes/models.ts";
import { renderModelsPage } from "../bench/sizes/models-page.ts";
import { architectures } from "../src/models/registry.ts";

const types = architectures.map(({ modelType }) => modelType);

test("docs/models.md is made from the role tables (else: node bench/models.ts)", async () => {
  const page = await readFile("docs/models.md", "utf8");
  expect(page === renderModelsPage()).toBe(true);
});

test.each(types)("docs/models.md has families and two known models of %s", (type) => {
  expect(families[type]).toBeDefined();
  const own = knownModels.filter(({ config }) => config.model_type === type);
  expect(own.length).toBeGreaterThanOrEqual(2);
});

test("README.md says of a model what docs/models.md says", async () => {
  const rowsOf = async (path: string) => {
    const [, table = ""] = (await readFile(path, "utf8")).split("| model | reads ");
    const rows = table.split("\n\n")[0]!.trim().split("\n").slice(2);
    return rows.map((line) => line.replace(", the default", "").slice(2, -2).split(" | "));
  };
  const shown = await rowsOf("README.md");
  const known = await rowsOf("docs/models.md");
  expect(shown.length).toBeGreaterThanOrEqual(5);
  for (const [name = "", ...figures] of shown) {
    const [, ...own] = known.find(([id = ""]) => id.includes(name))!;
    expect([name, ...figures]).toEqual([name, ...own]);
  }
});
