import { parse } from "yaml";
import type { Repository } from "./repository.ts";

/** Front matter of real cards is a few kilobytes. No more than this is read of a large README. */
const longestFrontMatter = 256 << 10;

/** The beginning of README.md; empty if there is no such file. */
async function readCardHead(repository: Repository): Promise<string> {
  if (!repository.files.has("README.md")) return "";
  const source = await repository.open("README.md");
  return new TextDecoder("utf-8").decode(
    await source.read(0, Math.min(source.size, longestFrontMatter)),
  );
}

/**
 * The metadata of a repository's card. Never throws for what the card says: front matter that
 * cannot be read is empty.
 */
export async function readFrontMatter(repository: Repository): Promise<Record<string, unknown>> {
  const card = await readCardHead(repository);
  const block = /^\uFEFF?\s*---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(\r?\n|$)/.exec(card)?.[1];
  if (block === undefined) return {};
  try {
    // Ten aliases are more than any card needs, and too few to fill the memory.
    const value: unknown = parse(block, {
      maxAliasCount: 10,
      // Of two equal keys the last counts, as in PyYAML, which wrote most cards.
      uniqueKeys: false,
      logLevel: "error",
      prettyErrors: false,
    });
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
