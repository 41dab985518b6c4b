import type { Repository } from "../checkpoint/repository.ts";
import type { CarriedTensor } from "../models/carried.ts";

/** Files that say how images or sound become inputs of a tower. One of them is enough. */
const files = ["preprocessor_config.json", "processor_config.json"];

/**
 * A warning about a base that has a tower and no file of its processor: mlx-vlm loads no model
 * without one. Null: all is well.
 */
export function missingProcessor(
  repository: Pick<Repository, "files">,
  carried: readonly Pick<CarriedTensor, "part">[],
): string | null {
  if (carried.every(({ part }) => part === "mtp")) return null;
  // An empty file does not count.
  if (files.some((file) => (repository.files.get(file) ?? 0) > 0)) return null;
  return (
    `the base has a tower, but neither ${files.join(" nor ")}: mlx-vlm cannot load the tiers ` +
    "without one of them. mlx-lm, which runs the language model alone, needs none"
  );
}
