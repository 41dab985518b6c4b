#!/usr/bin/env node
import { n as supervise, t as isWorker } from "./supervise.js";
import { O as reasonOf, _ as OqeError, y as describeFailure } from "./memory.js";

// src/cli.ts
function outputFailure(cause) {
	const message = `the result cannot be written to stdout: ${reasonOf(cause)}`;
	return new OqeError("DISK", message, "Free disk space, or choose another file.", cause);
}
function print({ message, hint, details }) {
	process.stderr.write(`error: ${message}\n${hint === "" ? "" : `  ${hint}\n`}${details}`);
}
if (isWorker()) {
	process.stdout.on("error", (error) => {
		if (error.code === "EPIPE") process.exit(0);
		print(describeFailure(outputFailure(error), process.env.OQE_DEBUG !== void 0));
		process.exit(1);
	});
	try {
		const { runCommand } = await import("./commands2.js");
		const write = (text) => process.stdout.write(text);
		await runCommand(process.argv.slice(2), process.env, write);
	} catch (error) {
		const failure = describeFailure(error, process.env.OQE_DEBUG !== void 0);
		print(failure);
		process.exitCode = failure.exitCode;
	}
} else supervise(print);

export {  };