import { describe, expect, test } from "vitest";
import type { Repository } from "../checkpoint/repository.ts";
import { inheritFrom, licenceFiles } from "./inherit.ts";

/** A repository in memory. */
function repository(files: Record<string, string>): Repository {
  const bytes = new Map(
    Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]),
  );
  return {
    id: "acme/base",
    name: "base",
    revision: "0".repeat(40),
    files: new Map([...bytes].map(([path, content]) => [path, content.byteLength])),
    open: async (path) => {
      const content = bytes.get(path)!;
      return {
        name: path,
        size: content.byteLength,
        read: async (offset, length) => content.slice(offset, offset + length),
      };
    },
  };
}

const card = (yaml: string) =>
  inheritFrom(repository({ "README.md": `---\n${yaml}\n---\n# Base\n` }));

describe("inheritFrom", () => {
  test("takes licence, languages, task and tags", async () => {
    const yaml =
      "license: other\nlicense_name: my-license\nlicense_link: LICENSE\nlanguage:\n- en\n- no\npipeline_tag: text-generation\ntags: [nvidia, pytorch]\nextra: 1";
    expect(await card(yaml)).toEqual({
      license: "other",
      licenseName: "my-license",
      licenseLink: "LICENSE",
      language: ["en", "no"],
      pipelineTag: "text-generation",
      tags: ["nvidia", "pytorch"],
    });
  });

  test("takes single values for lists, and lists of one for single values", async () => {
    expect(await card("language: en\nlicense: [mit]\ntags: chat")).toEqual({
      language: ["en"],
      license: "mit",
      tags: ["chat"],
    });
  });

  test("does not choose among several licences", async () => {
    const several = await card("license: [mit, apache-2.0]");
    expect(several).toEqual({ license: "other", licenseName: "mit apache-2.0" });
    expect(await card("license: [mit, 3]")).toEqual({ license: "other", licenseName: "mit" });
    expect(await card("license: [mit, gpl]\nlicense_name: dual")).toEqual({
      license: "other",
      licenseName: "dual",
    });
  });

  test("reads CRLF and a byte order mark", async () => {
    expect(
      await inheritFrom(repository({ "README.md": "\uFEFF---\r\nlicense: mit\r\n---\r\nText" })),
    ).toEqual({
      license: "mit",
    });
  });

  test.each([
    ["no README", {}],
    ["no front matter", { "README.md": "# Base\n" }],
    ["front matter that does not end", { "README.md": "---\nlicense: mit\n" }],
    ["a rule further down", { "README.md": "Text\n---\nlicense: mit\n---\n" }],
    ["a list", { "README.md": "---\n- license\n---\n" }],
    ["a scalar", { "README.md": "---\nlicense\n---\n" }],
    ["broken YAML", { "README.md": "---\nlicense: [mit\n---\n" }],
    [
      "values of other types",
      {
        "README.md":
          "---\nlicense: null\nlicense_name: [1]\nlanguage: [1, null, {}]\ntags: 3\npipeline_tag: true\n---\n",
      },
    ],
    [
      "values of several lines",
      { "README.md": "---\nlicense_name: |\n  mit\n  or not\ntags: ['a\n\n  b']\n---\n" },
    ],
    ["overlong values", { "README.md": `---\nlicense_link: ${"x".repeat(301)}\n---\n` }],
    [
      "front matter beyond the limit",
      { "README.md": `---\nlicense: mit\n#${"x".repeat(300_000)}\n---\n` },
    ],
    [
      "deep nesting",
      { "README.md": `---\nlicense: mit\nx: ${"[".repeat(20_000)}${"]".repeat(20_000)}\n---\n` },
    ],
  ])("inherits nothing from %s", async (_, files) => {
    expect(await inheritFrom(repository(files as Record<string, string>))).toEqual({});
  });

  test.each([
    ["another type", "license: {a: b}"],
    ["several lines", "license: |\n  mit\n  or not"],
    ["too many letters", `license: ${"x".repeat(301)}`],
    ["a number", "license: 7"],
  ])("a licence of %s is stated, though no name of one", async (_, yaml) => {
    expect(await card(yaml)).toEqual({ license: "other" });
  });

  test.each([
    ["language: EN", ["en"]],
    [
      "language: [English, en, zh-CN, pt_BR, EN, 7, multilingual]",
      ["en", "zh-cn", "pt-br", "multilingual"],
    ],
    ["language: {en: 1}", undefined],
    ["language: no", ["no"]],
  ])("%s gives the codes %j", async (yaml, expected) => {
    expect((await card(yaml)).language).toEqual(expected);
  });

  test.each([
    ["Text-Generation", "text-generation"],
    ["chat", undefined],
    ["[text-generation]", "text-generation"],
    ["[text-generation, fill-mask]", undefined],
  ])("task %s gives %j", async (task, expected) => {
    expect((await card(`pipeline_tag: ${task}`)).pipelineTag).toBe(expected);
  });

  test("takes the last of two equal keys, and blank lines before the metadata", async () => {
    const text = "\n\n---\nlicense: mit\nlicense: apache-2.0\ntags: [1, true, chat]\n---\n";
    expect(await inheritFrom(repository({ "README.md": text }))).toEqual({
      license: "apache-2.0",
      tags: ["chat"],
    });
  });

  test("reads no more of an enormous README than its beginning", async () => {
    const files = repository({ "README.md": `---\nlicense: mit\n---\n${"x".repeat(4 << 20)}` });
    let most = 0;
    const counted: Repository = {
      ...files,
      open: async (path) => {
        const source = await files.open(path);
        return {
          ...source,
          read: (offset, length) => {
            most = Math.max(most, offset + length);
            return source.read(offset, length);
          },
        };
      },
    };
    expect(await inheritFrom(counted)).toEqual({ license: "mit" });
    expect(most).toBeLessThanOrEqual(256 << 10);
  });

  test("a bomb of aliases is refused", async () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(", ")}]`,
    );
    expect(await card(["license: mit", "l0: &l0 [x]", ...levels].join("\n"))).toEqual({});
  });

  test("a key called __proto__ inherits nothing either", async () => {
    expect(await card("__proto__:\n  license: mit")).toEqual({});
  });

  test("keeps at most a hundred tags", async () => {
    const inherited = await card(
      `tags: [${Array.from({ length: 500 }, (_, i) => `t${i}`).join(", ")}]`,
    );
    expect(inherited.tags).toHaveLength(100);
  });
});

test("licenceFiles are text files at the top level, never weights", () => {
  const names = [
    "LICENSE",
    "LICENCE.md",
    "license-mit.txt",
    "NOTICE",
    "COPYING.LESSER",
    "USE_POLICY.md",
    "NVIDIA_Open_Model_License.txt",
    "THIRD_PARTY_NOTICES.md",
    "docs/LICENSE",
    "LICENSE.safetensors",
    "README.md",
    "config.json",
    "licenser.py.bin",
    "LICENSE\n",
    "..\\LICENSE.txt",
  ];
  const found = licenceFiles(repository(Object.fromEntries(names.map((name) => [name, "x"]))));
  expect(found).toEqual(names.slice(0, 8));
});
