import { spawn } from "node:child_process";
import { inject } from "vitest";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Flags for tests to which the choice of codes is beside the point: no calibration, no proof. */
export const rounded = ["--method", "rounded", "--verify", "false"];
/** Flags for tests that tune, on as few rows as show it. */
const tuned = ["--calibration-samples", "4", "--calibration-length", "32"];
/** Flags for tests to which measurement and proof are beside the point. */
export const fewRows = [...tuned, "--policy", "oq", "--verify", "false"];
/**
 * Flags for tests that take the default way: measurement, tuning and proof. The smallest models are
 * all attention and embeddings.
 */
export const evaluatedRows = [...tuned, "--floors", "none", "--evaluation-samples", "2"];

/** The bundled CLI: see `bundle.ts`. */
export const cli = `${inject("bundle")}/cli.js`;

/** Runs the CLI in its own process. Of the caller's environment it gets only PATH. */
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
    env: { PATH: process.env.PATH ?? "", ...environment },
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
