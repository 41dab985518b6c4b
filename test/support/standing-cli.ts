import { renameSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

/**
 * Runs command lines for `cli-run.ts`, one after another in one process. Every run executes the
 * bundled entry from its first line, as a new process does. What it loads is there already: a start
 * takes ten milliseconds instead of three hundred, and warm code takes half the time. It serves a
 * worker of vitest through all of its test files, at a socket, and ends with vitest.
 */

/** A command line. It gets `environment` and nothing else of this process's environment. */
export interface Order {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** How a command line ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** CPU time of the process meanwhile. */
  readonly seconds: number;
  /** Its processor, as Node calls it. */
  readonly arch: string;
}

const [node, , entry, socket, parent] = process.argv as [string, string, string, string, string];
const printed = { stdout: "", stderr: "" };
for (const name of ["stdout", "stderr"] as const)
  process[name].write = (text: string | Uint8Array) => {
    printed[name] += typeof text === "string" ? text : Buffer.from(text).toString();
    return true;
  };
// Node itself writes warnings past `process.stderr`, and is told not to.
process.on("warning", ({ name, message }) => (printed.stderr += `${name}: ${message}\n`));

/**
 * Seconds since the start of the process, for the CLI. Every run begins at the same, so that it
 * does not matter how many there were before: a `--time-limit` of one second is up at once.
 */
const atStart = 5;
const now = performance.now.bind(performance);
let origin = 0;
performance.now = () => now() - origin;
function resetClock(): void {
  const { timeOrigin } = performance;
  const passed = now() - 1000 * atStart - origin;
  origin += passed;
  Object.defineProperty(performance, "timeOrigin", { value: timeOrigin + passed, writable: true });
}

let runs = 0;
async function follow({ args, environment }: Order): Promise<Ended> {
  process.argv = [node, entry, ...args];
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment, { OQE_ONE_PROCESS: "1" });
  Object.assign(printed, { stdout: "", stderr: "" });
  process.exitCode = 0;
  resetClock();
  const before = process.cpuUsage();
  await import(`${entry}?run=${runs++}`); // another address: Node executes the entry again
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const ended: Ended = { code: Number(process.exitCode), ...printed, seconds, arch: process.arch };
  process.exitCode = 0;
  process.stdout.removeAllListeners("error");
  return ended;
}

let last: Promise<unknown> = Promise.resolve();
createServer((connection) => {
  connection.on("error", () => {}); // its test file ended early
  createInterface({ input: connection }).on("line", (line) => {
    const ended = last.then(() => follow(JSON.parse(line)));
    last = ended.catch(() => {});
    ended.then((answer) => connection.end(JSON.stringify(answer)));
  });
}).listen(`${socket}.new`, () => renameSync(`${socket}.new`, socket)); // nobody connects too early

// Nobody waits for it: it looks whether vitest is still there.
setInterval(() => {
  try {
    process.kill(Number(parent), 0);
  } catch {
    process.exit();
  }
}, 1000);
