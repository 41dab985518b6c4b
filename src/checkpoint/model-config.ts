/** A checkpoint's `config.json` as parsed, or as its architecture folds it (models/fold.ts). */
export type ModelConfig = Record<string, unknown>;
