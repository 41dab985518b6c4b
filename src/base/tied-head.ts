import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type BaseTensors, tensorsOfCoding } from "../coding/coding.ts";
import type { Architecture, RoleKind } from "../models/architecture.ts";
import type { Folded } from "../models/fold.ts";

/** Bytes of each tensor that are in memory at once. */
const piece = 8 << 20;

interface TiedBase {
  readonly checkpoint: Checkpoint;
  readonly values: BaseTensors;
}

/**
 * Unties a head that the config ties to the embeddings, if its values in the files differ from
 * them. transformers 5 does not tie such a head (tie_weights in modeling_utils.py). But mlx-lm
 * drops it. Reads both tensors up to the first difference.
 */
export async function untieOwnHead(
  architecture: Architecture,
  folded: Folded,
  base: TiedBase,
): Promise<Folded> {
  const nameOf = (role: RoleKind) => {
    const name = architecture.outer.find(({ kind }) => kind === role)?.base ?? "";
    return base.values.has(name) ? name : (architecture.alsoNamed?.(name) ?? name);
  };
  const [head, embeddings] = [nameOf("head"), nameOf("embeddings")];
  if (!isTied(folded.config) || (await areAlike(base, head, embeddings))) return folded;
  const warning =
    `config.json ties the head to the embeddings, but "${head}" differs from "${embeddings}"; ` +
    "the tiers store it as a separate head, as transformers 5 reads the base";
  return {
    ...folded,
    config: { ...folded.config, tie_word_embeddings: false },
    warnings: [...folded.warnings, warning],
  };
}

const isTied = (config: ModelConfig) => config.tie_word_embeddings === true;

/** Whether two tensors have the same values, or one is missing. */
async function areAlike(base: TiedBase, one: string, other: string): Promise<boolean> {
  const [a, b] = [one, other].map((name) => storedAs(base.values, name)) as [string[], string[]];
  if (a.length === 0 || b.length === 0) return true;
  if (a.length !== b.length) return false;
  for (const [at, name] of a.entries())
    if (!(await areEqual(base.checkpoint, name, b[at]!))) return false;
  return true;
}

/** Names of the stored tensors that give a tensor of values. */
function storedAs(values: BaseTensors, name: string): string[] {
  const tensor = values.get(name);
  if (tensor === undefined) return [];
  return tensor.coding === undefined ? [name] : [...tensorsOfCoding(tensor.coding)];
}

/** Whether two tensors have the same bytes. True where one is missing or its bytes are. */
async function areEqual(checkpoint: Checkpoint, one: string, other: string): Promise<boolean> {
  const [a, b] = [checkpoint.tensors.get(one), checkpoint.tensors.get(other)];
  if (a === undefined || b === undefined || checkpoint.headerOnly) return true;
  const size = a.end - a.start;
  if (a.dtype !== b.dtype || size !== b.end - b.start) return false;
  for (let start = 0; start < size; start += piece) {
    const length = Math.min(piece, size - start);
    const [some, others] = await Promise.all(
      [one, other].map((name) => checkpoint.read(name, start, length)),
    );
    if (Buffer.compare(some!, others!) !== 0) return false;
  }
  return true;
}
