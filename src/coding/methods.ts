import { show } from "../checkpoint/json.ts";
import { compressedSchemes } from "./compressed-tensors.ts";
import {
  blockOf,
  type Fields,
  floatScheme,
  oneScale,
  type Refuse,
  rowScales,
  type Scheme,
} from "./scheme.ts";

const microscaled = (format: "fp8" | "fp4") => floatScheme(format, [1, 32], true);

/**
 * By `quant_method`: the ways in which a matrix may be coded, by the settings beside it. The shape
 * of a matrix's scales says which one it is. The keys are those of transformers 5.24.
 */
export const schemesByMethod: Readonly<
  Record<string, (settings: Fields, refuse: Refuse) => readonly Scheme[]>
> = {
  // FineGrainedFP8Config: null stands for one scale a tensor, an absent key for the default.
  fp8: ({ weight_block_size: size }, refuse) => [
    ...(size === null
      ? []
      : [floatScheme("fp8", size === undefined ? [128, 128] : blockOf(size, refuse))]),
    ...[oneScale, rowScales].map((block) => floatScheme("fp8", block)),
    microscaled("fp8"),
  ],
  mxfp8: () => [microscaled("fp8")],
  mxfp4: () => [microscaled("fp4")],
  "compressed-tensors": compressedSchemes,
  // NVIDIA's ModelOpt. Its other algorithms need a second scale or activations.
  modelopt: ({ quant_algo: algorithm }, refuse) => {
    if (algorithm === "FP8") return [floatScheme("fp8", oneScale)];
    if (algorithm === "FP8_PER_CHANNEL_PER_TOKEN") return [floatScheme("fp8", rowScales)];
    if (algorithm === "MXFP8") return [microscaled("fp8")];
    const known = "FP8, FP8_PER_CHANNEL_PER_TOKEN and MXFP8";
    return refuse(`quant_algo ${show(algorithm)}`, known);
  },
};
