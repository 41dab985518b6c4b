import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import { type Coding, scaleWords } from "../coding/coding.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { type CarriedTensor, carriedParts, partWords } from "../models/carried.ts";
import { keepsCodes, tensorsOf } from "../models/source.ts";

/** A base whose authors publish it as codes. */
export interface CodedBase {
  /** One sentence for the run, the receipt and the card. */
  readonly words: string;
  /** Bytes of the tensors that the values come from, scales and zero points included. */
  readonly publishedBytes: number;
}

const formatWords = { fp8: "FP8", fp4: "MXFP4", int4: "4-bit integers" } as const;

/** Describes the coding of a base; null where all of its weights are floats. */
export function describeCoding(
  tensors: readonly PlannedTensor[],
  stored: ReadonlyMap<string, CheckpointTensor>,
): CodedBase | null {
  const sources = tensors.flatMap((tensor) => tensor.sources);
  const codings = sources.flatMap(({ coding }) => coding ?? []);
  if (codings.length === 0) return null;
  const names = new Set(sources.flatMap(tensorsOf));
  const publishedBytes = [...names].reduce((sum, name) => {
    const { start, end } = stored.get(name)!;
    return sum + end - start;
  }, 0);
  const kinds = [...new Set(codings.map(wordsOf))];
  const words =
    `the base is published as ${kinds.join(" and ")}; the tiers are made from its decoded values, ` +
    `and figures such as KL compare with those${keptWords(tensors)}`;
  return { words, publishedBytes };
}

function keptWords(tensors: readonly PlannedTensor[]): string {
  const isKept = (one: PlannedTensor) => one.role.treatment === "quantized" && keepsCodes(one);
  const kept = tensors.filter(isKept).length;
  const modules = `${kept} ${kept === 1 ? "module" : "modules"}`;
  return kept === 0
    ? ""
    : `; MXFP4 codes of ${modules} are stored as they are, without an error, wherever a tier has ` +
        "4 bits or more for them";
}

/** Says of carried parts how the base codes them; null where it has their values as floats. */
export function describeCarried(carried: readonly CarriedTensor[]): string | null {
  const words = carriedParts.flatMap((part) => {
    const coded = carried.filter((one) => one.part === part && one.source.coding !== null);
    const kinds = [...new Set(coded.map(({ source }) => wordsOf(source.coding!)))];
    const decoded = `the ${partWords[part]} is published as ${kinds.join(" and ")}; the tiers hold`;
    return coded.length === 0 ? [] : [`${decoded} its decoded values in ${coded[0]!.dtype}`];
  });
  return words.length === 0 ? null : words.join("; ");
}

function wordsOf({ format, block, zeros }: Coding): string {
  const zeroWords = zeros === null ? "" : ", with zero points";
  return `${formatWords[format]} with ${scaleWords(block)}${zeroWords}`;
}
