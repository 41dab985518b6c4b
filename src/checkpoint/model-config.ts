/** A checkpoint's `config.json` as parsed, both generations of keys folded into the older one (see checkpoint/config.ts). */
export type ModelConfig = Record<string, unknown>;
