import { OqeError } from "../ground/errors.ts";
import { asObject, parseJson, quote } from "./json.ts";
import { type Repository, readText } from "./repository.ts";

export const INDEX_FILE = "model.safetensors.index.json";
const SINGLE_FILE = "model.safetensors";
const NUMBERED = /^(.+)-(\d{5})-of-(\d{5})\.safetensors$/;

/** The files that hold a checkpoint's weights. */
export interface ShardSet {
  /** Sorted. */
  readonly files: readonly string[];
  /** Tensor name -> file, as the index says; null where no index was followed. */
  readonly index: ReadonlyMap<string, string> | null;
  /** Numbered shards beside a whole model.safetensors: they may hold nothing that it lacks. */
  readonly copies: readonly string[];
}

/**
 * Finds the weights at the top of the repository, in the order of transformers: model.safetensors;
 * the files of the index; the one complete set of numbered shards; the one safetensors file. A
 * model.safetensors makes the index void unless the index names it: then both loaders ignore it.
 * Throws MISSING_FILE where there are no weights, BAD_CHECKPOINT where they are incomplete or
 * ambiguous.
 */
export async function findShards(repository: Repository): Promise<ShardSet> {
  const { files } = repository;
  if (files.has(SINGLE_FILE)) {
    const shards = [...files.keys()].filter((file) => isModelShard(file));
    const index = files.has(INDEX_FILE) ? await readIndex(repository).catch(damaged) : null;
    if (index?.files.includes(SINGLE_FILE)) return index;
    return { files: [SINGLE_FILE], index: null, copies: shards };
  }
  return files.has(INDEX_FILE) ? readIndex(repository) : findUnindexed(repository);
}

/** Ignores a damaged index beside a whole file. Throws other errors again. */
function damaged(error: unknown): null {
  if (error instanceof OqeError && error.code === "BAD_CHECKPOINT") return null;
  throw error;
}

function isModelShard(file: string): boolean {
  return NUMBERED.exec(file)?.[1] === "model";
}

function findUnindexed(repository: Repository): ShardSet {
  const sets = groupFiles(
    [...repository.files.keys()].filter((f) => f.endsWith(".safetensors") && !f.includes("/")),
  );
  const named = [...sets.keys()].filter((set) => set.startsWith("model-of-"));
  const choice = named.length > 0 ? named : [...sets.keys()];
  if (choice.length === 0) throw noWeights(repository);
  if (choice.length > 1) {
    const first = choice.map((set) => sets.get(set)![0]);
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${repository.name} holds several sets of weights and no index: ${first.join(", ")}`,
      `Keep one of them, or add ${INDEX_FILE}.`,
    );
  }
  const files = sets.get(choice[0]!)!;
  checkComplete(files, repository);
  return { files, index: null, copies: [] };
}

/** Files by set: `<prefix>-of-<count>` for numbered shards; any other file is a set of its own. */
function groupFiles(files: readonly string[]): Map<string, string[]> {
  const sets = new Map<string, string[]>();
  for (const file of files) {
    const [, prefix, , count] = NUMBERED.exec(file) ?? [];
    const set = prefix === undefined ? file : `${prefix}-of-${count}`;
    sets.set(set, [...(sets.get(set) ?? []), file]);
  }
  return sets;
}

function checkComplete(files: readonly string[], repository: Repository): void {
  const [, prefix, , count] = NUMBERED.exec(files[0]!) ?? [];
  if (prefix === undefined) return;
  const number = (n: number) => `${prefix}-${String(n).padStart(5, "0")}-of-${count}.safetensors`;
  const expected = Array.from({ length: Number(count) }, (_, i) => number(i + 1));
  const missing = expected.filter((file) => !repository.files.has(file));
  const stray = files.filter((file) => !expected.includes(file));
  if (missing.length + stray.length === 0) return;
  const wrong =
    missing.length > 0
      ? `lacks ${some(missing)}`
      : `has a shard beyond its own count: ${some(stray)}`;
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${repository.name} ${wrong} (expected ${expected.length} shards, got ${files.length})`,
    "Download the whole model again.",
  );
}

async function readIndex(repository: Repository): Promise<ShardSet> {
  const where = `${repository.name}/${INDEX_FILE}`;
  const document = asObject(
    parseJson(await readText(repository, INDEX_FILE), where, { duplicateKeys: "refuse" }),
  );
  const entries = Object.entries(asObject(document?.weight_map) ?? {});
  if (entries.length === 0)
    throw badIndex(`${where} has no weight_map that maps tensor names to files`);
  const index = new Map<string, string>();
  for (const [tensor, file] of entries) index.set(tensor, checkShardName(file, tensor, where));
  const files = [...new Set(index.values())].sort();
  const missing = files.filter((file) => !repository.files.has(file));
  if (missing.length > 0) {
    throw badIndex(
      `${where} names ${some(missing)}, which ${missing.length > 1 ? "do" : "does"} not exist ` +
        `in ${repository.name}`,
    );
  }
  return { files, index, copies: [] };
}

function checkShardName(file: unknown, tensor: string, where: string): string {
  if (typeof file !== "string")
    throw badIndex(`${where} maps ${quote(tensor)} to something that is not a file name`);
  const parts = file.split(/[/\\]/);
  if (
    parts.includes("..") ||
    parts.includes(".") ||
    parts.includes("") ||
    /^[A-Za-z]:/.test(file)
  ) {
    throw badIndex(
      `${where} maps ${quote(tensor)} to ${quote(file)}: a path must stay in the repository`,
    );
  }
  if (!file.endsWith(".safetensors"))
    throw badIndex(`${where} maps ${quote(tensor)} to ${quote(file)}, no safetensors file`);
  return file;
}

function badIndex(message: string): OqeError {
  const hint =
    "The index is damaged or belongs to another model: download the whole model again, " +
    "or delete a wrong index.";
  return new OqeError("BAD_CHECKPOINT", message, hint);
}

/** Throws MISSING_FILE for a repository of GGUF files, whatever else it lacks. */
export function refuseGguf({ name, files }: Repository): void {
  const paths = [...files.keys()];
  const gguf = paths.filter((path) => /\.gguf$/i.test(path));
  if (gguf.length === 0 || paths.some((path) => path.endsWith(".safetensors"))) return;
  throw new OqeError(
    "MISSING_FILE",
    `${name} has its weights as GGUF (${some(gguf)}), which is a format of llama.cpp`,
    "Name the model that the GGUF was made from, in safetensors. Its card often names it as " +
      "base_model.",
  );
}

function noWeights(repository: Repository): OqeError {
  const other = [...repository.files.keys()].filter((file) =>
    /\.(bin|pt|pth|gguf|h5|msgpack|onnx|npz)$/.test(file),
  );
  const instead = other.length > 0 ? `; it has ${some(other)}` : "";
  return new OqeError(
    "MISSING_FILE",
    `${repository.name} has no .safetensors weights${instead}`,
    "Name a base that publishes safetensors, or save the model as safetensors first.",
  );
}

function some(files: readonly string[]): string {
  const shown = files.slice(0, 3).map(quote).join(", ");
  return files.length > 3 ? `${shown} and ${files.length - 3} more` : shown;
}
