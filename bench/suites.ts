import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * CPU seconds of the test files, with those of every process that they start: the table of
 * docs/benchmarks.md. Files below 10 s are added up.
 *   node bench/suites.ts [file …]
 */
const most = 10;
const scratch = mkdtempSync(join(tmpdir(), "oqe-suites-"));
const lines = join(scratch, "cpu.jsonl");
const started = performance.now();
const { status } = spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", ...process.argv.slice(2)],
  { env: { ...process.env, OQE_TEST_CPU: lines }, stdio: ["ignore", 2, 2] },
);
const wall = (performance.now() - started) / 1000;

const starts = new Map<string, number>();
const files: [name: string, seconds: number][] = [];
for (const line of readFileSync(lines, "utf8").trim().split("\n")) {
  const { file, what, seconds } = JSON.parse(line) as {
    file: string;
    what: string;
    seconds: number;
  };
  // Unit tests share processes, so what a file needs is a difference.
  if (what === "start" && file.startsWith("src/")) starts.set(file, seconds);
  if (what === "end") files.push([file, seconds - (starts.get(file) ?? 0)]);
}
rmSync(scratch, { recursive: true });

const sum = (of: typeof files) => of.reduce((total, [, seconds]) => total + seconds, 0);
const print = (name: string, seconds: number) => console.log(`| ${name} | ${seconds.toFixed(0)} |`);
const [unit, whole] = [true, false].map((isUnit) =>
  files.filter(([name]) => name.startsWith("src/") === isUnit),
) as [typeof files, typeof files];
const long = whole.filter(([, seconds]) => seconds >= most).sort((a, b) => b[1] - a[1]);
console.log("| files | CPU s |\n|---|---:|");
for (const [name, seconds] of long) print(`\`${name}\``, seconds);
const rest = whole.filter((file) => !long.includes(file));
print(`${rest.length} other files of \`test/\``, sum(rest));
print(`${unit.length} files beside the code`, sum(unit));
print("all", sum(files));
console.log(`\nexit code ${status}, ${wall.toFixed(0)} s on the clock`);
process.exitCode = status ?? 1;
