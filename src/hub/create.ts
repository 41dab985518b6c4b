import { createRepo } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import type { Main } from "./compare.ts";
import { adopt, strictFetch } from "./failure.ts";
import { readMain } from "./inspect.ts";
import { Transient } from "./patience.ts";
import { retry } from "./retry.ts";
import type { UploadTarget } from "./stage.ts";
import { credentials, type Transport } from "./transport.ts";

/** True if `make` made something; false if it exists already (a race, or a lost answer). */
export async function isMade(
  transport: Transport,
  target: UploadTarget,
  make: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (failure) {
    const known = adopt(transport, target, failure);
    if (known instanceof OqeError && known.code === "CONFLICT") return false;
    throw known;
  }
}

/** True if this call made the repository; false if it exists. */
export function create(
  transport: Transport,
  target: UploadTarget,
  isPrivate: boolean,
): Promise<boolean> {
  if (transport.access === "keyless") {
    throw new OqeError(
      "FORBIDDEN",
      `${target.id} does not exist, and a keyless run cannot make it`,
      `Make it at ${transport.endpoint}/new and name this workflow in its settings, ` +
        '"Trusted Publishers". Or pass hub-token once.',
    );
  }
  return isMade(transport, target, () =>
    createRepo({
      repo: { type: "model", name: target.id },
      visibility: isPrivate ? "private" : "public",
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, target),
      ...(credentials(transport) as { accessToken: string }),
    }),
  );
}

/** Main of a repository that was just made. The Hub may show it only a moment later. */
export function readNewMain(transport: Transport, target: UploadTarget): Promise<Main> {
  return retry(transport.patience, `Reading ${target.id}@main`, async () => {
    const main = await readMain(transport, target.id, "write");
    if (main === null)
      throw new Transient("the new repository has no main yet, or the token cannot see it");
    return main;
  });
}
