import manifest from "../../package.json" with { type: "json" };

/**
 * The engine, for receipts. `recipe` rises if the same inputs may give other bytes of a tier: other
 * weights, plans, rows, config or tokenizer files. `version` is that of the package and says
 * nothing about bytes. test/recipe-version.test.ts holds bytes against `recipe`.
 */
export const engine = { name: "oqe-publisher", version: manifest.version, recipe: 3 } as const;
