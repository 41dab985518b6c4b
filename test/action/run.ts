import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { inputVariables, root } from "./checkout.ts";

export interface Run {
  readonly code: number | null;
  /** stdout and stderr in the order of arrival. */
  readonly output: string;
}

/** Path of a tool that `.ci/toolchain actions` installs; null where it is absent. */
export function findTool(name: string): string | null {
  const installed = join(
    process.env.OQE_TOOLS ?? join(homedir(), ".cache/oqe-publisher"),
    "bin",
    name,
  );
  if (existsSync(installed)) return installed;
  return spawnSync(name, ["--version"]).status === 0 ? name : null;
}

/** PATH is all that a run inherits, with Node 24 in front as on a runner. */
const path = `${root}node_modules/.bin:${process.env.PATH}`;

function execute(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<Run> {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: path, NODE_COMPILE_CACHE: inject("compiled"), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((done, reject) => {
    child.once("error", reject);
    child.once("close", (code) => done({ code, output }));
  });
}

export interface ActCall {
  readonly repository: string;
  readonly workflow: string;
  readonly event:
    | "push"
    | "schedule"
    | "workflow_dispatch"
    | "repository_dispatch"
    | "pull_request";
  /** The event's JSON as GitHub would send it. */
  readonly payload: object;
  readonly variables: Readonly<Record<string, string>>;
  /** The secret HF_TOKEN. */
  readonly token: string;
  /** Other secrets; GITHUB_TOKEN is the token of the run. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** `owner/name@ref=folder`: actions that are not to be fetched. */
  readonly local?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Lets act run a workflow in host mode, without Docker and without a server. */
export async function runAct(act: string, scratch: string, call: ActCall): Promise<Run> {
  const home = await mkdtemp(join(scratch, "home-"));
  await writeFile(`${home}/event.json`, JSON.stringify(call.payload));
  const pairs = (flag: string, values: Readonly<Record<string, string>>) =>
    Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`]);
  const args = [
    call.event,
    ...["--workflows", call.workflow, "--eventpath", `${home}/event.json`, "--no-cache-server"],
    ...["macos-latest", "ubuntu-latest"].flatMap((label) => [
      "--platform",
      `${label}=-self-hosted`,
    ]),
    ...pairs("--var", call.variables),
    ...pairs("--secret", { HF_TOKEN: call.token, ...call.secrets }),
    ...pairs("--env", { NODE_COMPILE_CACHE: inject("compiled"), ...call.environment }),
    ...(call.local ?? []).flatMap((folder) => ["--local-repository", folder]),
  ];
  return execute(act, args, call.repository, { HOME: home });
}

export interface DirectRun extends Run {
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
}

/**
 * Runs the Action's entry as the runner does. Without act, the output is seen before it is masked.
 */
export async function runEntry(
  action: string,
  scratch: string,
  inputs: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<DirectRun> {
  const temp = await mkdtemp(join(scratch, "runner-"));
  const files = {
    GITHUB_OUTPUT: `${temp}/output`,
    GITHUB_STEP_SUMMARY: `${temp}/summary`,
    GITHUB_EVENT_PATH: `${temp}/event`,
  };
  await mkdir(`${temp}/home`);
  for (const file of Object.values(files))
    await writeFile(file, file.endsWith("event") ? "{}" : "");
  const variables = {
    ...files,
    ...(await inputVariables(inputs)),
    HOME: `${temp}/home`,
    RUNNER_TEMP: temp,
    GITHUB_ACTIONS: "true",
    GITHUB_EVENT_NAME: "push",
    GITHUB_REF: "refs/tags/v1.2.3",
    GITHUB_REPOSITORY: "acme/series",
    ...environment,
  };
  const run = await execute(process.execPath, [join(action, "dist/action.js")], temp, variables);
  const written = await readFile(files.GITHUB_OUTPUT, "utf8");
  const outputs = [...written.matchAll(/^(.+?)<<(ghadelimiter_.+)\n(.*)\n\2$/gm)].map(
    ([, name, , value]) => [name, value],
  );
  return {
    ...run,
    outputs: Object.fromEntries(outputs),
    summary: await readFile(files.GITHUB_STEP_SUMMARY, "utf8"),
  };
}
