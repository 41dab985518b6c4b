import { isWorker, supervise } from "./entry/supervise.ts";
import { describeFailure, type Failure } from "./ground/errors.ts";

if (isWorker()) {
  const core = await import("@actions/core");
  try {
    const { runAction } = await import("./entry/action-run.ts");
    await runAction();
  } catch (error) {
    const debug = core.isDebug() || process.env.OQE_DEBUG !== undefined;
    const failure = describeFailure(error, debug);
    core.setFailed(textOf(failure));
    if (failure.details !== "") core.info(failure.details);
  }
} else {
  // A command of the runner is one line.
  const escaped = (text: string) =>
    text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  supervise((failure) => process.stdout.write(`::error::${escaped(textOf(failure))}\n`));
}

function textOf({ message, hint }: Failure): string {
  return hint === "" ? message : `${message}\n${hint}`;
}
