import { readFile } from "node:fs/promises";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where series.yml checks out the repository that it is in, below the workspace. */
const checkout = ".oqe-publisher";

/**
 * `owner/name` of the repository whose workflow signs the attestations. A workflow of `caller`
 * that names the Action signs itself. series.yml runs the Action from a checkout of its own
 * repository, whose address Git keeps. null: neither is there.
 */
export async function signerOf(caller: string, environment: Environment): Promise<string | null> {
  if (environment.GITHUB_ACTION_REPOSITORY) return caller;
  const path = join(environment.GITHUB_WORKSPACE || ".", checkout, ".git/config");
  const config = await readFile(path, "utf8").catch(() => "");
  const server = environment.GITHUB_SERVER_URL ?? "https://github.com";
  const [, url = ""] =
    /^\[remote "origin"\]\n(?:\s+\w+ = .*\n)*?\s+url = (\S+)$/m.exec(config) ?? [];
  if (!url.startsWith(`${server}/`)) return null;
  const name = url.slice(server.length + 1).replace(/\.git$/, "");
  return /^[\w-]+\/[\w.-]+$/.test(name) ? name : null;
}
