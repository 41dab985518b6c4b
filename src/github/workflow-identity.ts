import { getIDToken, setSecret } from "@actions/core";
import type { Keyless } from "../hub/keyless.ts";

/**
 * The identity of this workflow run, for a Hub that trusts it. null: GitHub offers none, because
 * the job lacks the permission `id-token: write`.
 */
export function readIdentity(
  environment: Readonly<Record<string, string | undefined>>,
): Keyless | null {
  if (!environment.ACTIONS_ID_TOKEN_REQUEST_URL) return null;
  // <owner>/<repository>/.github/workflows/<file>@<ref>: of the caller, for a reusable workflow.
  const [path = ""] = (environment.GITHUB_WORKFLOW_REF ?? "").split("@");
  return {
    identityToken: (audience) => getIDToken(audience),
    mask: setSecret,
    repository: environment.GITHUB_REPOSITORY ?? "",
    workflow: path.split("/").at(-1) || null,
    ref: environment.GITHUB_REF ?? "",
  };
}
