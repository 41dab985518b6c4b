import { inspect } from "node:util";
import { WriteStream, isatty } from "node:tty";
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
	BAD_INPUT: "docs/inputs.md and oqe <command> --help list what is allowed.",
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
	TIME: "What is finished is kept. Run again with the same inputs to go on.",
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
	gate: 3,
	time: 4,
	stopped: 130
};
/** The part of a failure that an entry prints. The text of foreign errors is in `details` only. */
function describeFailure(error, debug) {
	const known = asKnown(error);
	const details = debug ? `${inspect(error)}\n` : "";
	return {
		message: known.message.replace(/\n|$/, ` [${known.code}]$&`),
		hint: known.hint,
		details,
		exitCode: exitCodeOf(known.code)
	};
}
function exitCodeOf(code) {
	if (code === "BAD_INPUT") return exitCodes.usage;
	if (code === "TIME") return exitCodes.time;
	return code === "GATE" ? exitCodes.gate : exitCodes.failure;
}
/** The error, or what an error that no code of ours expected means to people. */
function asKnown(error) {
	if (error instanceof OqeError) return error;
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

// src/ground/digits.ts
const units = {
	GB: 1e9,
	GiB: 2 ** 30,
	MB: 1e6,
	MiB: 2 ** 20
};
const sizeUnits = Object.keys(units);
/** Number and unit of `18GB` or `1.5 GiB`, in any case; null for other text. */
function splitSize(text) {
	const [, digits, word] = /^(\d{1,5}(?:\.\d{1,3})?)\s*([GM]i?B)$/i.exec(text) ?? [];
	const unit = sizeUnits.find((name) => name.toLowerCase() === word?.toLowerCase());
	return unit === void 0 ? null : {
		count: Number(digits),
		unit
	};
}
/** Bytes of `18GB`; null for text that is not a size. */
function parseSize(text) {
	const size = splitSize(text);
	return size && Math.floor(size.count * units[size.unit]);
}
/** `33,559,877,504`. Not toLocaleString: its answer depends on the machine's language data. */
function grouped(count) {
	return count.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}
/** `42 s`, `12 min`, `3 h 5 min`. */
function duration(seconds) {
	const minutes = Math.round(seconds / 60);
	if (seconds < 90) return `${Math.round(seconds)} s`;
	return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
/** `640 bytes`, `12.3 kB`, `40.1 MB`, `63.2 GB`. */
function byteSize(bytes) {
	if (bytes < 1e3) return `${bytes.toFixed(0)} bytes`;
	if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
	return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
/** Three significant digits, `0.0144`, `0.00110`. Below a millionth as a power of ten. */
function threeDigits(value) {
	if (value === 0) return "0";
	return Math.abs(value) < 1e-6 ? value.toExponential(1) : decimal(value, 3);
}
/** A number of significant digits, never as a power of ten, for values from 1e-6 on. */
function decimal(value, digits) {
	const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
	return value.toFixed(Math.min(12, places));
}

// src/ground/stage-progress.ts
/** One stage of a run while it goes on. Times are in milliseconds. */
var StageProgress = class {
	#name;
	#began;
	#series = /* @__PURE__ */ new Map();
	constructor(name, now) {
		this.#name = name;
		this.#began = now;
	}
	tick(work, now) {
		const { done, unit } = work;
		const before = this.#series.get(unit);
		const isNew = before === void 0 || done < before.done;
		if (isNew) this.#series.delete(unit);
		const first = isNew ? {
			done,
			at: now
		} : before.first;
		this.#series.set(unit, {
			...work,
			first,
			at: now
		});
	}
	view(now) {
		const elapsed = duration((now - this.#began) / 1e3);
		const series = this.#main();
		if (series === null) return {
			name: this.#name,
			elapsed,
			work: null
		};
		const { done, total, first, at } = series;
		const share = total > 0 ? Math.min(1, done / total) : 1;
		const perSecond = at > first.at ? 1e3 * (done - first.done) / (at - first.at) : 0;
		const left = (total - done) / perSecond - (now - at) / 1e3;
		const work = {
			share,
			amount: amountText(series),
			rate: perSecond > 0 ? rateText(perSecond, series.unit) : null,
			left: perSecond > 0 && left > 0 ? duration(left) : null
		};
		return {
			name: this.#name,
			elapsed,
			work
		};
	}
	/** Uploads go on beside the walk: the oldest work that is not at its end says how far all is. */
	#main() {
		const all = [...this.#series.values()];
		return all.find(({ done, total }) => done < total) ?? all.at(-1) ?? null;
	}
};
function percentText({ share }) {
	return `${Math.floor(100 * share)} %`;
}
function amountText({ done, total, unit }) {
	const [, more] = /^bytes(.*)$/.exec(unit) ?? [];
	if (more === void 0) return `${done} of ${total} ${unit}`;
	return `${byteSize(done)} of ${byteSize(total)}${more}`;
}
function rateText(perSecond, unit) {
	if (unit.startsWith("bytes")) return `${byteSize(Math.round(perSecond))}/s`;
	const [rate, time] = perSecond >= 1 ? [perSecond, "s"] : perSecond >= 1 / 60 ? [60 * perSecond, "min"] : [3600 * perSecond, "h"];
	return `${rate.toFixed(1)}/${time}`;
}

// src/ground/live-line.ts
/**
* Names the file descriptor of the terminal in a supervised process, whose stderr is a pipe
* (entry/supervise). Unset: there is no terminal.
*/
const terminalVariable = "OQE_TERMINAL";
/** Whether stderr, or the terminal that a supervised process was handed, is watched. */
function hasTerminal(environment) {
	return isLive(environment) && isatty(Number(environment["OQE_TERMINAL"] ?? "2"));
}
/** The terminal of this process: stderr, because stdout is for the result of a command. */
function openTerminal(environment = process.env) {
	const handed = Number(environment["OQE_TERMINAL"] ?? "2");
	if (!hasTerminal(environment)) return {
		write: (text) => void process.stderr.write(text),
		columns: () => null
	};
	const stream = handed === 2 ? process.stderr : new WriteStream(handed);
	const columns = () => stream.getWindowSize()[0] || usualColumns;
	return {
		write: (text) => void stream.write(text),
		columns
	};
}
const usualColumns = 80;
/** Whether a terminal in this environment is watched, and can rewrite a line. */
function isLive({ TERM, CI }, platform = process.platform) {
	return !(TERM === "dumb" || !TERM && platform !== "win32") && (!CI || CI === "false");
}
const eraseToEnd = "\x1B[K";
/** The last line of a terminal, which is written again and again; other lines go above it. */
var LiveLine = class {
	#terminal;
	#shown = "";
	constructor(terminal) {
		this.#terminal = terminal;
	}
	show(view) {
		const text = liveText(view, (this.#terminal.columns() ?? usualColumns) - 1);
		if (text === this.#shown) return;
		this.#shown = text;
		this.#terminal.write(`\r${text}${eraseToEnd}`);
	}
	print(line) {
		this.#terminal.write(`${this.#erased()}${line}\n${this.#shown}`);
	}
	clear() {
		if (this.#shown !== "") this.#terminal.write(this.#erased());
		this.#shown = "";
	}
	#erased() {
		return this.#shown === "" ? "" : `\r${eraseToEnd}`;
	}
};
/** In characters. */
const barWidths = {
	long: 24,
	short: 10
};
/**
* `Measure (7 of 12)  23 % [=====>      ]  12 of 53 blocks  2.1/min  5 min, 19 min left`.
* What `columns` have no room for is left out, the least needed first. There are no colors.
*/
function liveText(view, columns) {
	return candidates(view).find((text) => text.length <= columns) ?? view.name.slice(0, columns);
}
/** The line with ever less in it. */
function candidates({ name, elapsed, work }) {
	if (work === null) return [`${name}  ${elapsed}`];
	const { share, amount, rate, left } = work;
	const percent = percentText(work);
	const time = left === null ? elapsed : `${elapsed}, ${left} left`;
	const short = `${percent} ${bar(share, barWidths.short)}`;
	const line = (...parts) => [name, ...parts].filter((part) => part !== null).join("  ");
	return [
		line(`${percent} ${bar(share, barWidths.long)}`, amount, rate, time),
		line(short, amount, rate, time),
		line(short, rate, time),
		line(short, time),
		line(percent, time),
		line(percent)
	];
}
function bar(share, width) {
	const full = Math.floor(share * width);
	return `[${(full === width ? "=".repeat(width) : `${"=".repeat(full)}>`).padEnd(width)}]`;
}

// src/ground/memory.ts
/** Share of the machine's memory that a run may use unless it is told otherwise. */
const usualShare = .65;
/** Share that it may use where it needs more: the system and other programs need the rest. */
const mostShare = .8;
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
* again. With a fixed threshold, larger blocks go back to the system at once. Each of its arenas
* keeps more, and threads that compute allocate nothing. Other systems ignore both.
*/
const allocatorSettings = {
	MALLOC_MMAP_THRESHOLD_: String(1 << 20),
	MALLOC_ARENA_MAX: "2"
};
/**
* Flags of such a process. V8's space for young objects would grow to 32 MiB: the space is copied
* within, and half of it is empty. Most of ours are small and few.
*/
const heapFlags = ["--max-semi-space-size=2"];

export { knownReason as A, describeFailure as C, codeOf as D, outOfMemory as E, reasonOf as M, isOutOfMemory as O, asKnown as S, memoryHint as T, parseSize as _, usualMemory as a, threeDigits as b, isLive as c, StageProgress as d, percentText as f, grouped as g, duration as h, mostShare as i, notJson as j, isSystemError as k, openTerminal as l, decimal as m, heapFlags as n, LiveLine as o, byteSize as p, machineMemory as r, hasTerminal as s, allocatorSettings as t, terminalVariable as u, sizeUnits as v, exitCodes as w, OqeError as x, splitSize as y };