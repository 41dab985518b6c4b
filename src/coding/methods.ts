import { compressedGroups } from "./compressed-tensors.ts";
import { everyModule, type Group } from "./groups.ts";
import { modelOptGroups } from "./model-opt.ts";
import { blockOf, type Fields, floatScheme, oneScale, type Refuse, rowScales } from "./scheme.ts";

const microscaled = (format: "fp8" | "fp4") => floatScheme(format, [1, 32], true);

/**
 * By `quant_method`: the ways in which matrices may be coded, by the settings beside it. Where
 * there are several for a matrix, the shape of its scales says which one it is. The keys are those
 * of transformers 5.24.
 */
export const groupsByMethod: Readonly<
  Record<string, (settings: Fields, refuse: Refuse) => readonly Group[]>
> = {
  // FineGrainedFP8Config: null stands for one scale a tensor, an absent key for the default.
  fp8: ({ weight_block_size: size }, refuse) =>
    everyModule([
      ...(size === null
        ? []
        : [floatScheme("fp8", size === undefined ? [128, 128] : blockOf(size, refuse))]),
      ...[oneScale, rowScales].map((block) => floatScheme("fp8", block)),
      microscaled("fp8"),
    ]),
  mxfp8: () => everyModule([microscaled("fp8")]),
  mxfp4: () => everyModule([microscaled("fp4")]),
  "compressed-tensors": compressedGroups,
  modelopt: modelOptGroups,
};
