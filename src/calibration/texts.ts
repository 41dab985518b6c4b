import { asObject } from "../checkpoint/json.ts";
import { OqeError } from "../ground/errors.ts";
import { readConversation } from "./chat.ts";
import type { Document, DomainText } from "./corpus.ts";
import { documentsOf } from "./documents.ts";

/** A file is read whole, and a larger one is no better sample of a language. */
export const largestTextFile = 64 << 20;

/** Domain of documents without one. */
const namelessDomain = "custom";
/** Domain of chats without one. */
const namelessChat = "chat";
/** Most domains that a receipt can list. */
const mostDomains = 256;
const domainName = /^[\w. -]{1,64}$/;

const formats: Readonly<Record<string, (text: string, where: string) => DomainText[]>> = {
  ".txt": (text) => [{ domain: namelessDomain, documents: documentsOf(text) }],
  ".jsonl": (text, where) => byDomain(readLines(text, where), where),
  ".json": (text, where) => byDomain(readList(text, where), where),
};

/** Throws BAD_INPUT unless the file's extension is that of a known format. */
export function checkFormat(path: string): void {
  formatOf(path, path);
}

/**
 * Documents of a text file. In `.txt` they are separated by empty lines or form feeds. `.jsonl` has
 * one object a line, with `text` or a chat (`messages`) and optionally `domain`. `.json` has a list
 * of strings or of such objects. `where` names the file in messages. Throws BAD_INPUT for a file
 * that is empty, not UTF-8, or not of its format.
 */
export function readTexts(bytes: Uint8Array, path: string, where: string): readonly DomainText[] {
  const read = formatOf(path, where);
  const texts = read(decode(bytes, where), where).filter(({ documents }) => documents.length > 0);
  if (texts.length === 0)
    throw bad(`${where} holds no text`, "Name a file with text to calibrate on.");
  return texts;
}

function formatOf(path: string, where: string) {
  const extension = /\.[^./]*$/.exec(path)?.[0].toLowerCase() ?? "";
  if (Object.hasOwn(formats, extension)) return formats[extension]!;
  throw bad(
    `${where} is of no format that can be read: expected ${Object.keys(formats).join(", ")}`,
    "Export its text as .jsonl, an object with a text a line.",
  );
}

/** Throws BAD_INPUT for bytes that are no text in UTF-8. */
export function decode(bytes: Uint8Array, where: string): string {
  const hint = "Save it as plain text in UTF-8.";
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw bad(`${where} is not UTF-8`, hint, cause);
  }
  if (text.includes("\0"))
    throw bad(`${where} holds a zero byte: it is not text, or not in UTF-8`, hint);
  return text;
}

interface Labelled {
  readonly document: Document;
  readonly domain: string;
}

function readLines(text: string, where: string): Labelled[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    return readDocument(attemptJson(line), `${where}, line ${index + 1}`, false);
  });
}

function readList(text: string, where: string): Labelled[] {
  const list = attemptJson(text);
  if (Array.isArray(list))
    return list.map((item, index) => readDocument(item, `${where}, item ${index + 1}`, true));
  throw bad(
    `${where} is not a JSON list`,
    "A .json file is a list of strings, or of objects with a text.",
  );
}

/** The value, or undefined where the text is no JSON. */
function attemptJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readDocument(value: unknown, where: string, mayBeString: boolean): Labelled {
  if (mayBeString && typeof value === "string") return { document: value, domain: namelessDomain };
  const line = asObject(value) ?? {};
  const { text, messages, domain } = line;
  const isText = typeof text === "string";
  if (isText === (messages !== undefined && messages !== null)) {
    const expected = `${mayBeString ? "a string or " : ""}a JSON object with a string "text"`;
    const both = isText ? ", got both" : "";
    throw bad(
      `${where}: expected ${expected}, or with a list "messages"${both}`,
      'For example {"text": "…", "domain": "en"}; other fields are ignored.',
    );
  }
  const document = isText ? text : readConversation(line, where);
  const nameless = isText ? namelessDomain : namelessChat;
  if (domain === undefined || domain === null) return { document, domain: nameless };
  if (typeof domain === "string" && domainName.test(domain)) return { document, domain };
  throw bad(
    `${where}: "domain" is not the name of one`,
    'A domain is a string of 1 to 64 ASCII letters, digits, blanks, ".", "_" and "-". ' +
      "Leave it out if there is none.",
  );
}

/** Domains in the order in which they first appear. */
function byDomain(documents: readonly Labelled[], where: string): DomainText[] {
  const texts = new Map<string, Document[]>();
  for (const { document, domain } of documents) {
    const known = texts.get(domain) ?? [];
    if (typeof document !== "string") known.push(document);
    else if (document.trim() !== "") known.push(document.trimEnd());
    texts.set(domain, known);
  }
  if (texts.size > mostDomains) {
    throw bad(
      `${where} names ${texts.size} domains; at most ${mostDomains} can be told apart`,
      "Name broader domains.",
    );
  }
  return [...texts].map(([domain, those]) => ({ domain, documents: those }));
}

function bad(what: string, hint: string, cause?: unknown): OqeError {
  return new OqeError("BAD_INPUT", `calibration: ${what}`, hint, cause);
}
