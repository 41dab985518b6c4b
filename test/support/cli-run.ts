import { spawn } from "node:child_process";
import { inject } from "vitest";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Flags for tests that need no tuning: no calibration, no evaluation. */
export const rounded = ["--method", "rounded", "--verify", "false"];
/** Tuning on as few rows as the tests need. */
const tuned = ["--calibration-samples", "4", "--calibration-length", "32"];
/** Flags for tests that tune without measuring sensitivity and without an evaluation. */
export const fewRows = [...tuned, "--policy", "oq", "--verify", "false"];
/**
 * Flags for tests that measure, tune and evaluate. The smallest models consist mostly of attention
 * and embeddings, so the default floors leave no plan at 4 bits.
 */
export const evaluatedRows = [...tuned, "--floors", "none", "--evaluation-samples", "2"];

/** The bundled CLI: see `bundle.ts`. */
export const cli = `${inject("bundle")}/cli.js`;

/** Runs the CLI in its own process. It inherits only PATH of the caller's environment. */
export function runCli(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CliResult> {
  return runScript(cli, args, environment);
}

export function runScript(
  script: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  node = process.execPath,
): Promise<CliResult> {
  const child = spawn(node, [script, ...args], {
    env: {
      PATH: process.env.PATH ?? "",
      NODE_COMPILE_CACHE: inject("compiled"),
      ...environment,
    },
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
