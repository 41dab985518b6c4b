import { installedFrom } from "../ground/installed-from.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where others find the engine that runs: the Action and its ref, as the workflow names them, or
 * the repository and commit that npm installed. null: unknown.
 */
export function engineSource(
  environment: Environment,
  installed: typeof installedFrom = installedFrom,
): { readonly engineRepository: string | null; readonly engineRef: string | null } {
  const { GITHUB_ACTION_REPOSITORY: action = "", GITHUB_ACTION_REF: ref = "" } = environment;
  if (!/^[\w-]+\/[\w.-]+$/.test(action)) {
    const found = installed();
    return { engineRepository: found?.repository ?? null, engineRef: found?.ref ?? null };
  }
  return { engineRepository: action, engineRef: /^\w[\w./-]{0,99}$/.test(ref) ? ref : null };
}
