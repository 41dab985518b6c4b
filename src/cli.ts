#!/usr/bin/env node
import { isWorker, supervise } from "./entry/supervise.ts";
import { paintFor } from "./ground/color.ts";
import { describeFailure, type Failure, OqeError } from "./ground/errors.ts";
import { hasTerminal, openTerminal } from "./ground/live-line.ts";
import { reasonOf } from "./ground/reasons.ts";
import { wrapped } from "./ground/wrap.ts";

function outputFailure(cause: NodeJS.ErrnoException): OqeError {
  const message = `the result cannot be written to stdout: ${reasonOf(cause)}`;
  return new OqeError("DISK", message, "Free disk space, or choose another file.", cause);
}

function print({ message, hint, details }: Failure): void {
  const paint = paintFor(process.env, hasTerminal(process.env));
  const columns = openTerminal().columns() ?? Number.POSITIVE_INFINITY;
  const said = wrapped(`error: ${message}`, columns).replace("error:", paint("red", "error:"));
  const advice = hint === "" ? "" : `${wrapped(hint, columns, "  ")}\n`;
  process.stderr.write(`${said}\n${advice}${details}`);
}

if (isWorker()) {
  // A reader that closes the pipe early (`oqe plan … | head`) is not a failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    print(describeFailure(outputFailure(error), process.env.OQE_DEBUG !== undefined));
    process.exit(1);
  });
  try {
    const { runCommand } = await import("./entry/commands.ts");
    process.exitCode = await runCommand(process.argv.slice(2), {
      environment: process.env,
      write: (text) => process.stdout.write(text),
      columns: process.stdout.isTTY ? process.stdout.columns : undefined,
      script: process.argv[1] ?? "oqe",
    });
  } catch (error) {
    const failure = describeFailure(error, process.env.OQE_DEBUG !== undefined);
    print(failure);
    process.exitCode = failure.exitCode;
  }
} else supervise(print, { asks: true });
