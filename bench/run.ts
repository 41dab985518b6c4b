import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

/**
 * `npm run bench`: runs the benchmarks that need no input, each in a process of its own, and prints
 * their tables of docs/benchmarks.md.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
console.log(
  `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} cores, Node ${process.versions.node}\n`,
);
for (const [title, script] of [
  ["Kernel throughput", "bench/kernel.ts"],
  ["Linear algebra", "bench/algebra.ts"],
  ["Tuning", "bench/tuning.ts"],
  ["One layer beside the peers", "bench/layer.ts"],
  ["Quality", "bench/quality.ts"],
  ["Plans", "bench/plans.ts"],
  ["Planner", "bench/planner.ts"],
  ["Peak memory", "bench/memory.ts"],
  ["Hostile inputs", "test/hostile/corpus.ts"],
] as const) {
  console.log(`## ${title}\n`);
  const { status } = spawnSync(process.execPath, [script], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) process.exitCode = 1;
  console.log();
}
