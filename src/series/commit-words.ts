import type { TierDraft } from "./recipes.ts";

/** In characters. Names on the Hub have at most 96. */
const longestTitle = 200;

/** Title and description of the commit on the Hub. Names from outside become one short line. */
export function describeCommit({ tier, recipe: { base, engine } }: TierDraft, occasion: string) {
  const source = `${base.id ?? base.name} at ${base.revision}, by ${engine.name} ${engine.version}`;
  return {
    title: oneLine(`Publish ${tier} of ${base.name}`, longestTitle),
    description: oneLine(occasion === "" ? source : `${source}, for ${occasion}`, 500),
  };
}

function oneLine(text: string, longest: number): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}
