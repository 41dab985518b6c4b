import { a as prose } from "./markdown.js";
import { n as supervise, t as isWorker } from "./supervise.js";
import { y as describeFailure } from "./memory.js";

// src/entry/failure-summary.ts
/** Variables that may hold a token: inputs of the step, and what libraries of the Hub read. */
const tokenVariables = [
	"INPUT_HUB-TOKEN",
	"INPUT_GITHUB-TOKEN",
	"HF_TOKEN",
	"GITHUB_TOKEN"
];
/** More lines, as of a long difference, are in the log only. */
const mostLines = 60;
/** A failure as the job summary shows it, in Markdown: message, hint, and no token. */
function failureText({ message, hint }, environment) {
	const tokens = tokenVariables.flatMap((name) => environment[name]?.trim() || []);
	const lines = tokens.reduce((text, token) => text.replaceAll(token, "***"), message).split("\n").filter((line) => line.trim() !== "");
	const shown = lines.slice(0, mostLines).map((line) => prose(line));
	if (lines.length > mostLines) shown.push("\u2026 The log has the rest.");
	const text = `**Failed**: ${shown.join("\\\n")}\n`;
	const advice = tokens.reduce((words, token) => words.replaceAll(token, "***"), hint);
	return advice === "" ? text : `${text}\n${prose(advice)}\n`;
}
/**
* Adds a failure to the job summary, behind what the command wrote there. Nothing outside GitHub.
* A summary that cannot be written is a warning. Never throws.
*/
async function summarizeFailure(failure) {
	if (!process.env.GITHUB_STEP_SUMMARY) return;
	const core = await import("./core2.js");
	const text = `\n${failureText(failure, process.env)}`;
	await core.summary.addRaw(text).write().catch((error) => core.warning(`the job summary cannot be written: ${error}`));
}

// src/action.ts
if (isWorker()) {
	const core = await import("./core2.js");
	try {
		const { runAction } = await import("./action-run.js");
		await runAction();
	} catch (error) {
		const debug = core.isDebug() || process.env.OQE_DEBUG !== void 0;
		const failure = describeFailure(error, debug);
		core.error(textOf(failure), placeOf(failure));
		await summarizeFailure(failure);
		process.exitCode = core.ExitCode.Failure;
		if (failure.details !== "") core.info(failure.details);
	}
} else {
	const escaped = (text) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
	supervise((failure) => {
		process.stdout.write(`::error::${escaped(textOf(failure))}\n`);
		summarizeFailure(failure);
	});
}
/** Where GitHub shows the error: at the line of a series file that its message begins with. */
function placeOf({ message }) {
	const [, file, line] = /^(\S+\.ya?ml):(\d+)(?: \([^)]*\))?: /.exec(message) ?? [];
	return file === void 0 ? {} : {
		file,
		startLine: Number(line)
	};
}
function textOf({ message, hint }) {
	return hint === "" ? message : `${message}\n${hint}`;
}

export {  };