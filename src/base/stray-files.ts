import { mapBounded } from "../checkpoint/bounded.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { quote } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { readHeader } from "../checkpoint/safetensors.ts";
import { INDEX_FILE } from "../checkpoint/shard-set.ts";
import { OqeError } from "../ground/errors.ts";
import { isModelFile } from "../mlx/layout.ts";

/** Headers that are read at the same time. */
const headersAtOnce = 8;

/**
 * Throws BAD_CHECKPOINT for a file that mlx-lm would read with the model, that the index does not
 * name, and that has tensors which the other files lack: such as multi-token prediction, whatever
 * the file's name. Reads the headers of these files. An empty one is refused by its name.
 */
export async function refuseStray(
  repository: Repository,
  { tensors }: Pick<Checkpoint, "tensors">,
): Promise<void> {
  const known = new Set([...tensors.values()].map(({ file }) => file));
  const files = [...repository.files.keys()].filter(
    (file) => isModelFile(file) && !known.has(file),
  );
  const strays = await mapBounded(files, headersAtOnce, async (file) => {
    if (/mtp|nextn/i.test(file)) return { file, tensor: null };
    const header = await readHeader(await repository.open(file), { allowHeaderOnly: true });
    const other = header.tensors.find(({ name }) => !tensors.has(name));
    return other === undefined ? null : { file, tensor: other.name };
  });
  const stray = strays.find((one) => one !== null);
  if (stray === undefined) return;
  const what = stray.tensor === null ? "" : ` with tensor ${quote(stray.tensor)}`;
  const [why, hint] = repository.files.has(INDEX_FILE)
    ? ["which its index does not name", `Name its tensors in ${INDEX_FILE}`]
    : [`and no ${INDEX_FILE} that names it`, `Name the tensors of all files in ${INDEX_FILE}`];
  throw new OqeError(
    "BAD_CHECKPOINT",
    `${repository.name} has "${stray.file}"${what}, ${why}: mlx-lm would load it with the model`,
    `${hint}, call it mtp.safetensors if it is multi-token prediction, or remove it.`,
  );
}
