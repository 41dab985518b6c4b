import type { Receipt, SeriesRow } from "../receipt/receipt.ts";
import { gigabytes } from "./figures.ts";
import { inline } from "./markdown.ts";
import { keptModules } from "./widths.ts";

/** What the tiers gain on a base whose weights are codes already; empty for one of floats. */
export function codedWords(receipt: Receipt): string {
  const { publishedBytes } = receipt.model;
  const { series } = receipt;
  if (publishedBytes === undefined) return "";
  const isSmaller = ({ bytes }: SeriesRow) => bytes <= publishedBytes;
  const names = (rows: readonly SeriesRow[]) => rows.map(({ tier }) => inline(tier)).join(", ");
  const [smaller, larger] = [series.filter(isSmaller), series.filter((row) => !isSmaller(row))];
  return (
    `its weights are codes already, and take ${gigabytes(publishedBytes)} GB as published. ` +
    `Smaller than that: ${names(smaller) || "no tier"}. Larger: ${names(larger) || "no tier"}` +
    (keptModules(receipt) > 0
      ? ". Where the plan has mxfp4, the base's own codes are stored as they are and lose nothing; " +
        "wider tiers differ in the other matrices."
      : "; their further bits add nothing to those weights, and only keep the error of coding " +
        "them again small.")
  );
}
