import { inspect } from "node:util";

// src/errors.ts
/**
* The one error class: `message` says what, where, expected and got; `hint` says what to do next.
* Entries print both and exit with 1; a stack trace is for bugs only (`INTERNAL`).
*/
var OqeError = class extends Error {
	code;
	hint;
	constructor(code, message, hint = "", cause) {
		super(message, cause === void 0 ? {} : { cause });
		this.name = "OqeError";
		this.code = code;
		this.hint = hint;
	}
};
/** What an entry prints of a failure. Anything but an OqeError is a bug of ours and says so; its stack only on request. */
function describeFailure(error, debug) {
	const details = debug && error instanceof Error ? `${inspect(error)}\n` : "";
	if (error instanceof OqeError) return {
		message: `${error.message} [${error.code}]`,
		hint: error.hint,
		details
	};
	return {
		message: `unexpected failure: ${error instanceof Error ? error.message : String(error)} [INTERNAL]`,
		hint: "This is a bug of oqe-publisher. Run again with OQE_DEBUG=1 and report what it prints.",
		details
	};
}

// src/kernel/job.ts
/** Bytes of one element. */
const elementBytes = {
	BF16: 2,
	F16: 2,
	F32: 4
};
const bitWidths = [
	2,
	3,
	4,
	5,
	6,
	8
];
const groupSizes = [
	32,
	64,
	128
];
/** How errors call a task. */
function nameTask({ kind, job }) {
	if (kind === "cast") return `cast of ${job.weights.byteLength} bytes ${job.from} to ${job.to}`;
	const widths = kind === "quantize" ? job.widths : [job];
	const from = kind === "quantize" ? job.from : job.store;
	return `${kind} of ${job.rows}x${job.columns} ${from} at ${widths.map((w) => `${w.bits} bits g${w.groupSize}`).join(", ")}`;
}
/** Throws INTERNAL where an operand cannot be what the job says: after this the kernel may trust every length. */
function checkTask(task) {
	const fail = (what) => {
		throw new OqeError("INTERNAL", `${nameTask(task)}: ${what}`, "This is a bug in oqe-publisher, not in the checkpoint.");
	};
	const expectBytes = (what, operand, expected) => {
		if (operand.byteLength !== expected) fail(`${what} have ${operand.byteLength} bytes, expected ${expected}`);
	};
	const { kind, job } = task;
	if (kind === "cast") {
		if (job.weights.byteLength % sizeOf(job.from, fail) !== 0) fail("weights end within an element");
		sizeOf(job.to, fail);
		return;
	}
	for (const n of [job.rows, job.columns]) if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
	const store = sizeOf(job.store, fail);
	if (kind === "quantize") {
		expectBytes("weights", job.weights, job.rows * job.columns * sizeOf(job.from, fail));
		for (const width of job.widths) checkWidth(width, job.columns, fail);
		return;
	}
	checkWidth(job, job.columns, fail);
	expectBytes("words", job.words, job.rows * job.columns * job.bits / 8);
	expectBytes("scales", job.scales, job.rows * job.columns * store / job.groupSize);
	expectBytes("biases", job.biases, job.rows * job.columns * store / job.groupSize);
}
function sizeOf(dtype, fail) {
	return elementBytes[dtype] ?? fail(`${dtype} is no float dtype`);
}
function checkWidth({ bits, groupSize }, columns, fail) {
	if (!bitWidths.includes(bits)) fail(`MLX has no ${bits}-bit format, only ${bitWidths.join(", ")}`);
	if (!groupSizes.includes(groupSize)) fail(`MLX has no groups of ${groupSize}, only ${groupSizes.join(", ")}`);
	if (columns % groupSize !== 0) fail(`${columns} columns are no multiple of the group of ${groupSize}`);
}

export { describeFailure as a, OqeError as i, elementBytes as n, nameTask as r, checkTask as t };