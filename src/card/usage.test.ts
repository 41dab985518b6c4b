import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFolder } from "../checkpoint/folder.ts";
import { readUsage } from "./usage.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "oqe-usage-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What is read of a base with these files. */
async function usageOf(files: Readonly<Record<string, string>>) {
  const own = await mkdtemp(join(folder, "base-"));
  for (const [name, text] of Object.entries({ "config.json": "{}", ...files }))
    await writeFile(join(own, name), text);
  const repository = await openFolder(own);
  try {
    return await readUsage(repository);
  } finally {
    await repository.close?.();
  }
}
const promptOf = async (template: string) =>
  (await usageOf({ "chat_template.jinja": template })).prompt;

test("sampling is what generation_config.json has and mlx-lm takes", async () => {
  const config = { temperature: 0.6, top_p: 0.95, top_k: 20, do_sample: true, min_p: "x" };
  const { sampling } = await usageOf({ "generation_config.json": JSON.stringify(config) });
  expect(sampling).toEqual({ temperature: 0.6, top_p: 0.95, top_k: 20 });
});

test.each([{}, { "generation_config.json": "{" }, { "generation_config.json": "[1]" }])(
  "a base with %j has none",
  async (files) => {
    expect(await usageOf(files as Record<string, string>)).toEqual({ sampling: {}, prompt: null });
  },
);

describe("the prompt format", () => {
  const chat = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}";

  test("is the template on one user turn, with the tokenizer's tokens", async () => {
    const prompt = "<s><user>{prompt}";
    const ask = "{% if add_generation_prompt %}<assistant>{% endif %}";
    const tokens = { bos_token: { content: "<s>" }, chat_template: chat + ask };
    const files = { "tokenizer_config.json": JSON.stringify(tokens) };
    expect((await usageOf(files)).prompt).toEqual([prompt, "<assistant>"]);
    const file = { ...files, "chat_template.jinja": chat };
    expect((await usageOf(file)).prompt).toEqual([prompt]);
  });

  test("is the same on every day", async () => {
    const today = "{{ strftime_now('%Y-%m-%d, %d %b') }}{{ messages[0].content }}";
    expect(await promptOf(today)).toEqual(["2026-01-01, 01 Jan{prompt}"]);
  });

  test.each([
    ["raises an error", "{{ raise_exception('no') }}"],
    ["does not parse", "{% for %}"],
    ["leaves the prompt out", "fixed"],
    ["is long", `${"x".repeat(700)}{{ messages[0].content }}`],
    ["has many lines", `${"\n".repeat(40)}{{ messages[0].content }}`],
    ["turns the text around", "\u202e{{ messages[0].content }}"],
    [
      "never ends",
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}" +
        "{% endfor %}{% endfor %}",
    ],
  ])("is not shown where the template %s", async (_, template) => {
    expect(await promptOf(template)).toBeNull();
  });
});
