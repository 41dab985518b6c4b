import { n as supervise, t as isWorker } from "./supervise.js";
import { v as describeFailure } from "./memory.js";

// src/action.ts
if (isWorker()) {
	const core = await import("./core2.js");
	try {
		const { runAction } = await import("./action-run.js");
		await runAction();
	} catch (error) {
		const debug = core.isDebug() || process.env.OQE_DEBUG !== void 0;
		const failure = describeFailure(error, debug);
		core.setFailed(textOf(failure));
		if (failure.details !== "") core.info(failure.details);
	}
} else {
	const escaped = (text) => text.replaceAll("%", "%25").replaceAll("\n", "%0A");
	supervise((failure) => process.stdout.write(`::error::${escaped(textOf(failure))}\n`));
}
function textOf({ message, hint }) {
	return hint === "" ? message : `${message}\n${hint}`;
}

export {  };