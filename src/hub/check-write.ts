import { OqeError } from "../ground/errors.ts";
import { answers, readAnswer } from "./answers.ts";
import { type Subject, strictFetch } from "./failure.ts";
import { checkRepositoryId } from "./names.ts";
import { authorization, type Transport } from "./transport.ts";

/** Asks whether the token may write to a repository. Nothing is written. */
export async function checkWrite(transport: Transport, repository: string): Promise<void> {
  const subject: Subject = { id: checkRepositoryId(repository), right: "write" };
  const fetch = strictFetch(transport, subject);
  const at = `${transport.endpoint}/api/models/${repository}`;
  const headers = { accept: "application/json", ...authorization(transport) };
  const described = await fetch(`${at}?expand[]=disabled`, { headers });
  const { disabled } = await readAnswer(answers.standing, described, repository);
  if (disabled === true) {
    throw new OqeError(
      "FORBIDDEN",
      `${repository} is disabled: the Hub takes no commits to it`,
      `The Hub's page says why: ${transport.endpoint}/${repository}. Or use another namespace.`,
    );
  }
  await fetch(`${at}/auth-check/write`, { headers });
}
