#!/usr/bin/env node
import { runCommand } from "./entry/commands.ts";
import { describeFailure } from "./ground/errors.ts";

// A reader that has seen enough (`oqe plan … | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await runCommand(process.argv.slice(2), process.env, (text) => process.stdout.write(text));
} catch (error) {
  const debug = process.env.OQE_DEBUG !== undefined;
  const { message, hint, details, exitCode } = describeFailure(error, debug);
  process.stderr.write(`error: ${message}\n${hint === "" ? "" : `  ${hint}\n`}${details}`);
  process.exitCode = exitCode;
}
