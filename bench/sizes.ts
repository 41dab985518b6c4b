import { knownModels } from "./sizes/models.ts";
import { billions, gigabytes, sizeModel } from "./sizes/needs.ts";

/**
 * What publishing a series takes, by the size of the model: the table of README.md. It comes from
 * the shapes alone, by the same estimate as a run prints, with all defaults and one job for all
 * four tiers, on the first runner that it fits. Hours are those of the arithmetic, with the threads
 * of the runner at 45 GF/s each.
 *   node bench/sizes.ts
 */
console.log("| model | parameters | reads | memory | disk | hours | runner |");
console.log("|---|---:|---:|---:|---:|---:|---|");
for (const model of knownModels) {
  const { id } = model;
  const { parameters, needs } = sizeModel(model);
  const { reads, memory, disk, hours, runner } = needs;
  if (runner === null) continue;
  const sizes = [reads, memory, disk].map(gigabytes);
  console.log(`| ${[id, billions(parameters), ...sizes, hours.toFixed(1), runner].join(" | ")} |`);
}
