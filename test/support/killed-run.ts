import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { cli } from "./cli-run.ts";

/**
 * Runs the CLI, and kills it when a hidden path that ends with `sign` appears in `out`. Returns
 * whether it was killed before it ended.
 */
export async function killedAt(
  sign: string,
  out: string,
  args: readonly string[],
): Promise<boolean> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.resume();
  const ended = once(child, "close"); // when the process that does the work has ended too
  let killed = false;
  while (child.exitCode === null && !killed) {
    const names = (await readdir(out, { recursive: true }).catch(() => [])).filter((name) =>
      name.startsWith("."),
    );
    killed = names.some((name) => name.endsWith(sign)) && child.kill("SIGKILL");
    await setTimeout(2); // at once would take a whole core from the run
  }
  await ended;
  return killed;
}
