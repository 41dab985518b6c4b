import { n as supervise, t as isWorker } from "./supervise.js";
import { y as describeFailure } from "./memory.js";

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
		process.exitCode = core.ExitCode.Failure;
		if (failure.details !== "") core.info(failure.details);
	}
} else {
	const escaped = (text) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
	supervise((failure) => process.stdout.write(`::error::${escaped(textOf(failure))}\n`));
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