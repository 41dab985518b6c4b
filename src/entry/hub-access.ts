import { readIdentity } from "../github/workflow-identity.ts";
import type { HubOptions } from "../hub/client.ts";
import type { ActionInputs } from "../inputs/action-inputs.ts";

/** Commands that write to repositories of the Hub, or check that they may. */
const writing: readonly ActionInputs["command"][] = [
  "publish",
  "tune",
  "tune-ahead",
  "seal",
  "access",
  "push-cards",
];

/**
 * The Hub token. Without one, a command that writes to the Hub uses the identity of this workflow,
 * if the job may ask GitHub for it.
 */
export function hubAccess(
  { command }: Pick<ActionInputs, "command">,
  { hubToken, dryRun }: Pick<ActionInputs, "hubToken" | "dryRun">,
): HubOptions["token"] {
  const isKeyless = hubToken === null && !dryRun && writing.includes(command);
  return isKeyless ? readIdentity(process.env) : hubToken;
}
