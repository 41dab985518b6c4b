import { failureWords } from "../card/failure-words.ts";
import { prose } from "../card/markdown.ts";
import type { Failure } from "../ground/errors.ts";
import { secretsIn, withoutSecrets } from "../ground/secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A failure as the job summary shows it, in Markdown: message, hint, and no token. */
export function failureText({ message, hint }: Failure, environment: Environment): string {
  const secrets = secretsIn(environment);
  const text = `${failureWords(withoutSecrets(message, secrets))}\n`;
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
