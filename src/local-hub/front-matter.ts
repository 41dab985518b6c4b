import { parseDocument } from "yaml";
import { licenceIds } from "../ground/licences.ts";
import { isLegalName } from "./names.ts";

const relations = ["adapter", "merge", "quantized", "finetune"];

export interface Verdict {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** The YAML between a card's first `---` lines; null where there is none. */
function frontMatterOf(card: string): string | null {
  return /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?^---[ \t]*\r?(?:\n|$)/m.exec(card)?.[1] ?? null;
}

/** The front matter as an object; null if there is none, or if it is not a mapping. */
export function readFrontMatter(card: string): Record<string, unknown> | null {
  const text = card.match(/^\uFEFF?---/) ? frontMatterOf(card) : null;
  if (text === null) return null;
  const document = parseDocument(text);
  if (document.errors.length > 0) return null;
  try {
    const value: unknown = document.toJS();
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null; // too many aliases
  }
}

/** The Hub's check of a card's metadata. */
export function checkFrontMatter(card: string): Verdict {
  const text = card.match(/^\uFEFF?---/) ? frontMatterOf(card) : null;
  if (text === null || text.trim() === "")
    return { errors: [], warnings: ["empty or missing yaml metadata in repo card"] };
  const problems = parseDocument(text).errors;
  if (problems.length > 0)
    return { errors: problems.map((problem) => problem.message.split("\n")[0]!), warnings: [] };
  const data = readFrontMatter(card);
  if (data === null) return { errors: ["the metadata must be a mapping"], warnings: [] };
  return {
    errors: [
      ...licenceErrors(data),
      ...listErrors(data),
      ...baseModelErrors(data),
      ...stringErrors(data),
    ],
    warnings: data.license === undefined ? ['"license" is missing'] : [],
  };
}

function licenceErrors(data: Record<string, unknown>): string[] {
  const { license } = data;
  if (license === undefined) return [];
  const named = Array.isArray(license) ? license : [license];
  const unknown = named.filter((name) => typeof name !== "string" || !licenceIds.has(name));
  if (unknown.length > 0) return [`"license" must be one of [${[...licenceIds].join(", ")}]`];
  if (!named.includes("other")) return [];
  return ["license_name", "license_link"]
    .filter((key) => typeof data[key] !== "string" || data[key] === "")
    .map((key) => `"${key}" is needed where "license" is other`);
}

function listErrors(data: Record<string, unknown>): string[] {
  const isText = (value: unknown) => typeof value === "string" && value !== "";
  return ["tags", "language", "datasets"]
    .filter((key) => data[key] !== undefined && data[key] !== null)
    .filter(
      (key) =>
        !isText(data[key]) && !(Array.isArray(data[key]) && (data[key] as unknown[]).every(isText)),
    )
    .map((key) => `"${key}" must be a string or a list of strings`);
}

function baseModelErrors(data: Record<string, unknown>): string[] {
  const errors: string[] = [];
  const { base_model: base, base_model_relation: relation } = data;
  for (const id of base === undefined ? [] : Array.isArray(base) ? base : [base]) {
    const parts = typeof id === "string" ? id.split("/") : [];
    if (parts.length !== 2 || !parts.every(isLegalName)) {
      errors.push(
        `"base_model" with value ${JSON.stringify(id)} is not valid. Use a model id from the Hub`,
      );
    }
  }
  if (relation !== undefined && !relations.includes(relation as string)) {
    errors.push(`"base_model_relation" must be one of [${relations.join(", ")}]`);
  }
  return errors;
}

function stringErrors(data: Record<string, unknown>): string[] {
  return ["library_name", "pipeline_tag", "license_name", "license_link", "quantized_by"]
    .filter((key) => data[key] !== undefined && typeof data[key] !== "string")
    .map((key) => `"${key}" must be a string`);
}
