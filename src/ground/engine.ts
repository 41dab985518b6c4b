import manifest from "../../package.json" with { type: "json" };

/** The engine, for receipts. The version changes if the same inputs may give other bytes. */
export const engine = { name: "oqe-publisher", version: manifest.version } as const;
