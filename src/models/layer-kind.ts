export const layerKinds = ["mamba", "attention", "moe", "mlp", "transformer"] as const;

/** What a block of the model is. */
export type LayerKind = (typeof layerKinds)[number];
