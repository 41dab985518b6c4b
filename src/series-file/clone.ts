import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What git says of a folder. Everything is null outside of a clone, or without git. */
export interface Clone {
  /** `owner/name` on GitHub, of the remote `origin`. */
  readonly repository: string | null;
  /** The default branch of `origin`; of a clone that does not know it, the branch checked out. */
  readonly branch: string | null;
}

/** Asks git. Never throws. */
export async function readClone(folder: string): Promise<Clone> {
  const origin = await git(folder, "remote", "get-url", "origin");
  const head = await git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD");
  const branch =
    head?.replace(/^origin\//, "") ?? (await git(folder, "symbolic-ref", "--short", "HEAD"));
  return { repository: repositoryOf(origin), branch };
}

/**
 * The commit that a program runs from, if its folder is a clone whose `origin` on GitHub has that
 * commit; null otherwise. `root`: the top of the program's own files.
 */
export async function commitOfClone(
  root: URL,
): Promise<{ repository: string; ref: string } | null> {
  const folder = fileURLToPath(root).replace(/\/$/, "");
  if ((await git(folder, "rev-parse", "--show-toplevel")) !== folder) return null;
  const repository = repositoryOf(await git(folder, "remote", "get-url", "origin"));
  const ref = await git(folder, "rev-parse", "HEAD");
  if (repository === null || ref === null) return null;
  const pushed = await git(folder, "branch", "--remotes", "--contains", ref);
  return pushed === null ? null : { repository, ref };
}

/** `owner/name` of an address of GitHub; null for another place. */
function repositoryOf(address: string | null): string | null {
  const pattern =
    /^(?:https:\/\/(?:[^@/]*@)?|ssh:\/\/git@|git@)github\.com[/:]([\w-]+\/[\w.-]+?)(?:\.git)?\/?$/;
  return pattern.exec(address ?? "")?.[1] ?? null;
}

/** What git prints, in one line of it at least; null if it fails or prints nothing. */
function git(folder: string, ...words: readonly string[]): Promise<string | null> {
  // Variables such as GIT_DIR would name another repository than the folder's.
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
  const options = { env: Object.fromEntries(others), timeout: 10_000 };
  return new Promise((done) => {
    execFile("git", ["-C", folder, ...words], options, (error, stdout) => {
      const text = stdout.trim();
      done(error !== null || text === "" ? null : text);
    });
  });
}
