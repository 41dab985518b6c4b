import { OqeError } from "../ground/errors.ts";

/** The Hub stores at most 96 characters of a repository name. */
const longestName = 96;

/** Characters of a namespace or repository name on the Hub. */
const nameCharacters = /^[A-Za-z0-9._-]+$/;

/**
 * Returns `<namespace>/<name>` if it is legal by the Hub's rules, else throws BAD_INPUT. So no
 * request is made for an illegal name.
 */
export function checkRepositoryName(namespace: string, name: string): string {
  const id = `${namespace}/${name}`;
  const fault = nameFault("namespace", namespace) ?? nameFault("name", name);
  if (fault === null) return id;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(id)}" is not a repository name on the Hub: ${fault}`,
    `Namespace and name have letters, digits, ".", "_" and "-", at most ${longestName} each.`,
  );
}

/** The same check for a whole id, `<namespace>/<name>`. Returns it. */
export function checkRepositoryId(id: string): string {
  const parts = id.split("/");
  if (parts.length === 2) return checkRepositoryName(parts[0]!, parts[1]!);
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(id)}" is not a repository on the Hub: expected <namespace>/<name>`,
    "Copy the id from the model's page, for example Qwen/Qwen3-0.6B.",
  );
}

/** Whether an id from outside is legal. */
export function isRepositoryId(id: string): boolean {
  const [namespace = "", name = "", ...more] = id.split("/");
  return (
    more.length === 0 &&
    nameFault("namespace", namespace) === null &&
    nameFault("name", name) === null
  );
}

function nameFault(part: string, name: string): string | null {
  if (name === "") return `the ${part} is empty`;
  if (name.length > longestName)
    return `the ${part} has ${name.length} characters, at most ${longestName} are allowed`;
  if (!nameCharacters.test(name))
    return `the ${part} has a character other than letters, digits, ".", "_" and "-"`;
  if (/^[.-]|[.-]$/.test(name)) return `the ${part} starts or ends with "." or "-"`;
  if (/--|\.\./.test(name)) return `the ${part} has "--" or ".."`;
  if (/\.(git|ipynb)$/i.test(name)) return `the ${part} ends with ".git" or ".ipynb"`;
  return null;
}

/**
 * Returns the revision if git allows the name (branch, tag, commit or `refs/pr/N`), else throws
 * BAD_INPUT.
 */
export function checkRevision(revision: string): string {
  const illegal = /[\s~^:?*[\\\p{Cc}]|\.\.|\/\/|@\{|^[-/.]|[/.]$|\.lock$/u;
  if (revision !== "" && revision.length <= 255 && !illegal.test(revision)) return revision;
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(revision)}" cannot be the name of a revision`,
    "Give a branch, a tag or a commit of the base model's repository.",
  );
}

/**
 * Why a path may not be a file of a repository; null if it may. For paths that we send and for
 * those that a listing claims.
 */
export function pathFault(path: string): string | null {
  if (path === "") return "it is empty";
  if (path.length > 1024) return `it has ${path.length} characters`;
  if (/[\p{Cc}\\]/u.test(path)) return "it has a backslash or a control character";
  if (/^[A-Za-z]:/.test(path)) return "it starts with a drive";
  const segments = path.split("/");
  if (segments.includes("")) return "it has an empty segment";
  if (segments.some((segment) => segment === "." || segment === "..")) return 'it has "." or ".."';
  if (segments.some((segment) => segment.toLowerCase() === ".git")) return 'it lies in ".git"';
  return null;
}

/** `a/b c.txt` -> `a/b%20c.txt`. */
export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Text from outside as one short line: a line break in a log of Actions can start a command. */
export function printable(text: string, limit = 200): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
  return line.length > limit ? `${line.slice(0, limit)}…` : line;
}
