import type { Part, Projection, Role } from "../models/architecture.ts";

/** Parts of a model as a card's tables name them, in the order in which rows of equal widths follow each other. */
export const partWords: Readonly<Record<Part, string>> = {
  experts: "routed experts",
  shared: "shared expert",
  embeddings: "embeddings",
  head: "output head",
  attention: "attention",
  mamba: "Mamba-2",
  mlp: "MLP",
  latent: "latent projections",
};

/** The same in the few letters that a row of a picture has. */
const shortParts: Readonly<Record<Part, string>> = {
  ...partWords,
  experts: "experts",
  shared: "shared",
  latent: "latent",
};
const projectionWords: Readonly<Partial<Record<Projection, string>>> = { o: "out" };

/** Such as "attention q". */
export function shortRole({ role, part, projection }: Role): string {
  if (part === null) return role;
  if (projection === null) return shortParts[part];
  return `${shortParts[part]} ${projectionWords[projection] ?? projection}`;
}
