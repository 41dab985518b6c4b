/**
 * Runs command lines for `cli-run.ts`, one after another in one process. Every run executes the
 * bundled entry from its first line, as a new process does. What it loads is there already: a start
 * takes ten milliseconds instead of three hundred, and warm code takes half the time.
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
}

const [node, , entry] = process.argv as [string, string, string];
const printed = { stdout: "", stderr: "" };
for (const name of ["stdout", "stderr"] as const)
  process[name].write = (text: string | Uint8Array) => {
    printed[name] += typeof text === "string" ? text : Buffer.from(text).toString();
    return true;
  };
// Node itself writes warnings past `process.stderr`, and is told not to.
process.on("warning", ({ name, message }) => (printed.stderr += `${name}: ${message}\n`));

let runs = 0;
process.on("message", async ({ args, environment }: Order) => {
  process.argv = [node, entry, ...args];
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment, { OQE_ONE_PROCESS: "1" });
  Object.assign(printed, { stdout: "", stderr: "" });
  process.exitCode = 0;
  await import(`${entry}?run=${runs++}`); // another address: Node executes the entry again
  const ended: Ended = { code: Number(process.exitCode), ...printed };
  process.exitCode = 0;
  // The entry would end with its parent, and lets the process end when its own work is done.
  process.removeAllListeners("disconnect");
  process.stdout.removeAllListeners("error");
  process.channel!.ref();
  process.send!(ended);
});
