import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, inject } from "vitest";
import { countElsewhere, share } from "./cpu-time.ts";
import { removeFolder } from "./models.ts";
import type { Ended, Order } from "./standing-cli.ts";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Flags for tests that need no tuning: no calibration, no evaluation. */
export const rounded = ["--method", "rounded", "--verify", "false"];
/** Tuning on as few rows as the tests need. */
export const tunedRows = ["--calibration-samples", "4", "--calibration-length", "32"];
/** Flags for tests that tune without measuring sensitivity and without an evaluation. */
export const fewRows = [...tunedRows, "--policy", "oq", "--verify", "false"];
/**
 * Flags for tests that measure, tune and evaluate. The smallest models consist mostly of attention
 * and embeddings, so the default floors leave no plan at 4 bits.
 */
export const evaluatedRows = [...tunedRows, "--floors", "none", "--evaluation-samples", "2"];

/** The bundled CLI: see `bundle.ts`. */
export const cli = `${inject("bundle")}/cli.js`;

/**
 * Runs the CLI. It inherits only PATH of the caller's environment. Runs of a worker of vitest share
 * one process (see `standing-cli.ts`), unless they overlap.
 */
export async function runCli(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CliResult> {
  if (isBusy) return runCliAlone(args, environment);
  isBusy = true;
  try {
    const socket = join(inject("shared"), `${process.env.VITEST_POOL_ID}.sock`);
    const ended = await runStanding(process.execPath, socket, { args, environment });
    const { seconds, arch: _, ...result } = ended;
    countElsewhere(seconds);
    return result;
  } finally {
    isBusy = false;
  }
}

/**
 * Runs the CLI on another Node than this one. Runs of a file on it share one process, and must not
 * overlap.
 */
export function runCliOn(
  node: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  if (node === process.execPath) throw new Error("this is not another Node: use runCli");
  return runStanding(node, ownSocket, { args, environment });
}

/** Gives an order to the process at a socket, which is started if there is none. */
async function runStanding(node: string, socket: string, order: Order): Promise<Ended> {
  const { args, environment } = order;
  const connection = (await open(node, socket)).setEncoding("utf8");
  const whole: Order = { args, environment: { ...ownVariables(), ...environment } };
  connection.write(`${JSON.stringify(whole)}\n`);
  let answer = "";
  for await (const text of connection) answer += text;
  if (answer === "") await removeFolder(socket); // the next order starts another process
  if (answer === "") throw new Error(`oqe ${args.join(" ")} ended its process`);
  return JSON.parse(answer);
}

async function open(node: string, socket: string): Promise<Socket> {
  if (!existsSync(socket)) await startStanding(node, socket);
  const connection = connect(socket);
  try {
    await once(connection, "connect");
    return connection;
  } catch {
    await removeFolder(socket); // its process has ended
    await startStanding(node, socket);
    return connect(socket);
  }
}

async function startStanding(node: string, socket: string): Promise<void> {
  const args = ["--no-warnings", standingCli, cli, socket, String(inject("process"))];
  const started = spawn(node, args, { env: ownVariables(), detached: true, stdio: "ignore" });
  if (socket === ownSocket) child = started;
  else {
    started.unref(); // it serves the next file too
    share(started.pid!);
  }
  while (!existsSync(socket)) {
    if (started.exitCode !== null) throw new Error(`${node} did not start the CLI`);
    await setTimeout(5);
  }
}

/** Runs the CLI in its own process: for tests of what a new process does. */
export function runCliAlone(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CliResult> {
  return runScript(cli, args, environment);
}

/** Every run has its own default work folder, so none reads what another one measured. */
const temporary = mkdtempSync(join(tmpdir(), "oqe-test-"));
let runs = 0;
const ownVariables = () => ({
  PATH: process.env.PATH ?? "",
  NODE_COMPILE_CACHE: inject("compiled"),
  RUNNER_TEMP: join(temporary, `${++runs}`),
});
const standingCli = fileURLToPath(new URL("./standing-cli.ts", import.meta.url));
/** The socket of the process of this file alone, and that process. */
const ownSocket = join(temporary, "own.sock");
let child: ChildProcess | undefined;
let isBusy = false;
afterAll(async () => {
  if (child?.kill()) await once(child, "close");
  await removeFolder(temporary);
});

export function runScript(
  script: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  node = process.execPath,
): Promise<CliResult> {
  const child = spawn(node, [script, ...args], {
    env: { ...ownVariables(), ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  return new Promise((done, reject) => {
    child.once("error", reject);
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
}
