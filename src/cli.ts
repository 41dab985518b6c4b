#!/usr/bin/env node
import { runCommand } from "./commands.ts";
import { describeFailure } from "./errors.ts";

try {
  await runCommand(process.argv.slice(2), process.env, (text) => process.stdout.write(text));
} catch (error) {
  const { message, hint, details } = describeFailure(error, process.env.OQE_DEBUG !== undefined);
  process.stderr.write(`error: ${message}\n${hint === "" ? "" : `  ${hint}\n`}${details}`);
  process.exitCode = 1;
}
