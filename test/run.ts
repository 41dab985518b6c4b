import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * `npm test`: runs every suite that this machine can run, and names the others with the reason. In
 * CI (CI=true) nothing may be skipped. Its last line is `N passed, N failed`, the sum over all
 * suites.
 */
interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
}

const root = fileURLToPath(new URL("../", import.meta.url));
const inCi = process.env.CI === "true";
const total: Tally = { passed: 0, failed: 0, skipped: [] };

function add(suite: string, tally: Tally) {
  console.log(`\n${suite}: ${tally.passed} passed, ${tally.failed} failed\n`);
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped.push(...tally.skipped.map((reason) => `${suite}: ${reason}`));
}

/** A command that counts as one test. It passes when it exits with 0. */
function runCheck(suite: string, command: string, args: string[]) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  add(suite, { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: [] });
}

function runVitest() {
  const scratch = mkdtempSync(join(tmpdir(), "oqe-test-"));
  const out = join(scratch, "vitest.json");
  const args = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--reporter=dot",
    "--reporter=json",
    `--outputFile.json=${out}`,
  ];
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const tally: Tally = { passed: 0, failed: 0, skipped: [] };
  try {
    const result = JSON.parse(readFileSync(out, "utf8"));
    tally.passed = result.numPassedTests;
    tally.failed = result.numFailedTests;
    for (const file of result.testResults) {
      // A file that does not load has no failed tests, but has failed.
      if (
        file.status === "failed" &&
        file.assertionResults.every((test: { status: string }) => test.status !== "failed")
      )
        tally.failed++;
      for (const test of file.assertionResults) {
        if (test.status === "skipped" || test.status === "pending")
          tally.skipped.push(test.fullName);
      }
    }
  } catch (error) {
    console.error(`vitest left no result: ${(error as Error).message}`);
    tally.failed++;
  }
  if (status !== 0 && tally.failed === 0) tally.failed++;
  rmSync(scratch, { recursive: true, force: true });
  add("vitest", tally);
}

function runCargo() {
  const probe = spawnSync("cargo", ["--version"], { cwd: root });
  if (probe.status !== 0)
    return add("kernel crate", {
      passed: 0,
      failed: 0,
      skipped: ["no Rust here; the committed kernel was tested instead"],
    });
  const crate = join(root, "kernel-wasm");
  const { status, stdout, stderr } = spawnSync("cargo", ["test", "--release", "--quiet"], {
    cwd: crate,
    encoding: "utf8",
  });
  process.stdout.write(`${stdout}${status === 0 ? "" : stderr}`);
  const results = [...stdout.matchAll(/(\d+) passed; (\d+) failed; (\d+) ignored/g)];
  const sum = (column: number) => results.reduce((n, match) => n + Number(match[column]), 0);
  const failed = sum(2) + (status !== 0 && sum(2) === 0 ? 1 : 0);
  add("kernel crate", { passed: sum(1), failed, skipped: sum(3) > 0 ? [`${sum(3)} ignored`] : [] });
  runInCrate("clippy", ["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]);
  runInCrate("fmt", ["fmt", "--check"]);
}

function runInCrate(suite: string, args: string[]) {
  if (spawnSync("cargo", [suite, "--version"]).status !== 0) {
    return add(suite, { passed: 0, failed: 0, skipped: [`this Rust has no cargo ${suite}`] });
  }
  const { status } = spawnSync("cargo", args, {
    cwd: join(root, "kernel-wasm"),
    stdio: ["ignore", "inherit", "inherit"],
  });
  add(suite, { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: [] });
}

runCheck("types", process.execPath, ["node_modules/typescript/bin/tsc"]);
runCheck("lint and format", process.execPath, [
  "node_modules/@biomejs/biome/bin/biome",
  "check",
  ".",
]);
runVitest();
runCargo();

for (const reason of [...new Set(total.skipped)]) console.log(`skipped: ${reason}`);
if (inCi && total.skipped.length > 0) {
  console.log("in CI nothing may be skipped");
  total.failed += 1;
}
const skipped = total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
