import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, inject } from "vitest";
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
 * Runs the CLI. It inherits only PATH of the caller's environment. Runs of a file share one process
 * (see `standing-cli.ts`), unless they overlap.
 */
export async function runCli(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CliResult> {
  if (isBusy) return runCliAlone(args, environment);
  isBusy = true;
  try {
    return await runCliOn(process.execPath, args, environment);
  } finally {
    isBusy = false;
  }
}

/** Runs the CLI on the given Node. Runs on one Node share one process, and must not overlap. */
export function runCliOn(
  node: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CliResult> {
  const how = { execPath: node, execArgv: ["--no-warnings"], env: ownVariables() };
  const child = standing.get(node) ?? fork(standingCli, [cli], how);
  standing.set(node, child);
  return orderFrom(node, { args, environment: { ...ownVariables(), ...environment } });
}

function orderFrom(node: string, order: Order): Promise<Ended> {
  const child = standing.get(node)!;
  return new Promise((done, reject) => {
    const ended = (code: number | null) => {
      standing.delete(node);
      reject(new Error(`oqe ${order.args.join(" ")} ended its process with exit code ${code}`));
    };
    child.once("exit", ended);
    child.once("message", (answer) => {
      child.off("exit", ended);
      done(answer as Ended);
    });
    child.send(order);
  });
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
const standing = new Map<string, ChildProcess>();
let isBusy = false;
afterAll(async () => {
  for (const child of standing.values()) if (child.kill()) await once(child, "close");
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
