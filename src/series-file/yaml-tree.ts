import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { OqeError } from "../ground/errors.ts";
import { quote } from "../ground/schema.ts";

/** A YAML file as the series file uses it: every value is the text that the file has. */
export type Tree = string | readonly Tree[] | TreeMap;
export interface TreeMap {
  readonly [key: string]: Tree;
}

export type TreePath = readonly (string | number)[];

export interface YamlFile {
  readonly tree: Tree;
  /** Line of the key or item at a path, from 1; of the nearest one above where it is missing. */
  readonly lineAt: (path: TreePath) => number;
}

/** In bytes. 256 models with five lines each take a fifth of it. */
export const longestFile = 256 << 10;
/** Of a value. Messages quote values. */
const longestValue = 600;
/** File, list of models, model, table, value. */
const deepest = 6;
const seriesHint =
  "docs/series-file.md lists the keys. Editors check them by docs/series.schema.json.";

/**
 * Reads YAML of plain values. `name` and `hint` are for messages. Throws BAD_INPUT with the line,
 * also for what no series file needs: anchors and aliases (a few lines of them can stand for
 * gigabytes), tags, expressions of a workflow, line breaks and control characters in values.
 */
export function readYaml(text: string, name: string, hint = seriesHint): YamlFile {
  const lines = new LineCounter();
  const refuse = (at: number, what: string): never => {
    throw new OqeError("BAD_INPUT", `${name}:${lines.linePos(at).line || 1}: ${what}`, hint);
  };
  if (Buffer.byteLength(text) > longestFile)
    refuse(0, `expected at most ${longestFile >> 10} KiB, got ${Buffer.byteLength(text) >> 10}`);
  // With this schema every scalar is text: what `4.0`, `1e5` and `no` mean is up to their key.
  const options = { schema: "failsafe", uniqueKeys: false, prettyErrors: false } as const;
  const { contents, errors } = parseDocument(text, { lineCounter: lines, ...options });
  const [fault] = errors;
  if (fault !== undefined) {
    const isDeep = fault.message.startsWith("Maximum call stack");
    refuse(fault.pos[0], isDeep ? "nested too deeply" : `not valid YAML: ${fault.message}`);
  }

  const treeOf = (node: Node | null, above: TreePath): Tree => {
    const at = startOf(node);
    const place = above.length === 0 ? "" : `${describePath(above)}: `;
    const forbidden = node === null ? null : forbiddenIn(node);
    if (forbidden !== null) refuse(at, place + forbidden);
    if (above.length > deepest) refuse(at, `${place}nested too deeply`);
    if (isSeq<Node | null>(node)) return node.items.map((item, i) => treeOf(item, [...above, i]));
    if (!isMap<Node, Node | null>(node)) return isScalar(node) ? textOf(node) : "";
    const seen = new Map<string, Tree>();
    for (const { key, value } of node.items) {
      if (!isScalar(key)) refuse(startOf(key), `${place}a key is not plain text`);
      const wrong = forbiddenIn(key);
      const name = isScalar(key) ? textOf(key) : "";
      if (wrong !== null) refuse(startOf(key), place + wrong);
      const path = [...above, name];
      if (seen.has(name)) refuse(startOf(key), `${describePath(path)} is there twice`);
      seen.set(name, treeOf(value, path));
    }
    return Object.fromEntries(seen); // a key called __proto__ is an ordinary one
  };
  const tree = treeOf(contents, []);
  return { tree, lineAt: (path) => lines.linePos(placeOf(contents, path)).line || 1 };
}

const startOf = (node: Node | null) => node?.range?.[0] ?? 0;

function textOf({ value, type }: { readonly value: unknown; readonly type?: string }): string {
  const text = String(value);
  return type === "PLAIN" && /^(~|null)$/i.test(text) ? "" : text;
}

/** What a node has that is not allowed, as part of a sentence; null: nothing. */
function forbiddenIn(node: Node): string | null {
  if (isAlias(node) || (node as { anchor?: string }).anchor !== undefined)
    return "anchors and aliases are not allowed: write the value out, or use defaults";
  if (node.tag !== undefined) return `the tag ${quote(node.tag)} is not allowed`;
  if (!isScalar(node)) return null;
  const text = textOf(node);
  if (/[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufffd]/u.test(text))
    return `${quote(text)} has a line break or a character that cannot be shown`;
  if (text.length > longestValue)
    return `expected at most ${longestValue} characters, got ${quote(text)}`;
  if (text.includes("${{"))
    return `${quote(text)} is an expression of a workflow, and nothing evaluates it here`;
  return null;
}

/** The offset of a key, or of an item of a list; of the nearest one above where it is missing. */
export function placeOf(contents: Node | null, path: TreePath): number {
  let node = contents;
  let at = startOf(node);
  for (const step of path) {
    if (isSeq<Node | null>(node)) {
      node = node.items[Number(step)] ?? null;
      if (node !== null) at = startOf(node);
    } else if (isMap<Node, Node | null>(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && textOf(key) === step);
      if (pair === undefined) return at;
      at = startOf(pair.key);
      node = pair.value;
    } else return at;
  }
  return at;
}

/** `models[1].tiers`, with odd keys quoted. */
export function describePath(path: TreePath): string {
  return path
    .map((step, i) => {
      if (typeof step === "number") return `[${step}]`;
      const key = /^[\w-]{1,64}$/.test(step) ? step : quote(step);
      return i === 0 ? key : `.${key}`;
    })
    .join("");
}
