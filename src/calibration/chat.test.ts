import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openFolder } from "../checkpoint/folder.ts";
import { openChat, readConversation } from "./chat.ts";
import { renderTemplate } from "./chat-template.ts";
import { drawRows } from "./rows.ts";
import { EndlessTemplate } from "./template-bounds.ts";
import { readTexts } from "./texts.ts";

interface Golden {
  readonly templates: Readonly<Record<string, string>>;
  readonly cases: readonly {
    readonly template: string;
    readonly chat: Record<string, unknown>;
    readonly text: string | null;
  }[];
}
const golden: Golden = JSON.parse(readFileSync("test/golden/chat-templates.json", "utf8"));
const tokens = { bos_token: "<s>", eos_token: { content: "</s>" } };

/** The renderer of a base with these files. */
async function chatOf(files: Readonly<Record<string, unknown>>) {
  const folder = await mkdtemp(join(tmpdir(), "oqe-chat-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries({ "config.json": {}, ...files })) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    await writeFile(join(folder, name), text);
  }
  const repository = await openFolder(folder);
  onTestFinished(async () => repository.close?.());
  return openChat(repository);
}

const line = (chat: Record<string, unknown>) => readConversation(chat, "a.jsonl, line 3");
const hello = { messages: [{ role: "user", content: "Hello" }] };
const content = "{{ messages[0].content }}";

describe("a chat", () => {
  test.each(golden.cases)("is rendered as transformers does it: $template, $chat", async (one) => {
    const template = golden.templates[one.template]!;
    const files = { "chat_template.jinja": template, "tokenizer_config.json": tokens };
    const chat = await chatOf(files);
    if (one.text === null) expect(() => chat(line(one.chat))).toThrow(/Roles must alternate/);
    else expect(chat(line(one.chat))).toBe(one.text);
  });

  test("has the template of the file, of the older file, or of the tokenizer's config", async () => {
    const [own, json] = ["chat_template.jinja", "chat_template.json"];
    const config = "tokenizer_config.json";
    const all = {
      [own]: `1 ${content}`,
      [json]: { chat_template: `2 ${content}` },
      [config]: { chat_template: `3 ${content}` },
    };
    const { [own]: _, ...withoutOwn } = all;
    expect((await chatOf(all))(line(hello))).toBe("1 Hello");
    expect((await chatOf(withoutOwn))(line(hello))).toBe("2 Hello");
    expect((await chatOf({ [config]: all[config] }))(line(hello))).toBe("3 Hello");
  });

  test("with tools has the template for tools, if there are several", async () => {
    const templates = [
      { name: "default", template: `default ${content}` },
      { name: "tool_use", template: `tools ${content}` },
    ];
    const chat = await chatOf({ "tokenizer_config.json": { chat_template: templates } });
    expect(chat(line(hello))).toBe("default Hello");
    expect(chat(line({ ...hello, tools: [{}] }))).toBe("tools Hello");
  });

  test("is refused with file, line and reason", async () => {
    const without = await chatOf({ "tokenizer_config.json": tokens });
    expect(() => without(line(hello))).toThrow(/^a\.jsonl, line 3 is a chat .* no chat template/);
    const broken = await chatOf({ "chat_template.jinja": "{% for %}" });
    expect(() => broken(line(hello))).toThrow(/line 3: the chat template of .* refuses this chat/);
  });

  const [many, long] = ["range(100000)", "range(100001)"];
  test.each([
    [
      "loops in loops",
      `{% for a in ${many} %}{% for b in ${many} %}x{% endfor %}{% endfor %}`,
      /more than 1,000,000 turns/,
    ],
    ["a long loop", `{% for a in ${long} %}{% endfor %}`, /a range of more than 100,000 numbers/],
    ["a long list", `{% set a = ${long} | list %}`, /a range of more than 100,000 numbers/],
    [
      "a long loop backwards",
      "{% for a in range(0, -100001, -1) %}x{% endfor %}",
      /a range of more/,
    ],
    [
      "macros that call two",
      "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}",
      /more than 1,000,000 turns/,
    ],
    [
      "text that doubles",
      `{% set n = namespace(x='xx') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}`,
      /does not fit in memory/,
    ],
  ])("whose template does not end is refused with the file: %s", async (_, template, why) => {
    const own = await chatOf({ "chat_template.jinja": template });
    const refused =
      /line 3: the chat template of \S+ \(chat_template\.jinja\) does not end on this/;
    const said = (() => {
      try {
        return own(line(hello));
      } catch (error) {
        return String(error);
      }
    })();
    expect(said).toMatch(refused);
    expect(said).toMatch(why);
  });

  test("whose template does not end is refused with the name of each file", async () => {
    const template = "{% for a in range(1000000000) %}{% endfor %}";
    for (const path of ["chat_template.json", "tokenizer_config.json"]) {
      const chat = await chatOf({ [path]: { chat_template: template } });
      expect(() => chat(line(hello))).toThrow(`(${path}) does not end`);
    }
  });

  test("whose template takes too long is refused", () => {
    const template = "{% for a in range(100000) %}x{% endfor %}";
    expect(() => renderTemplate(template, {}, 1)).toThrow(EndlessTemplate);
  });

  test.each([
    ["{{ range(3) | list }}", "[0, 1, 2]"],
    ["{% for a in range(2, 7, 2) %}{{ a }}{% endfor %}", "246"],
    ["{% for a in range(3, 0, -1) %}{{ a }}{% endfor %}", "321"],
    ["{% for a in range(0) %}x{% else %}none{% endfor %}", "none"],
    ["{% for a in range(5) if a % 2 %}{{ loop.index }}{{ a }} {% endfor %}", "11 23 "],
    ["range(9) {{ {'range': 4}.range }}", "range(9) 4"],
    ["{% macro f(a, b=2) %}{{ a + b }}{% endmacro %}{{ f(1) }}{{ f(1, b=5) }}", "36"],
    ["{% for a in range(9) %}{% if a > 2 %}{% break %}{% endif %}{{ a }}{% endfor %}", "012"],
    ["{{ range(100000) | length }}", "100000"],
  ])("has the loops of Jinja: %s", async (template, text) => {
    const chat = await chatOf({ "chat_template.jinja": template });
    expect(chat(line(hello))).toBe(text);
  });
});

describe("a line with messages", () => {
  test.each([
    [{ messages: "Hello" }, /"messages" is not a list of messages/],
    [{ messages: [] }, /"messages" is not a list/],
    [
      { messages: [{ role: "user", content: "a" }, "b"] },
      /message 2 is not an object with a "role/,
    ],
    [{ messages: [{ from: "human", value: "a" }] }, /message 1 is not an object with a "role"/],
    [{ ...hello, tools: {} }, /"tools" is not a list of objects/],
    [{ ...hello, tools: ["f"] }, /"tools" is not a list/],
    [{ ...hello, chat_template_kwargs: [] }, /"chat_template_kwargs" is not an object/],
    [{ ...hello, text: "a" }, /expected .* "text", or with a list "messages", got both/],
    [{ conversations: [] }, /expected .* "text", or with a list "messages"$/],
  ])("%j is refused", (chat, says) => {
    const bytes = new TextEncoder().encode(`{"text": "a"}\n${JSON.stringify(chat)}\n`);
    expect(() => readTexts(bytes, "a.jsonl", "a.jsonl")).toThrow(says);
    expect(() => readTexts(bytes, "a.jsonl", "a.jsonl")).toThrow(/^calibration: a\.jsonl, line 2/);
  });

  test("is drawn beside plain text, in its domain", async () => {
    const chats = ["ab", "cd", "ef"].map((content) => ({ messages: [{ role: "user", content }] }));
    const lines = [{ text: "0123456789" }, { ...chats[0], domain: "code" }, chats[1], chats[2]];
    const bytes = new TextEncoder().encode(lines.map((one) => JSON.stringify(one)).join("\n"));
    const texts = readTexts(bytes, "a.jsonl", "a.jsonl");
    expect(texts.map(({ domain }) => domain)).toEqual(["custom", "code", "chat"]);
    const { ids, domains } = drawRows({
      tokenizer: { name: "", encode: (text) => [...text].map((one) => one.codePointAt(0)!) },
      chat: await chatOf({ "chat_template.jinja": `<{{ messages[0].role }}>${content}` }),
      corpus: { name: "a.jsonl", sha256: "", texts },
      ...{ samples: 3, length: 8, seed: 1, vocabularySize: 128 },
    });
    expect(domains).toEqual({ custom: 1, code: 1, chat: 1 });
    const shown = String.fromCodePoint(...ids);
    expect(shown.slice(8, 16)).toBe("<user>ab"); // no empty line after a chat
    expect("<user>cd<user>ef<user>cd").toContain(shown.slice(16));
  });
});
