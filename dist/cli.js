#!/usr/bin/env node
import { n as runCommand } from "./commands.js";
import { j as describeFailure } from "./job.js";

// src/cli.ts
process.stdout.on("error", (error) => {
	if (error.code === "EPIPE") process.exit(0);
	throw error;
});
try {
	await runCommand(process.argv.slice(2), process.env, (text) => process.stdout.write(text));
} catch (error) {
	const { message, hint, details } = describeFailure(error, process.env.OQE_DEBUG !== void 0);
	process.stderr.write(`error: ${message}\n${hint === "" ? "" : `  ${hint}\n`}${details}`);
	process.exitCode = 1;
}

export {  };