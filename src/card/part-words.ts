import type { Part, Projection, Role } from "../models/architecture.ts";

/** Names of the parts of a model in tables. Rows of equal widths follow in this order. */
export const partWords: Readonly<Record<Part, string>> = {
  experts: "routed experts",
  shared: "shared expert",
  embeddings: "embeddings",
  head: "output head",
  attention: "attention",
  mamba: "Mamba-2",
  delta: "gated DeltaNet",
  mlp: "MLP",
  latent: "latent projections",
};

/** Short names for the rows of a picture. */
const shortParts: Readonly<Record<Part, string>> = {
  ...partWords,
  experts: "experts",
  shared: "shared",
  delta: "DeltaNet",
  latent: "latent",
};
const projectionWords: Readonly<Partial<Record<Projection, string>>> = { o: "out" };

/** For example "attention q". */
export function shortRole({ role, part, projection }: Role): string {
  if (part === null) return role;
  if (projection === null) return shortParts[part];
  return `${shortParts[part]} ${projectionWords[projection] ?? projection}`;
}
