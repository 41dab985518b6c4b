import { t as failureWords } from "./failure-words.js";
import { l as prose, n as secretsIn, r as withoutSecrets, t as placeOf } from "./message-place.js";
import { n as supervise, t as isWorker } from "./supervise.js";
import { C as describeFailure } from "./memory.js";

// src/entry/failure-summary.ts
/** A failure as the job summary shows it, in Markdown: message, hint, and no token. */
function failureText({ message, hint }, environment) {
	const secrets = secretsIn(environment);
	const text = `${failureWords(withoutSecrets(message, secrets))}\n`;
	return hint === "" ? text : `${text}\n${prose(withoutSecrets(hint, secrets))}\n`;
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
		core.error(textOf(failure), placeOf(failure.message));
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
function textOf({ message, hint }) {
	return hint === "" ? message : `${message}\n${hint}`;
}

export {  };