import * as core from "@actions/core";
import { runAction } from "./entry/action-run.ts";
import { describeFailure } from "./ground/errors.ts";

try {
  await runAction();
} catch (error) {
  const { message, hint, details } = describeFailure(
    error,
    core.isDebug() || process.env.OQE_DEBUG !== undefined,
  );
  core.setFailed(hint === "" ? message : `${message}\n${hint}`);
  if (details !== "") core.info(details);
}
