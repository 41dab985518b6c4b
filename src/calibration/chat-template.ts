import { runInNewContext } from "node:vm";
import { asObject, parseJson } from "../checkpoint/json.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { boundedTemplate, boundsOf, endOf } from "./template-bounds.ts";

/** Longest template that is read, in bytes. */
const longest = 256 << 10;
/**
 * Milliseconds by default, for a template whose turns each take long. A template of a chat takes
 * one. Long enough for every chat on a busy machine, because a row must not depend on the clock.
 */
const longestTime = 60_000;

/** What a template is given, by its names. */
export type TemplateInputs = Readonly<Record<string, unknown>>;

/** The chat templates of a base, and its special tokens. */
export interface ChatTemplates {
  /** The file that has them. */
  readonly path: string;
  /** By name. Where there is only one, it is `default`. */
  readonly templates: ReadonlyMap<string, string>;
  /** `bos_token` and the like, as tokenizer_config.json has them. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** An object of a JSON file; empty where there is none that can be read. Never throws. */
export async function objectOf(
  repository: Repository,
  path: string,
): Promise<Record<string, unknown>> {
  if (!repository.files.has(path)) return {};
  try {
    return asObject(parseJson(await readText(repository, path), path)) ?? {};
  } catch {
    return {};
  }
}

/**
 * The chat templates of a base, as transformers finds them: `chat_template.jinja`, else the field
 * `chat_template` of chat_template.json or tokenizer_config.json, which may list several by name.
 * Never throws; null: there is none that can be read, or it has more than 256 KiB.
 */
export async function readChatTemplates(repository: Repository): Promise<ChatTemplates | null> {
  const config = await objectOf(repository, "tokenizer_config.json");
  const tokens = Object.fromEntries(
    ["bos_token", "eos_token", "pad_token", "unk_token"].map((key) => {
      const content = asObject(config[key])?.content ?? config[key];
      return [key, typeof content === "string" ? content : ""];
    }),
  );
  const found = await templatesOf(repository, config);
  return found.templates.size === 0 ? null : { ...found, tokens };
}

async function templatesOf(
  repository: Repository,
  config: Readonly<Record<string, unknown>>,
): Promise<Omit<ChatTemplates, "tokens">> {
  const own = "chat_template.jinja";
  if (repository.files.has(own)) {
    const isShort = repository.files.get(own)! <= longest;
    const text = isShort ? await readText(repository, own).catch(() => null) : null;
    return { path: own, templates: new Map(text === null ? [] : [["default", text]]) };
  }
  const older = "chat_template.json";
  const { chat_template: beside } = await objectOf(repository, older);
  const field = beside ?? config.chat_template;
  const named = Array.isArray(field) ? field : [{ name: "default", template: field }];
  const templates = new Map(
    named.flatMap((one) => {
      const { name, template } = asObject(one) ?? {};
      if (typeof name !== "string" || typeof template !== "string") return [];
      return template.length <= longest ? [[name, template] as const] : [];
    }),
  );
  return { path: beside == null ? "tokenizer_config.json" : older, templates };
}

/** The day on which every template is rendered, so that a row has the same tokens every day. */
const day: Readonly<Record<string, string>> = {
  "%Y": "2026",
  "%y": "26",
  "%m": "01",
  "%d": "01",
  "%-d": "1",
  "%e": " 1",
  "%b": "Jan",
  "%B": "January",
  "%a": "Thu",
  "%A": "Thursday",
  "%j": "001",
  "%H": "00",
  "%I": "12",
  "%M": "00",
  "%S": "00",
  "%p": "AM",
  "%%": "%",
};

/**
 * The text that a template gives, on 1 January 2026. Throws an error of the template's own or of
 * its syntax, and EndlessTemplate after a million turns or `timeout` milliseconds. Running it in a
 * context is the one way to stop a call from outside.
 */
export function renderTemplate(
  template: string,
  inputs: TemplateInputs,
  timeout = longestTime,
): string {
  const strftime_at = (format: unknown) =>
    String(format).replace(/%-?[a-zA-Z%]/g, (directive) => day[directive] ?? directive);
  // The library has a function of that name, reads the clock in it, and lets nobody replace it.
  const dated = template.replace(/\bstrftime_now\b/g, "strftime_at");
  const render = () => boundedTemplate(dated).render({ strftime_at, ...inputs, ...boundsOf() });
  try {
    const text: unknown = runInNewContext("render()", { render }, { timeout });
    if (typeof text !== "string") throw new Error("it gives no text");
    return text;
  } catch (cause) {
    throw endOf(cause);
  }
}
