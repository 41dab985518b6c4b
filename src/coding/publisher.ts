import { readFrontMatter } from "../checkpoint/card-head.ts";
import { quote } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { refuseQuantized } from "./refusal.ts";

/** Words of a name that say how the weights of a quantized copy are stored. */
const precision =
  /[-_.]((mx|nv)?fp[48]|int[48]|w\d+a\d+|\d-?bits?|quantized|ptq|gptq|awq|bnb|nf4|hqq)(?=$|[-_.])/i;

/** What the name and the card of a repository say about where its weights come from. */
interface Origin {
  /** The card says that it is a quantization of another repository. */
  readonly isQuantization: boolean;
  /** The repository that it was quantized from, by its card. */
  readonly original: string | null;
  /** The same owner publishes the original. */
  readonly isByMaker: boolean;
  /** The name without words of a precision; null: it has none. */
  readonly stem: string | null;
  /** The card says of which model it was made, and how. */
  readonly isTold: boolean;
}

async function originOf(repository: Repository): Promise<Origin> {
  const card = await readFrontMatter(repository);
  const name = repository.id ?? repository.name;
  const relation = typeof card.base_model_relation === "string" ? card.base_model_relation : null;
  const [named] = [card.base_model].flat().filter((one) => typeof one === "string");
  const first = name.lastIndexOf("/") + 1;
  const word = precision.exec(name.slice(first));
  const isCopy = named !== undefined && relation === null && word !== null;
  const isQuantization = relation?.trim().toLowerCase() === "quantized" || isCopy;
  const original = isQuantization ? (named ?? null) : null;
  const [owner, from] = [repository.id, original].map(ownerOf);
  return {
    isQuantization,
    original,
    isByMaker: owner !== null && owner === from,
    isTold: named !== undefined || relation !== null,
    stem: word === null || word.index === 0 ? null : name.slice(0, first + word.index),
  };
}

/** The owner of `owner/name`, as the Hub compares them: in lower case. Null: there is none. */
function ownerOf(id: string | null | undefined): string | null {
  const owner = /^([^/]+)\/[^/]+$/.exec(id ?? "")?.[1];
  return owner?.toLowerCase() ?? null;
}

/**
 * Whether the model's makers publish it in this coding, or somebody else quantized their
 * repository, with loss. The base's own card decides (docs/decisions/0019-coded-bases.md). Throws
 * ALREADY_QUANTIZED for a quantization of another owner's repository. Gives a warning for one of
 * the makers, and where no card says anything.
 */
export async function checkPublisher(repository: Repository): Promise<string | null> {
  const origin = await originOf(repository);
  const { isQuantization, isByMaker, original, stem, isTold } = origin;
  if (isByMaker)
    return (
      `${repository.id} is a quantization of ${quote(original!)} by the same owner. The figures ` +
      "compare with its values, so the error of that quantization is not in them. Tiers of " +
      `${quote(original!)} are closer to the model`
    );
  if (isQuantization) {
    const what = original === null ? "another model" : quote(original);
    const found = `its card says that it is a quantization of ${what}`;
    const advice = adviceOf(origin);
    if (repository.id !== null || original === null)
      return refuseQuantized(repository, found, advice);
    const elsewhere = "If its makers quantized it, name their repository on the Hub.";
    return refuseQuantized(repository, found, `${advice} ${elsewhere}`);
  }
  const name = repository.id ?? repository.name;
  const unsure = "so nothing says whether its authors quantized it or somebody else did, with loss";
  const use =
    stem === null
      ? "Where there is an unquantized original, use that"
      : `Where there is an unquantized original (${likely(stem)}), use that`;
  if (!repository.files.has("README.md")) return `${name} has no card, ${unsure}. ${use}`;
  return stem === null || isTold
    ? null
    : `the card of ${name} names no original, ${unsure}. ${use}`;
}

/**
 * The error with the repository to use instead, where name or card tell of one. Others are
 * returned as they are.
 */
export async function nameOriginal(error: unknown, repository: Repository): Promise<unknown> {
  if (!(error instanceof OqeError) || error.code !== "ALREADY_QUANTIZED") return error;
  const origin = await originOf(repository);
  if (origin.original === null && origin.stem === null) return error;
  return new OqeError(error.code, error.message, adviceOf(origin));
}

function adviceOf({ original, stem }: Origin): string {
  const guess = stem === null ? "" : `, which may be ${likely(stem)},`;
  const name = original === null ? `the original${guess}` : quote(original);
  return `Name ${name} as the base; quantizing twice adds both errors.`;
}

function likely(stem: string): string {
  return `${quote(stem)} or ${quote(`${stem}-BF16`)}`;
}
