#!/usr/bin/env node
import { n as supervise, t as isWorker } from "./supervise.js";
import { n as wrapped, r as paintFor } from "./wrap.js";
import { C as describeFailure, M as reasonOf, l as openTerminal, s as hasTerminal, x as OqeError } from "./memory.js";

// src/cli.ts
function outputFailure(cause) {
	const message = `the result cannot be written to stdout: ${reasonOf(cause)}`;
	return new OqeError("DISK", message, "Free disk space, or choose another file.", cause);
}
function print({ message, hint, details }) {
	const paint = paintFor(process.env, hasTerminal(process.env));
	const columns = openTerminal().columns() ?? Number.POSITIVE_INFINITY;
	const said = wrapped(`error: ${message}`, columns).replace("error:", paint("red", "error:"));
	const advice = hint === "" ? "" : `${wrapped(hint, columns, "  ")}\n`;
	process.stderr.write(`${said}\n${advice}${details}`);
}
if (isWorker()) {
	process.stdout.on("error", (error) => {
		if (error.code === "EPIPE") process.exit(0);
		print(describeFailure(outputFailure(error), process.env.OQE_DEBUG !== void 0));
		process.exit(1);
	});
	try {
		const { runCommand } = await import("./commands.js");
		process.exitCode = await runCommand(process.argv.slice(2), {
			environment: process.env,
			write: (text) => process.stdout.write(text),
			columns: process.stdout.isTTY ? process.stdout.columns : void 0,
			script: process.argv[1] ?? "oqe"
		});
	} catch (error) {
		const failure = describeFailure(error, process.env.OQE_DEBUG !== void 0);
		print(failure);
		process.exitCode = failure.exitCode;
	}
} else supervise(print, { asks: true });

export {  };