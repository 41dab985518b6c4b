import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engine } from "../src/ground/engine.ts";
import { fewRows, rounded, runCli, tunedRows } from "./support/cli-run.ts";
import { removeFolder, scratchFolder, smallest, tiedMoe } from "./support/models.ts";

/** What test/golden/recipe.json holds: the recipe version, and files by tier. */
interface Golden {
  readonly recipe: number;
  readonly tiers: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
type Tiers = Golden["tiers"];

const golden = fileURLToPath(new URL("golden/recipe.json", import.meta.url));
const record = "OQE_RECORD=1 npm run unit -- test/recipe-version";
const measured = [...tunedRows, "--floors", "none", "--verify", "false"];

/** Each kind of method, plan, block and table once. */
const runs = [
  {
    name: "nemotron_h measured",
    base: smallest.nemotron_h!,
    flags: [...measured, "--tiers", "oQ6e"],
  },
  { name: "qwen3_moe tuned", base: smallest.qwen3_moe!, flags: [...fewRows, "--tiers", "oQ4e"] },
  { name: "tied moe tuned", base: tiedMoe, flags: [...fewRows, "--tiers", "oQ5e"] },
  { name: "llama rounded", base: smallest.llama!, flags: [...rounded, "--target-bpw", "4.25"] },
  {
    name: "qwen2 as mx.quantize",
    base: smallest.qwen2!,
    flags: [...rounded, "--rounding", "mlx", "--tiers", "oQ8e"],
  },
];

/** What to say about files that are not those of the recipe version; null: nothing. */
function complaint(tiers: Tiers, known: Golden, recipe: number): string | null {
  if (recipe < known.recipe)
    return `engine.recipe is ${recipe}, after ${known.recipe}: it never falls.`;
  const names = [...new Set([...Object.keys(tiers), ...Object.keys(known.tiers)])];
  const differ = names.flatMap((name) => {
    const [now = {}, before = {}] = [tiers[name], known.tiers[name]];
    const paths = [...new Set([...Object.keys(now), ...Object.keys(before)])];
    return paths.filter((path) => now[path] !== before[path]).map((path) => `${name}: ${path}`);
  });
  if (recipe > known.recipe)
    return `test/golden/recipe.json holds recipe version ${known.recipe}. Run ${record}`;
  if (differ.length === 0) return null;
  return (
    `these files are not those of recipe version ${recipe}:\n  ${differ.join("\n  ")}\n` +
    "If other bytes are meant, raise engine.recipe in src/ground/engine.ts, then run\n" +
    `  ${record}\nEvery published tier will be made again by the next scheduled run of its ` +
    "maintainer. If they are not meant, find what changed them."
  );
}

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

test("the same recipe version gives the same bytes", async () => {
  const tiers: Record<string, Record<string, string>> = {};
  for (const { name, base, flags } of runs) {
    const out = `${folder}/${name}`;
    const { code, stdout, stderr } = await runCli([
      "quantize",
      base,
      "--out",
      out,
      ...flags,
      "--json",
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (const tier of JSON.parse(stdout).folders as string[]) {
      const { files } = JSON.parse(await readFile(`${tier}/oqe-receipt.json`, "utf8")) as {
        files: Record<string, { sha256: string }>;
      };
      tiers[name] = Object.fromEntries(
        Object.entries(files).map(([path, { sha256 }]) => [path, sha256]),
      );
    }
  }
  if (process.env.OQE_RECORD === "1") {
    await writeFile(golden, `${JSON.stringify({ recipe: engine.recipe, tiers }, null, 2)}\n`);
    return;
  }
  const known = JSON.parse(await readFile(golden, "utf8")) as Golden;
  expect(complaint(tiers, known, engine.recipe)).toBeNull();
});

test("other bytes, a recipe version that is not recorded, and one that falls are told apart", () => {
  const known = { recipe: 2, tiers: { a: { "model.safetensors": "x", "config.json": "y" } } };
  expect(complaint(known.tiers, known, 2)).toBeNull();
  const other = { a: { "model.safetensors": "z", "config.json": "y" } };
  expect(complaint(other, known, 2)).toMatch(
    /a: model\.safetensors\nIf other bytes are meant, raise/,
  );
  expect(complaint({}, known, 2)).toMatch(/a: config\.json/);
  expect(complaint(other, known, 3)).toMatch(/holds recipe version 2\. Run OQE_RECORD=1/);
  expect(complaint(known.tiers, known, 1)).toMatch(/never falls/);
});
