import { prose } from "../card/markdown.ts";
import type { Failure } from "../ground/errors.ts";
import { secretsIn, withoutSecrets } from "../ground/secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** More lines, as of a long difference, are in the log only. */
const mostLines = 60;

/** A failure as the job summary shows it, in Markdown: message, hint, and no token. */
export function failureText({ message, hint }: Failure, environment: Environment): string {
  const secrets = secretsIn(environment);
  const lines = withoutSecrets(message, secrets)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const shown = lines.slice(0, mostLines).map((line) => prose(line));
  if (lines.length > mostLines) shown.push("… The log has the rest.");
  // A backslash at the end of a line breaks the line.
  const text = `**Failed**: ${shown.join("\\\n")}\n`;
  return hint === "" ? text : `${text}\n${prose(withoutSecrets(hint, secrets))}\n`;
}

/**
 * Adds a failure to the job summary, behind what the command wrote there. Nothing outside GitHub.
 * A summary that cannot be written is a warning. Never throws.
 */
export async function summarizeFailure(failure: Failure): Promise<void> {
  if (!process.env.GITHUB_STEP_SUMMARY) return;
  const core = await import("@actions/core");
  const text = `\n${failureText(failure, process.env)}`;
  await core.summary
    .addRaw(text)
    .write()
    .catch((error: unknown) => core.warning(`the job summary cannot be written: ${error}`));
}
