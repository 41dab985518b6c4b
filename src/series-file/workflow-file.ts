import { LineCounter, parseDocument } from "yaml";
import { longestFile, placeOf, type TreePath } from "./yaml-tree.ts";

/** A workflow of GitHub as plain values. */
export interface WorkflowFile {
  readonly value: unknown;
  /** Line of the key or item at a path, from 1; of the nearest one above where it is missing. */
  readonly lineAt: (path: TreePath) => number;
  /** Why the file cannot be read; null if it can. */
  readonly fault: { readonly line: number; readonly what: string } | null;
}

/** More uses of anchors than any workflow has: a few lines of them can stand for gigabytes. */
const mostAliases = 100;

/** Reads a workflow. What it holds is data of anybody who can open a pull request. Never throws. */
export function readWorkflow(text: string): WorkflowFile {
  const lines = new LineCounter();
  const unreadable = (line: number, what: string): WorkflowFile => ({
    value: null,
    lineAt: () => line,
    fault: { line, what },
  });
  if (text.length > longestFile) return unreadable(1, `it has more than ${longestFile >> 10} KiB`);
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined)
      return unreadable(lines.linePos(error.pos[0]).line || 1, `not valid YAML: ${error.message}`);
    const { contents } = document;
    return {
      value: document.toJS({ maxAliasCount: mostAliases }),
      lineAt: (path) => lines.linePos(placeOf(contents, path)).line || 1,
      fault: null,
    };
  } catch {
    return unreadable(1, "nested too deeply, or anchors are used too often");
  }
}

/** The table at a key; empty if there is none. */
export function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
  return isTable ? (value as Record<string, unknown>) : {};
}

/** A value that may be one text or a list of them. */
export function textsOf(value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((one) => typeof one === "string");
}
