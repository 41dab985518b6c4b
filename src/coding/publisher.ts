import { readFrontMatter } from "../checkpoint/card-head.ts";
import { quote } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { refuseQuantized } from "./refusal.ts";

/** Words of a name that say how the weights of a quantized copy are stored. */
const precision = /[-_.]((mx|nv)?fp[48]|int[48]|w\d+a\d+|\d-?bits?|quantized|ptq)(?=$|[-_.])/i;

/**
 * Whether the model's authors publish it in this coding, or somebody quantized another repository,
 * with loss. The base's own card decides (docs/decisions/0019-coded-bases.md). Throws
 * ALREADY_QUANTIZED for a quantization of another repository. Gives a warning where no card says
 * anything.
 */
export async function checkPublisher(repository: Repository): Promise<string | null> {
  const card = await readFrontMatter(repository);
  const name = repository.id ?? repository.name;
  const relation = typeof card.base_model_relation === "string" ? card.base_model_relation : null;
  const [original] = [card.base_model].flat().filter((one) => typeof one === "string");
  const isNamed = original !== undefined && relation === null && precision.test(lastPart(name));
  if (relation?.trim().toLowerCase() === "quantized" || isNamed) {
    const what = original === undefined ? "another model" : quote(original);
    const found = `its card says that it is a quantization of ${what}`;
    return refuseQuantized(
      repository,
      found,
      `Name ${original === undefined ? "the original" : quote(original)} as the base; quantizing ` +
        "twice adds both errors.",
    );
  }
  if (repository.files.has("README.md")) return null;
  return (
    `${name} has no card, so nothing says whether its authors quantized it or somebody else did, ` +
    "with loss. Where there is an unquantized original, use that"
  );
}

function lastPart(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}
