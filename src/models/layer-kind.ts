/** What a block of the model is. `glue` is all that lies outside the blocks: embeddings, final norm, head. */
export type LayerKind = "mamba" | "attention" | "moe" | "mlp" | "transformer";
