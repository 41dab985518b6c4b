import { readFrontMatter } from "../checkpoint/card-head.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { Inherited } from "../receipt/receipt.ts";

const longestValue = 300;
const mostValues = 100;
/** Tasks that the Hub knows and that a quantized text model can still do. */
const tasks: ReadonlySet<string> = new Set([
  "text-generation",
  "text-classification",
  "token-classification",
  "feature-extraction",
  "sentence-similarity",
  "text-ranking",
  "image-text-to-text",
  "any-to-any",
]);

/**
 * Reads the fields of the base's README.md that the tiers' cards repeat: licence, languages, task,
 * tags. Never throws, because the weights do not depend on them. Front matter that cannot be read
 * gives nothing. A licence that is stated but cannot be used gives `other`: the card links to the
 * base's.
 */
export async function inheritFrom(repository: Repository): Promise<Inherited> {
  const fields = await readFrontMatter(repository);
  const { license, licenseName } = licenceOf(fields);
  const licenseLink = one(fields.license_link);
  const language = several(fields.language).flatMap(languageCode);
  const pipelineTag = one(fields.pipeline_tag)?.toLowerCase() ?? "";
  const tags = several(fields.tags);
  return {
    ...(license !== null && { license }),
    ...(licenseName !== null && { licenseName }),
    ...(licenseLink !== null && { licenseLink }),
    ...(language.length > 0 && { language: [...new Set(language)] }),
    ...(tasks.has(pipelineTag) && { pipelineTag }),
    ...(tags.length > 0 && { tags }),
  };
}

function licenceOf(fields: Record<string, unknown>) {
  const license = one(fields.license);
  const licenseName = one(fields.license_name);
  if (license !== null || fields.license === undefined || fields.license === null)
    return { license, licenseName };
  // We cannot choose among several licences. A value of another type names no licence.
  const names = several(fields.license).join(" ").slice(0, longestValue);
  return { license: "other", licenseName: licenseName ?? (names === "" ? null : names) };
}

/**
 * `en`, `pt-br`: the codes that the Hub takes, in lower case. Names and other words are left out.
 */
function languageCode(text: string): string[] {
  const code = text.toLowerCase().replaceAll("_", "-");
  return /^(?:[a-z]{2,3}(?:-[a-z0-9]{2,8})*|multilingual|code)$/.test(code) ? [code] : [];
}

/**
 * Licence files and notices at the top level: every copy of the model needs them. In list order.
 */
export function licenceFiles(repository: Repository): string[] {
  const named = /^(licen[cs]e|notice|copying|use_policy)/i;
  const text = /(licen[cs]e|notice)[^/]*\.(txt|md)$/i;
  const weights = /\.(safetensors|bin|pt|pth|gguf|onnx|h5|npz|json)$/i;
  const plain = /^[^/\\:\p{Cc}]+$/u;
  return [...repository.files.keys()].filter(
    (path) => plain.test(path) && !weights.test(path) && (named.test(path) || text.test(path)),
  );
}

/** A single short string. A list of one counts as its element. */
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
