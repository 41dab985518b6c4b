import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { inject } from "vitest";
import { cli } from "./cli-run.ts";

/** Runs the CLI, and kills it when `isReached`. Returns whether it was killed before it ended. */
export async function killedWhen(
  isReached: () => Promise<boolean>,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<boolean> {
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: inject("compiled"), ...environment },
  });
  child.stdout.resume();
  const ended = once(child, "close"); // when the process that does the work has ended too
  let killed = false;
  while (child.exitCode === null && !killed) {
    killed = (await isReached()) && child.kill("SIGKILL");
    await setTimeout(2); // at once would take a whole core from the run
  }
  await ended;
  return killed;
}

/** The same, when a hidden path that ends with `sign` appears in `out`. */
export function killedAt(sign: string, out: string, args: readonly string[]): Promise<boolean> {
  return killedWhen(async () => {
    const names = await readdir(out, { recursive: true }).catch(() => []);
    return names.some((name) => name.startsWith(".") && name.endsWith(sign));
  }, args);
}

/** Finished parts of the tier whose work in `out` has most of them. */
export async function partsIn(out: string): Promise<number> {
  const names = await readdir(out, { recursive: true }).catch(() => []);
  const journals = names.filter((name) => name.endsWith("parts.jsonl"));
  const texts = journals.map((name) => readFile(`${out}/${name}`, "utf8").catch(() => ""));
  const counts = (await Promise.all(texts)).map((text) => text.match(/\n\{.*\}\n/g)?.length ?? 0);
  return Math.max(0, ...counts);
}
