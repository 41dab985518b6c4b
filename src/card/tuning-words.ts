import type { TensorKind } from "../quantize/tuning-record.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** Names of the kinds of matrices in the card's tables. */
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

/** Which activations the Hessians use. */
export function propagationWords({ options }: Receipt): string {
  return options.propagation === "sequential"
    ? "The inputs come from this tier's own quantized blocks, so each block is tuned on the " +
        "errors before it."
    : "The inputs come from the unquantized base model, so one Hessian serves every tier.";
}
