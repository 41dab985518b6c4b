/** The part of a block that mixes the tokens of a sequence. `delta`: gated DeltaNet. */
export const mixers = ["mamba", "delta", "attention"] as const;
/** The part of a block that sees each token alone: a mixture of experts, or one MLP. */
export const mlps = ["moe", "dense"] as const;

/** The parts of a block of the model. Null: the block lacks that part. */
export interface LayerKind {
  readonly mixer: (typeof mixers)[number] | null;
  readonly mlp: (typeof mlps)[number] | null;
}

/** Every combination, for code that lists all roles of an architecture without a config. */
export const layerKinds: readonly LayerKind[] = [null, ...mixers].flatMap((mixer) =>
  [null, ...mlps].map((mlp) => ({ mixer, mlp })),
);
