import { whoAmI } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import { answers, parseAnswer } from "./answers.ts";
import { adopt, type Subject, strictFetch } from "./failure.ts";
import type { Identity } from "./hub-types.ts";
import { credentials, type Transport } from "./transport.ts";

/** The account of the token. Throws UNAUTHORIZED without a token, or if the Hub rejects it. */
export async function identify(transport: Transport): Promise<Identity> {
  const subject: Subject = { id: null, right: "read" };
  if (transport.access === "none") {
    throw new OqeError(
      "UNAUTHORIZED",
      "Publishing needs a token, and no token was given",
      "Pass hub-token or HF_TOKEN.",
    );
  }
  try {
    const answer = await whoAmI({
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, subject),
      ...(credentials(transport) as { accessToken: string }),
    });
    const { name, orgs, auth } = parseAnswer(answers.account, answer, "the account of the token");
    const { role, fineGrained } = auth.accessToken ?? {};
    return {
      name,
      organizations: orgs.map((one) => ({ name: one.name, role: one.roleInOrg ?? null })),
      canWrite: canWrite(role),
      writable: fineGrained ? writableOf(fineGrained.scoped) : null,
    };
  } catch (failure) {
    throw adopt(transport, subject, failure);
  }
}

function writableOf(
  scoped: readonly { entity: { name: string }; permissions: readonly string[] }[],
): readonly string[] {
  const writes = scoped.filter(({ permissions }) => permissions.includes("repo.write"));
  return writes.map(({ entity }) => entity.name);
}

/** The role of a fine-grained token says nothing about its rights. */
function canWrite(role: string | undefined): boolean | null {
  if (role === "write" || role === "admin") return true;
  return role === "read" ? false : null;
}
