import { refuse } from "./errors.ts";

/** Longest namespace or repo name that the Hub allows. */
const longestName = 96;
/** Longest path in a repo, and longest part of one (what file systems can hold). */
const longestPath = 1024;
const longestSegment = 255;

/** Whether a namespace or repo name is legal: `[A-Za-z0-9._-]`, at most 96, no `--` or `..`, no `-` or `.` at its ends. */
export function isLegalName(name: string): boolean {
  if (name.length === 0 || name.length > longestName) return false;
  if (!/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name)) return false;
  return !name.includes("--") && !name.includes("..") && !name.toLowerCase().endsWith(".git");
}

/** First part of a dataset's id, `datasets/<namespace>/<name>`, and so the name of no namespace. */
export const datasetsRoot = "datasets";

/** Whether this is the id of a repo: `<namespace>/<name>`, of a dataset with `datasets/` before it. */
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
      `Repo id must use alphanumeric chars, '-', '_' or '.', without '--' and '..', at most ${longestName} long: '${id}'`,
    );
  }
  return id;
}

/** Why `path` may not be a file of a repo, or null. Nothing that leaves the folder, nothing that git or a file system trips over. */
export function pathProblem(path: unknown): string | null {
  if (typeof path !== "string" || path === "") return "a path must be a non-empty string";
  if (path.length > longestPath) return `a path may be ${longestPath} characters long`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return "a path may not hold control characters";
  if (!path.isWellFormed()) return "a path must be well-formed Unicode";
  if (path.includes("\\")) return "a path may not hold a backslash";
  for (const segment of path.split("/")) {
    if (segment === "") return "a path may not be absolute or hold empty parts";
    if (segment === "." || segment === "..") return "a path may not hold '.' or '..'";
    if (segment.toLowerCase() === ".git") return "a path may not lead into .git";
    if (Buffer.byteLength(segment) > longestSegment)
      return `a part of a path may be ${longestSegment} bytes long`;
  }
  return null;
}

/** Throws 400 unless `path` may be a file of a repo; returns it. */
export function checkPath(path: unknown): string {
  const problem = pathProblem(path);
  if (problem !== null) throw refuse.badRequest(`Invalid path ${JSON.stringify(path)}: ${problem}`);
  return path as string;
}

/** Throws 400 unless `name` may be a branch or tag (git's rules for refs, and nothing that reads as a commit or a PR). */
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
