import { summarizeFailure } from "./entry/failure-summary.ts";
import { isWorker, supervise } from "./entry/supervise.ts";
import { describeFailure, type Failure } from "./ground/errors.ts";
import { placeOf } from "./ground/message-place.ts";

if (isWorker()) {
  const core = await import("@actions/core");
  try {
    const { runAction } = await import("./entry/action-run.ts");
    await runAction();
  } catch (error) {
    const debug = core.isDebug() || process.env.OQE_DEBUG !== undefined;
    const failure = describeFailure(error, debug);
    core.error(textOf(failure), placeOf(failure.message));
    await summarizeFailure(failure);
    process.exitCode = core.ExitCode.Failure;
    if (failure.details !== "") core.info(failure.details);
  }
} else {
  // A command of the runner is one line.
  const escaped = (text: string) =>
    text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  supervise((failure) => {
    process.stdout.write(`::error::${escaped(textOf(failure))}\n`);
    void summarizeFailure(failure); // the process ends when this is done
  });
}

function textOf({ message, hint }: Failure): string {
  return hint === "" ? message : `${message}\n${hint}`;
}
