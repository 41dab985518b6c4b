import { inspect } from "node:util";
import { totalmem } from "node:os";

// src/ground/reasons.ts
/** Failures of the system and the network, by code: our words instead of theirs. */
const reasons = {
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
	ERR_WORKER_OUT_OF_MEMORY: "there is not enough memory"
};
/** Errors that the JavaScript engine itself throws: their text speaks of code, not of data. */
const engineErrors = /* @__PURE__ */ new Set([...[
	"TypeError",
	"RangeError",
	"ReferenceError"
], ...[
	"RuntimeError",
	"CompileError",
	"LinkError"
]]);
/**
* Why something failed, in words for a user. Never quotes the JavaScript engine.
* A library's own sentence is passed on as one line of at most 200 characters.
*/
function reasonOf(cause) {
	const known = knownReason(cause);
	if (known !== null) return known;
	if (isOutOfMemory(cause)) return "there is not enough memory";
	if (cause instanceof SyntaxError) return `it ${notJson(cause)}`;
	if (cause instanceof Error && engineErrors.has(cause.name)) return "its content is not as expected";
	if (isSystemError(cause)) return `the system refused it (${cause.code})`;
	return (cause instanceof Error ? cause.message : String(cause)).replace(/[\p{Cc}\u2028\u2029]+/gu, " ").slice(0, 200) || "no reason was given";
}
/** The same for a failure with a code that the table above lists; null for others. */
function knownReason(cause) {
	return reasons[codeOf(cause)] ?? null;
}
/**
* The fault that JSON.parse found, for a sentence about the file. Some faults come without a place.
*/
function notJson(cause) {
	const message = cause instanceof SyntaxError ? cause.message : "";
	const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(message) ?? [];
	if (line !== void 0) return `is not JSON (line ${line}, column ${column})`;
	return /end of JSON/.test(message) ? "is not JSON: it ends too early" : "is not JSON";
}
/** A failed call of the system, with its code (`ENOENT`) and mostly the path. */
function isSystemError(cause) {
	return cause instanceof Error && "syscall" in cause && /^E[A-Z0-9]+$/.test(codeOf(cause));
}
/** Whether the JavaScript engine, a worker thread or the system found no memory. */
function isOutOfMemory(cause) {
	if (["ENOMEM", "ERR_WORKER_OUT_OF_MEMORY"].includes(codeOf(cause))) return true;
	return cause instanceof RangeError && (/allocation failed|out of memory|could not allocate|invalid (typed )?array length/i.test(cause.message) || /Cannot create a string longer|Invalid string length/i.test(cause.message));
}
/** `ENOENT`, `ERR_WORKER_OUT_OF_MEMORY`; empty where there is none. */
function codeOf(cause) {
	const code = cause instanceof Error && "code" in cause ? cause.code : "";
	return typeof code === "string" ? code : "";
}

// src/ground/errors.ts
/** Advice for a run that needs less memory. */
const memoryHint = "Use fewer calibration rows (calibration-samples 64), shorter ones (calibration-length 128), fewer threads (workers 2) or one tier per run (tiers oQ4e). NODE_OPTIONS=--max-old-space-size=8192 gives Node a heap of 8 GB.";
/** What to do about an error that has no better hint. */
const usualHints = {
	BAD_INPUT: "The table of inputs in README.md and oqe <command> --help list what is allowed.",
	UNSUPPORTED_MODEL: "Check that config and weights belong together, or add the architecture.",
	ALREADY_QUANTIZED: "Name the unquantized original.",
	BAD_CHECKPOINT: "Download the model again. If the error stays, report it to the model's authors.",
	BAD_SENSITIVITY: "Make the file again with `oqe sensitivity`, or leave sensitivity out.",
	MISSING_FILE: "Complete the base, or name the repository that has the file.",
	UNAUTHORIZED: "Set hub-token or HF_TOKEN.",
	FORBIDDEN: "Use a token with write access to the namespace.",
	GATED: "Accept the terms on the model's page.",
	NOT_FOUND: "Check the name and the endpoint.",
	NOT_OURS: "Choose another place, or set overwrite.",
	CONFLICT: "Look at the repository's history, then run again.",
	NETWORK: "Check the connection and the endpoint, then run again.",
	DISK: "Free disk space, or choose another folder.",
	MEMORY: memoryHint,
	GATE: "Read the figures in the tier's receipt.",
	TEMPLATE: "Correct the template.",
	KERNEL: "Please report the command or workflow, and the model.",
	INTERNAL: "Please report the command or workflow, the model, and the output of a run with OQE_DEBUG=1."
};
/**
* The one error class. `message` says what is wrong, where, what was expected and what was found.
* `hint` says what to do next. The entries print both.
*/
var OqeError = class extends Error {
	code;
	hint;
	constructor(code, message, hint = usualHints[code], cause) {
		super(message, cause === void 0 ? {} : { cause });
		this.name = "OqeError";
		this.code = code;
		this.hint = hint;
	}
};
/** Exit codes of `oqe`, as docs/errors.md and the help list them. 0 is success. */
const exitCodes = {
	failure: 1,
	usage: 2,
	gate: 3
};
/** The part of a failure that an entry prints. The text of foreign errors is in `details` only. */
function describeFailure(error, debug) {
	const known = error instanceof OqeError ? error : wrap(error);
	const details = debug ? `${inspect(error)}\n` : "";
	return {
		message: `${known.message} [${known.code}]`,
		hint: known.hint,
		details,
		exitCode: exitCodeOf(known.code)
	};
}
function exitCodeOf(code) {
	if (code === "BAD_INPUT") return exitCodes.usage;
	return code === "GATE" ? exitCodes.gate : exitCodes.failure;
}
/** An error that no code of ours expected. */
function wrap(error) {
	if (isOutOfMemory(error)) return outOfMemory("the run", error);
	if (isSystemError(error)) {
		const { path, syscall } = error;
		return new OqeError("DISK", `${path ?? syscall ?? "the system"}: ${reasonOf(error)}`, "Check that the path exists, and that this user may read and write there.", error);
	}
	return new OqeError("INTERNAL", "a bug in oqe-publisher stopped the run", usualHints.INTERNAL, error);
}
/** `what` needed more memory than the process can have. */
function outOfMemory(what, cause) {
	return new OqeError("MEMORY", `${what} needs more memory than there is`, memoryHint, cause);
}

// src/ground/memory.ts
/** Share of the machine's memory that a run may use unless it is told otherwise. */
const usualShare = .6;
/** Bytes of memory of this machine, or of the container that the process is in. */
function machineMemory() {
	const limit = process.constrainedMemory?.() ?? 0;
	return limit > 0 ? Math.min(totalmem(), limit) : totalmem();
}
/** Bytes that a run may use unless it is told otherwise. */
function usualMemory() {
	return Math.floor(usualShare * machineMemory());
}
/**
* Environment of a process that does the work. By default, glibc keeps freed memory of up to 32 MiB
* for later requests. In hours of matrices of some MiB, it falls to pieces that are never used
* again. With a fixed threshold, larger blocks go back to the system at once. Other systems ignore
* it.
*/
const allocatorSettings = { MALLOC_MMAP_THRESHOLD_: String(1 << 20) };

export { describeFailure as a, outOfMemory as c, isSystemError as d, knownReason as f, OqeError as i, codeOf as l, reasonOf as m, machineMemory as n, exitCodes as o, notJson as p, usualMemory as r, memoryHint as s, allocatorSettings as t, isOutOfMemory as u };