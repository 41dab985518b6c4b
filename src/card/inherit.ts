import { parse } from "yaml";
import type { Repository } from "../checkpoint/repository.ts";
import type { Inherited } from "../receipt/receipt.ts";

/** Front matter of real cards is a few kilobytes; more is not read, so a huge README costs nothing. */
const longestFrontMatter = 256 << 10;
const longestValue = 300;
const mostValues = 100;

/**
 * What the base's README.md says of itself that its quants inherit: licence, languages, task, tags. A card without
 * readable front matter, or a value of the wrong type, inherits nothing: never an error, for the weights do not depend on it.
 */
export async function inheritFrom(repository: Repository): Promise<Inherited> {
  const fields = readFrontMatter(await readCardHead(repository));
  const license = one(fields.license);
  const licenseName = one(fields.license_name);
  const licenseLink = one(fields.license_link);
  const language = several(fields.language);
  const pipelineTag = one(fields.pipeline_tag);
  const tags = several(fields.tags);
  return {
    ...(license !== null && { license }),
    ...(licenseName !== null && { licenseName }),
    ...(licenseLink !== null && { licenseLink }),
    ...(language.length > 0 && { language }),
    ...(pipelineTag !== null && { pipelineTag }),
    ...(tags.length > 0 && { tags }),
  };
}

/** Files at the top level that the base's terms ask to hand on: carried over verbatim, sorted as listed. */
export function licenceFiles(repository: Repository): string[] {
  const named = /^(licen[cs]e|notice|copying|use_policy)/i;
  const text = /(licen[cs]e|notice)[^/]*\.(txt|md)$/i;
  const weights = /\.(safetensors|bin|pt|pth|gguf|onnx|h5|npz|json)$/i;
  const plain = /^[^/\\:\p{Cc}]+$/u;
  return [...repository.files.keys()].filter(
    (path) => plain.test(path) && !weights.test(path) && (named.test(path) || text.test(path)),
  );
}

/** The beginning of README.md, or nothing where there is none. */
async function readCardHead(repository: Repository): Promise<string> {
  if (!repository.files.has("README.md")) return "";
  const source = await repository.open("README.md");
  return new TextDecoder("utf-8").decode(
    await source.read(0, Math.min(source.size, longestFrontMatter)),
  );
}

function readFrontMatter(card: string): Record<string, unknown> {
  const block = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(\r?\n|$)/.exec(card)?.[1];
  if (block === undefined) return {};
  try {
    // Ten aliases are more than any card needs, and too few for a bomb.
    const value: unknown = parse(block, {
      maxAliasCount: 10,
      logLevel: "error",
      prettyErrors: false,
    });
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** A single short string; a list of one counts as its element. A list of several licences is not ours to choose from. */
function one(value: unknown): string | null {
  const values = several(value);
  return values.length === 1 && (!Array.isArray(value) || value.length === 1)
    ? (values[0] ?? null)
    : null;
}

function several(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const strings = list.filter((item): item is string => typeof item === "string");
  const trimmed = strings.map((text) => text.trim());
  const usable = trimmed.filter(
    (text) => text !== "" && text.length <= longestValue && !/\p{Cc}/u.test(text),
  );
  return [...new Set(usable)].slice(0, mostValues);
}
