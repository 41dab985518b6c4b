import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher");
/** The Python that has the peers. */
export const python = join(tools, "python/bin/python");

/** What a process and its children took. */
export interface Usage {
  /** Seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** Bytes, of the largest process. */
  readonly peak: number;
  /** CPU seconds of the threads of a name. */
  readonly threads: Readonly<Record<string, number>>;
}

/** The core of the commands that are measured. This process and its Hub have the other one. */
const core = 1;
const run = promisify(execFile);

/** Keeps this process, and the local Hub in it, off the core of the measured commands. */
export async function leaveCore(): Promise<void> {
  await run("taskset", ["-acp", String(1 - core), String(process.pid)]);
}

/** Runs a command alone on its core. */
export async function measure(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<Usage> {
  const script = fileURLToPath(new URL("../peers/measured.py", import.meta.url));
  const { stdout } = await run(python, [script, String(core), ...command], {
    env: { PATH: process.env.PATH ?? "", HOME: homedir(), ...environment },
    maxBuffer: 64 << 20,
  });
  return JSON.parse(stdout) as Usage;
}

/** CPU seconds that SHA-256 takes for so many bytes. */
export function hashingTime(bytes: number): number {
  const piece = Buffer.alloc(1 << 20, "oqe");
  const hash = createHash("sha256");
  const start = process.cpuUsage();
  for (let done = 0; done < bytes; done += piece.length) hash.update(piece);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}
