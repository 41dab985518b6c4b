import type { TensorKind } from "../quantize/tuning-record.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** Kinds of matrices as the card's tables call them. */
export const kindWords: Readonly<Record<TensorKind, string>> = {
  embeddings: "embeddings",
  head: "output head",
  attention: "attention",
  mamba: "Mamba-2",
  mlp: "MLP",
  "shared experts": "shared experts",
  "latent projections": "latent projections",
  "experts (up)": "routed experts, up projection (and gate)",
  "experts (down)": "routed experts, down projection",
};

/** Whose activations the Hessians were taken from, as a sentence. */
export function propagationWords({ options }: Receipt): string {
  return options.propagation === "sequential"
    ? "The inputs are those behind the blocks before, as quantized in this tier: what a block gets wrong, the next ones are tuned to take."
    : "The inputs are those of the unquantized base model, so that one Hessian serves every tier.";
}
