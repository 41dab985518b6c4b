import { spawn } from "node:child_process";
import {
  describeFailure,
  exitCodes,
  type Failure,
  OqeError,
  outOfMemory,
} from "../ground/errors.ts";
import { isLive, terminalVariable } from "../ground/live-line.ts";
import { allocatorSettings, heapFlags } from "../ground/memory.ts";

/**
 * V8 aborts the whole process when its heap is full, and the system kills a process when memory is
 * short: no code of that process can print advice. So the entries run their work in a child
 * process, and the parent explains how it ended.
 */

/**
 * Set for the child. Whoever sets it by hand gets one process, as test/arm64.test.ts does for an
 * emulator.
 */
const marker = "OQE_ONE_PROCESS";

/** Whether this process does the work itself. A child process then ends when its parent ends. */
export function isWorker(): boolean {
  if (process.env[marker] === undefined) return false;
  process.on("disconnect", () => process.exit(1));
  process.channel?.unref(); // waiting for the parent's end does not keep the work alive
  return true;
}

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Signals by which a user stops a run. */
const stopping: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"];

/** What the parent tells the child for the first of them. */
const stopMessage = "oqe:stop";

/**
 * Calls `stop` when the user asks this worker to end (Ctrl-C, SIGTERM), until the function that it
 * gives is called. A terminal sends Ctrl-C to parent and child, so a supervised child listens to
 * its parent alone. Without one, a second signal ends the process at once.
 */
export function whenStopped(stop: () => void): () => void {
  const isSupervised = process.connected === true;
  let isAsked = false;
  const onSignal = () => {
    if (isSupervised) return;
    if (isAsked) process.exit(exitCodes.stopped);
    isAsked = true;
    stop();
  };
  const onMessage = (message: unknown) => {
    if (message === stopMessage) stop();
  };
  for (const signal of stopping) process.on(signal, onSignal);
  process.on("message", onMessage);
  process.channel?.unref(); // waiting for the parent's word does not keep the work alive
  return () => {
    for (const signal of stopping) process.off(signal, onSignal);
    process.off("message", onMessage);
  };
}

/** Within this time, in ms, two signals are one: npx passes on what the terminal sends as well. */
const sameSignal = 300;

interface Supervision {
  /** Whether the child is asked to stop by `whenStopped`. Default: signals are passed on. */
  readonly asks?: boolean;
}

/**
 * Runs this command line again in a child process and ends with its exit code. `report` prints the
 * failure if the child could not do so itself.
 */
export function supervise(
  report: (failure: Failure) => void,
  { asks = false }: Supervision = {},
): void {
  const [node, script, ...args] = process.argv as [string, string, ...string[]];
  const handed = process.stderr.isTTY && isLive(process.env);
  const child = spawn(node, [...heapFlags, ...process.execArgv, script, ...args], {
    stdio: ["inherit", "inherit", "pipe", "ipc", ...(handed ? [2] : [])],
    env: {
      ...allocatorSettings,
      ...process.env,
      [marker]: "1",
      ...(handed ? { [terminalVariable]: "4" } : {}),
    },
  });
  // Nobody reads the log any more (`2>&1 | head`): the work goes on without one.
  process.stderr.on("error", ignoreClosed);
  process.stdout.on("error", ignoreClosed);
  const crash = new CrashFilter((text) => process.stderr.write(text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => crash.add(text));
  let asked: number | null = null;
  const passOn = (signal: NodeJS.Signals) => {
    if (!asks || !stopping.includes(signal)) return void child.kill(signal);
    const now = performance.now();
    if (asked === null) child.send(stopMessage, () => {});
    else if (now - asked > sameSignal) child.kill("SIGKILL");
    asked ??= now;
  };
  for (const signal of passedOn) process.on(signal, passOn);
  child.once("error", (cause) => {
    const failure = describeFailure(cause, process.env.OQE_DEBUG !== undefined);
    report(failure);
    process.exitCode = failure.exitCode;
  });
  child.once("close", (code, signal) => {
    crash.end(process.env.OQE_DEBUG !== undefined);
    for (const name of passedOn) process.off(name, passOn);
    if (asked !== null && signal !== null) {
      process.exitCode = exitCodes.stopped;
      return;
    }
    const failure = signal === null && code !== abortCode ? null : explain(signal, crash.text);
    if (failure !== null) {
      report(failure);
      process.exitCode = failure.exitCode;
    } else if (signal === null) process.exitCode = code!;
    else process.kill(process.pid, signal);
  });
}

function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") process.exitCode = 1;
}

/** Exit code of an abort where there are no signals. */
const abortCode = 134;

/** Why the system or V8 ended the child; null: somebody else ended it with this signal. */
function explain(signal: NodeJS.Signals | null, crash: string): Failure | null {
  if (signal !== null && passedOn.some((name) => name === signal)) return null;
  const isFull = /heap limit|out of memory|allocation failed/i.test(crash);
  if (signal === "SIGKILL" || isFull) return describeFailure(outOfMemory(stopped(signal)), false);
  const message = `the run crashed (${signal ?? `exit code ${abortCode}`})`;
  const hint = "Please report it: the command or workflow, the model, and the log.";
  return describeFailure(new OqeError("INTERNAL", message, hint), false);
}

function stopped(signal: NodeJS.Signals | null): string {
  return signal === "SIGKILL" ? "the system killed the run (SIGKILL), so it probably" : "the run";
}

/** The first lines of the text that V8 and Node print when they abort. */
const crashStart =
  /^(<--- Last few GCs --->|FATAL ERROR: |#\n# Fatal |# Fatal |----- Native stack)/m;

/** Passes text on at once, but holds back the text that V8 prints when it aborts. */
class CrashFilter {
  /** The text that was held back. */
  text = "";
  readonly #write: (text: string) => void;
  /** A line that is not complete yet, and could be the start of a crash. */
  #line = "";

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  add(text: string): void {
    if (this.text !== "") {
      this.text += text;
      return;
    }
    const whole = this.#line + text;
    const end = whole.lastIndexOf("\n") + 1;
    const at = whole.search(crashStart);
    this.#line = at === -1 ? whole.slice(end) : "";
    this.#write(whole.slice(0, at === -1 ? end : at));
    if (at !== -1) this.text = whole.slice(at);
  }

  /** `showCrash`: also writes the text that was held back. */
  end(showCrash: boolean): void {
    this.#write(this.#line + (showCrash ? this.text : ""));
  }
}
