import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseReceipt } from "../src/receipt/receipt-file.ts";

/**
 * Predicted KL beside measured KL, and what floors cost, from the receipts of a series:
 *   oqe quantize <model> --out <folder>
 *   node bench/predicted.ts <folder>
 */
const folder = process.argv[2]!;
const lines: { bpw: number; cells: readonly string[] }[] = [];
for (const name of await readdir(folder)) {
  const path = join(folder, name, "oqe-receipt.json");
  const { plan, evaluation, sensitivity } = parseReceipt(await readFile(path, "utf8"), path);
  const { meanKl, meanKlError, forcedMeanKl, rounded: rounding } = evaluation!;
  const forced = forcedMeanKl ?? meanKl;
  const { kl, forcedKl } = plan.predicted!;
  lines.push({
    bpw: plan.bpw,
    cells: [
      plan.tier,
      plan.bytes.toLocaleString("en-US"),
      `${milli(meanKl)} ± ${milli(meanKlError ?? 0)}`,
      milli(forced),
      (forcedKl / forced).toFixed(2),
      (kl / meanKl).toFixed(2),
      rounding === null ? "–" : milli(rounding.meanKl),
      Object.entries(plan.floorCosts!)
        .map(([floor, share]) => `${floor} ${(100 * share).toFixed(1)} %`)
        .join(", "),
    ],
  });
  if (lines.length === 1) console.log(JSON.stringify(sensitivity!.together), "\n");
}
const heads = [
  "",
  "bytes",
  "mean KL, free (1e-3)",
  "forced (1e-3)",
  "predicted / measured, forced",
  "free",
  "plain rounding (1e-3)",
  "floors cost, of the predicted KL",
];
console.log(`| ${heads.join(" | ")} |\n|---|${"---:|".repeat(6)}---|`);
for (const { cells } of lines.sort((a, b) => b.bpw - a.bpw))
  console.log(`| ${cells.join(" | ")} |`);

function milli(nats: number): string {
  return (1e3 * nats).toFixed(3);
}
