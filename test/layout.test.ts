import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "rolldown/parseAst";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Rows of the table in docs/architecture.md, from top to bottom: the modules of each. */
const rows = readFileSync(join(root, "docs/architecture.md"), "utf8")
  .split("\n## Modules\n")[1]!
  .split("\n## ")[0]!
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => [...line.split("|")[1]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));

const sources = filesBelow("src").filter((path) => !/\.test\.ts$|\.d\.ts$/.test(path));
const imports = new Map(sources.map((path) => [path, importsOf(path)]));

/** Files that people write, besides documents. */
const written = ["src", "test", "bench", ".ci", "kernel-wasm/src", "templates"].flatMap((folder) =>
  filesBelow(folder, /\.(ts|mjs|py|rs|jinja)$/).map((path) => `${folder}/${path}`),
);
const documents = ["README.md", ...filesBelow("docs", /\.md$/).map((path) => `docs/${path}`)];

function filesBelow(folder: string, ends = /\.ts$/): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).filter((path) =>
    ends.test(path),
  );
}

/** The files of `src` that a file imports, types included. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, "src", path), "utf8");
  const found = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)];
  return found
    .map(([, target]) => normalize(join(dirname(path), target!)))
    .filter((target) => !target.startsWith("..")); // package.json
}

const moduleOf = (path: string) => (path.includes("/") ? `${path.split("/")[0]}/` : path);
const rowOf = (path: string) => rows.findIndex((row) => row.includes(moduleOf(path)));

describe("the layout of src", () => {
  test("every file is in a module of docs/architecture.md, and every module there has a file", () => {
    expect(sources.filter((path) => rowOf(path) === -1)).toEqual([]);
    expect(new Set(sources.map(moduleOf))).toEqual(new Set(rows.flat()));
  });

  test("no file imports upwards, or from another module of its own row", () => {
    const wrong = sources.flatMap((path) =>
      imports
        .get(path)!
        .filter((target) => moduleOf(target) !== moduleOf(path) && rowOf(target) <= rowOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test("no imports form a circle, types included", () => {
    const done = new Set<string>();
    const visit = (path: string, above: readonly string[]): void => {
      if (above.includes(path)) throw new Error(`a circle: ${[...above, path].join(" -> ")}`);
      if (done.has(path)) return;
      for (const target of imports.get(path) ?? []) visit(target, [...above, path]);
      done.add(path);
    };
    for (const path of sources) visit(path, []);
    expect(done.size).toBe(sources.length);
  });

  test("no file has more than 300 lines", () => {
    expect(written.filter((path) => linesOf(path).length > 301)).toEqual([]);
  });

  test("no line of a comment or of a document goes beyond column 100", () => {
    const comment = /^\s*(\*|\/\/[/!]?|\/\*\*|#) |\s\/\/ /;
    const inCode = written.flatMap((path) =>
      linesOf(path).flatMap((line, i) =>
        line.length > 100 && comment.test(line) ? `${path}:${i + 1}` : [],
      ),
    );
    const inText = documents.flatMap((path) =>
      proseOf(path).flatMap(({ line, number }) => (line.length > 100 ? `${path}:${number}` : [])),
    );
    expect([...inCode, ...inText]).toEqual([]);
  });

  test("no function has more than four parameters", () => {
    const typescript = written.filter((path) => path.endsWith(".ts"));
    expect(typescript.flatMap(longParameterLists)).toEqual([]);
  });
});

const linesOf = (path: string) => readFileSync(join(root, path), "utf8").split("\n");

/** The lines of a document without its tables and code. */
function proseOf(path: string): { line: string; number: number }[] {
  let isCode = false;
  return linesOf(path).flatMap((line, i) => {
    if (line.startsWith("```")) isCode = !isCode;
    return isCode || /^(\||<)/.test(line) ? [] : { line, number: i + 1 };
  });
}

/** Functions of a file with more than four parameters, as `file name (count)`. */
function longParameterLists(path: string): string[] {
  const found: string[] = [];
  const visit = (node: unknown, name: string): void => {
    if (Array.isArray(node)) for (const one of node) visit(one, name);
    if (Array.isArray(node) || typeof node !== "object" || node === null) return;
    const { type, params, id, key } = node as Record<string, { name?: string } | undefined>;
    const own = id?.name ?? key?.name ?? name;
    if (/Function|TSMethodSignature/.test(String(type)) && Array.isArray(params)) {
      if (params.length > 4) found.push(`${path} ${own} (${params.length})`);
    }
    for (const child of Object.values(node)) visit(child, own);
  };
  visit(parseAst(readFileSync(join(root, path), "utf8"), { lang: "ts" }), "");
  return found;
}
