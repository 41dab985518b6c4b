import { OqeError } from "../ground/errors.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";

/**
 * The jobs of series.yml that read the base, by the command that tries their token first, and the
 * secret that they read with. Jobs that measure hold no token that may write, so there are two.
 */
const readers = {
  check: { jobs: "Check and Measure read", secret: "hub-read-token" },
  access: { jobs: "Tune and Seal read", secret: "hub-token (or HF_TOKEN)" },
} as const;

export type Reader = keyof typeof readers;

/** Failures that another token, or another account of it, could mend. */
const ofToken: readonly OqeError["code"][] = ["GATED", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND"];
/** Begins the message of what nobody can read any more. */
const withdrawn = /^The Hub has withdrawn /;

/** The failure of reading the base, with the secret that lacks the right. Others are unchanged. */
export function namingSecret(failure: unknown, reader: Reader, access: Hub["access"]): unknown {
  if (!(failure instanceof OqeError) || !ofToken.includes(failure.code)) return failure;
  const { code, message, hint } = failure;
  if (withdrawn.test(message)) return failure;
  const { jobs, secret } = readers[reader];
  const lack = {
    none: "which is not set",
    keyless: "which is not set: Trusted Publishers give tokens for the tiers only",
    token: code === "GATED" ? "whose account has not accepted the terms" : "which may not see it",
  }[access];
  const words = `${message}. ${jobs} the base with the secret ${secret} of series.yml, ${lack}`;
  return new OqeError(code, words, hint, failure);
}

/**
 * Reads one byte of the base, as the jobs will: the Hub describes a gated repository to everybody,
 * and refuses its files. Throws GATED, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, with the secret's name.
 */
export async function checkBaseReads(
  hub: Hub,
  { baseModel }: Pick<Inputs, "baseModel">,
  reader: Reader,
): Promise<void> {
  if (baseModel.kind === "folder") return;
  try {
    const base = await hub.open(baseModel.id, baseModel.revision);
    const [path] = [...base.files].find(([, size]) => size > 0) ?? [];
    if (path === undefined) return; // what it lacks is told by the check
    const source = await base.open(path);
    await source.read(0, 1);
    await base.close?.();
  } catch (failure) {
    throw namingSecret(failure, reader, hub.access);
  }
}
