import { spawn } from "node:child_process";
import { once } from "node:events";
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
const crate = join(root, "kernel-wasm");
const inCi = process.env.CI === "true";
const total: Tally = { passed: 0, failed: 0, skipped: [] };

function add(suite: string, tally: Tally) {
  console.log(`\n${suite}: ${tally.passed} passed, ${tally.failed} failed\n`);
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped.push(...tally.skipped.map((reason) => `${suite}: ${reason}`));
}

/** What a command printed, in the order of arrival, and its exit code. */
interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a command to its end. It fails like a command with exit code null where it cannot start. */
function run(command: string, args: readonly string[], cwd = root): Promise<Ended> {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((done) => {
    child.once("error", (error) => done({ code: null, output: error.message }));
    child.once("close", (code) => done({ code, output }));
  });
}

/** The result of a suite, which is printed when it is its turn. */
interface Result {
  readonly suite: string;
  readonly output: string;
  readonly tally: Tally;
}

const skip = (suite: string, reason: string): Result => ({
  ...{ suite, output: "", tally: { passed: 0, failed: 0, skipped: [reason] } },
});

/** A command that counts as one test. It passes when it exits with 0. */
async function runCheck(
  suite: string,
  command: string,
  args: readonly string[],
  cwd = root,
): Promise<Result> {
  const { code, output } = await run(command, args, cwd);
  const [passed, failed] = code === 0 ? [1, 0] : [0, 1];
  return { suite, output, tally: { passed, failed, skipped: [] } };
}

async function runVitest(): Promise<Tally> {
  const scratch = mkdtempSync(join(tmpdir(), "oqe-test-"));
  const out = join(scratch, "vitest.json");
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", "--reporter=json"];
  const child = spawn(process.execPath, [...args, `--outputFile.json=${out}`], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [status] = await once(child, "close");
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
  return tally;
}

async function runCargo(): Promise<Result[]> {
  const suite = "kernel crate";
  if ((await run("cargo", ["--version"])).code !== 0)
    return [skip(suite, "no Rust here; the committed kernel was tested instead")];
  const { code, output } = await run("cargo", ["test", "--profile", "tests", "--quiet"], crate);
  const results = [...output.matchAll(/(\d+) passed; (\d+) failed; (\d+) ignored/g)];
  const sum = (column: number) => results.reduce((n, match) => n + Number(match[column]), 0);
  const failed = sum(2) + (code !== 0 && sum(2) === 0 ? 1 : 0);
  const skipped = sum(3) > 0 ? [`${sum(3)} ignored`] : [];
  const clippy = ["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"];
  return [
    { suite, output, tally: { passed: sum(1), failed, skipped } },
    await runInCrate("clippy", clippy),
    await runInCrate("fmt", ["fmt", "--check"]),
  ];
}

async function runInCrate(suite: string, args: readonly string[]): Promise<Result> {
  if ((await run("cargo", [suite, "--version"])).code !== 0)
    return skip(suite, `this Rust has no cargo ${suite}`);
  return runCheck(suite, "cargo", args, crate);
}

/** All suites but vitest, one after the other. */
async function runOthers(): Promise<Result[]> {
  const node = process.execPath;
  const lint = ["node_modules/@biomejs/biome/bin/biome", "check", "."];
  return [
    await runCheck("types", node, ["node_modules/typescript/bin/tsc"]),
    await runCheck("lint and format", node, lint),
    ...(await runCargo()),
  ];
}

// vitest prints as it goes. The others run beside it and are printed after it.
const [vitest, others] = await Promise.all([runVitest(), runOthers()]);
add("vitest", vitest);
for (const { suite, output, tally } of others) {
  process.stdout.write(output);
  add(suite, tally);
}

for (const reason of [...new Set(total.skipped)]) console.log(`skipped: ${reason}`);
if (inCi && total.skipped.length > 0) {
  console.log("in CI nothing may be skipped");
  total.failed += 1;
}
const skipped = total.skipped.length > 0 ? `, ${total.skipped.length} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
