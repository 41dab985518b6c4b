import { refuse } from "./errors.ts";

/** Longest namespace or repo name that the Hub allows. */
const longestName = 96;
/** Longest path in a repository, and longest segment of one (the limits of file systems). */
const longestPath = 1024;
const longestSegment = 255;

/**
 * Whether a namespace or repo name is legal: `[A-Za-z0-9._-]`, at most 96, no `--` or `..`, no `-`
 * or `.` at its ends.
 */
export function isLegalName(name: string): boolean {
  if (name.length === 0 || name.length > longestName) return false;
  if (!/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name)) return false;
  return !name.includes("--") && !name.includes("..") && !name.toLowerCase().endsWith(".git");
}

/** First part of a dataset's id, `datasets/<namespace>/<name>`. No namespace may have this name. */
export const datasetsRoot = "datasets";

/**
 * Whether this is the id of a model, `<namespace>/<name>`, or of a dataset,
 * `datasets/<namespace>/<name>`.
 */
export function isLegalId(id: string): boolean {
  const parts = id.split("/");
  if (parts[0] === datasetsRoot) parts.shift();
  return parts.length === 2 && parts[0] !== datasetsRoot && parts.every(isLegalName);
}

/** Throws 400 unless `namespace/name` is the legal id of a model; returns it. */
export function checkId(namespace: string, name: string): string {
  const id = `${namespace}/${name}`;
  if (!isLegalId(id) || id.startsWith(`${datasetsRoot}/`)) {
    throw refuse.badRequest(
      "Repo id must use alphanumeric chars, '-', '_' or '.', without '--' and '..', " +
        `at most ${longestName} long: '${id}'`,
    );
  }
  return id;
}

/**
 * Why `path` may not be a file of a repository; null if it may. Refuses paths that leave the
 * folder, and paths that git or a file system cannot store.
 */
export function pathProblem(path: unknown): string | null {
  if (typeof path !== "string" || path === "") return "a path must be a non-empty string";
  if (path.length > longestPath) return `a path may have at most ${longestPath} characters`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finds control characters
  if (/[\u0000-\u001f\u007f]/.test(path)) return "a path may not have control characters";
  if (!path.isWellFormed()) return "a path must be well-formed Unicode";
  if (path.includes("\\")) return "a path may not have a backslash";
  for (const segment of path.split("/")) {
    if (segment === "") return "a path may not be absolute or have empty parts";
    if (segment === "." || segment === "..") return "a path may not have '.' or '..'";
    if (segment.toLowerCase() === ".git") return "a path may not lead into .git";
    if (Buffer.byteLength(segment) > longestSegment)
      return `a part of a path may have at most ${longestSegment} bytes`;
  }
  return null;
}

/** Throws 400 unless `path` may be a file of a repo; returns it. */
export function checkPath(path: unknown): string {
  const problem = pathProblem(path);
  if (problem !== null) throw refuse.badRequest(`Invalid path ${JSON.stringify(path)}: ${problem}`);
  return path as string;
}

/**
 * Throws 400 unless `name` may be a branch or tag, by git's rules for refs. It must not look like a
 * commit or a pull request. Returns it.
 */
export function checkRefName(name: unknown): string {
  const legal =
    typeof name === "string" &&
    name.length <= 255 &&
    /^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$/.test(name) &&
    !/\.\.|\/\/|\/\.|@\{|\.lock(\/|$)|[/.]$/.test(name) &&
    !/^refs\/|^HEAD$|^[0-9a-f]{40}$/.test(name);
  if (!legal) throw refuse.badRequest(`Invalid reference name: ${JSON.stringify(name)}`);
  return name as string;
}
