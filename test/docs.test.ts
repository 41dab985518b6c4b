import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { architectures } from "../src/models/registry.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => readFile(new URL(path, root), "utf8");
const below = await readdir(new URL("docs/", root), { recursive: true });
const pages = [
  "README.md",
  ...below.filter((path) => path.endsWith(".md")).map((path) => `docs/${path}`),
].sort();

/** A page's text without code, which may show links and headings that are none. */
const prose = (page: string) =>
  page.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "code");

/** Targets of Markdown links and images, without those that lead to other hosts. */
function relativeLinks(page: string): string[] {
  const targets = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets.filter((target) => !/^[a-z][a-z+.-]*:/i.test(target));
}

/** The anchors of a page's headings on GitHub: lower case, hyphens for blanks, no other marks. */
function anchors(page: string): string[] {
  const text = page.replace(/^```[\s\S]*?^```/gm, "");
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"));
}

async function brokenLinks(path: string, page: string): Promise<string[]> {
  const broken: string[] = [];
  for (const link of relativeLinks(page)) {
    const url = new URL(link, new URL(path, root));
    const anchor = decodeURIComponent(url.hash.slice(1));
    url.hash = "";
    const leaves = !url.href.startsWith(root.href);
    const target = fileURLToPath(url);
    if (leaves || !existsSync(target)) broken.push(link);
    else if (anchor !== "" && !anchors(await readFile(target, "utf8")).includes(anchor))
      broken.push(link);
  }
  return broken;
}

describe("documents", () => {
  test.each(pages)("every link of %s has a target", async (path) => {
    expect(await brokenLinks(path, await read(path))).toEqual([]);
  });

  test("finds links to a missing file, a missing heading and outside the repository", async () => {
    const page =
      "# A `b` c\n[x](errors.md#network) [y](gone.md) [z](#a-b-c) [v](#a-b) [w](../../out.md) [u](https://a.b/c)";
    expect(await brokenLinks("docs/made-up.md", page)).toEqual(
      expect.arrayContaining(["gone.md", "../../out.md"]),
    );
    expect(await brokenLinks("docs/errors.md", "[v](#no-such-heading) [w](#network)")).toEqual([
      "#no-such-heading",
    ]);
    expect(anchors(page)).toEqual(["a-b-c"]);
  });

  test.each(pages)("%s says in its first paragraph what it is for", async (path) => {
    const [title = "", first = ""] = (await read(path)).split("\n\n");
    expect(title).toMatch(/^# \S.*$/);
    expect(first).toMatch(/^[A-Z`*]/); // prose: no heading, table, list or code
    expect(first.length).toBeGreaterThan(40);
  });

  test("docs/README.md lists every page once, with a line", async () => {
    const index = await read("docs/README.md");
    const listed = [...index.matchAll(/^\| \[.+?\]\(([^)]+)\) \| \S.+ \|$/gm)];
    const others = pages.filter((path) => path !== "README.md" && path !== "docs/README.md");
    expect(listed.map(([, path]) => `docs/${path}`).sort()).toEqual(others);
  });

  test("docs/errors.md has one section for each error code", async () => {
    const union = /export type ErrorCode =([^;]+;)/.exec(
      (await read("src/ground/errors.ts")).replace(/\/\/.*$/gm, ""),
    )?.[1];
    const codes = [...(union ?? "").matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code);
    const sections = [...(await read("docs/errors.md")).matchAll(/^## (.+)$/gm)].map(
      ([, title]) => title,
    );
    expect(codes.length).toBeGreaterThan(10);
    expect(sections).toEqual(codes);
  });

  test("docs/adding-a-model.md shows the code of the models, but for one made-up layout", async () => {
    const lines = (code: string) => code.replace(/\/\/ .*$/gm, "").replace(/\s+/g, " ");
    const page = await read("docs/adding-a-model.md");
    const shown = [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => lines(code!));
    const sources = await Promise.all(
      ["llama", "qwen2", "qwen3-moe", "qwen3-5"].map((name) => read(`src/models/${name}.ts`)),
    );
    const others = shown.filter((code) => !sources.some((source) => lines(source).includes(code)));
    expect(others).toEqual([expect.stringContaining("experts.gate_up_proj")]);
    expect(shown.length).toBe(5);
  });

  test("every architecture of the registry is named in docs/format.md", async () => {
    const format = await read("docs/format.md");
    const missing = architectures.filter(
      ({ modelType }) => !format.includes(`| \`${modelType}\` |`),
    );
    expect(missing.map(({ modelType }) => modelType)).toEqual([]);
  });
});
