/** Failures of the system and the network, by code: our words instead of theirs. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: "this user has no right to it",
  EPERM: "this user has no right to it",
  EROFS: "it is on a read-only disk",
  ENOENT: "it does not exist",
  EEXIST: "it exists already",
  EISDIR: "it is a folder, not a file",
  ENOTDIR: "it, or a folder above it, is a file",
  ENOTEMPTY: "the folder is not empty",
  ELOOP: "its symbolic links form a circle",
  ENAMETOOLONG: "its name is too long",
  EBUSY: "another program is using it",
  EIO: "the disk reported an error",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota of this user is used up",
  EFBIG: "the file would be larger than the file system allows",
  EMFILE: "too many files are open (raise the limit: ulimit -n)",
  ENFILE: "too many files are open on this machine",
  ENOMEM: "there is not enough memory",
  EPIPE: "the other side closed the connection",
  EADDRINUSE: "another program is using it",
  EADDRNOTAVAIL: "this machine does not have that address",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the other side closed the connection",
  ETIMEDOUT: "no answer in time",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the name server does not answer",
  UND_ERR_SOCKET: "the other side closed the connection",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_BODY_TIMEOUT: "the answer stopped in the middle",
  UND_ERR_RESPONSE_STATUS_CODE: "an answer with an unexpected status",
  ERR_WORKER_OUT_OF_MEMORY: "there is not enough memory",
};

/** Errors that the JavaScript engine itself throws: their text speaks of code, not of data. */
const engineErrors = new Set([
  ...["TypeError", "RangeError", "ReferenceError"],
  ...["RuntimeError", "CompileError", "LinkError"], // of WebAssembly
]);

/**
 * Why something failed, in words for a user. Never quotes the JavaScript engine.
 * A library's own sentence is passed on as one line of at most 200 characters.
 */
export function reasonOf(cause: unknown): string {
  const known = knownReason(cause);
  if (known !== null) return known;
  if (isOutOfMemory(cause)) return "there is not enough memory";
  if (cause instanceof SyntaxError) return `it ${notJson(cause)}`;
  if (cause instanceof Error && engineErrors.has(cause.name))
    return "its content is not as expected";
  if (isSystemError(cause)) return `the system refused it (${cause.code})`;
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").slice(0, 200) || "no reason was given";
}

/** The same for a failure with a code that the table above lists; null for others. */
export function knownReason(cause: unknown): string | null {
  return reasons[codeOf(cause)] ?? null;
}

/**
 * The fault that JSON.parse found, for a sentence about the file. Some faults come without a place.
 */
export function notJson(cause: unknown): string {
  const message = cause instanceof SyntaxError ? cause.message : "";
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(message) ?? [];
  if (line !== undefined) return `is not JSON (line ${line}, column ${column})`;
  return /end of JSON/.test(message) ? "is not JSON: it ends too early" : "is not JSON";
}

/** A failed call of the system, with its code (`ENOENT`) and mostly the path. */
export function isSystemError(cause: unknown): cause is NodeJS.ErrnoException & { code: string } {
  return cause instanceof Error && "syscall" in cause && /^E[A-Z0-9]+$/.test(codeOf(cause));
}

/** Whether the JavaScript engine, a worker thread or the system found no memory. */
export function isOutOfMemory(cause: unknown): boolean {
  if (["ENOMEM", "ERR_WORKER_OUT_OF_MEMORY"].includes(codeOf(cause))) return true;
  const said = /allocation failed|out of memory|could not allocate|invalid (typed )?array length/i;
  const text = /Cannot create a string longer|Invalid string length/i;
  return cause instanceof RangeError && (said.test(cause.message) || text.test(cause.message));
}

/** `ENOENT`, `ERR_WORKER_OUT_OF_MEMORY`; empty where there is none. */
export function codeOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  return typeof code === "string" ? code : "";
}
