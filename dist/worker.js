import { n as elementBytes } from "./job.js";
import { parentPort, workerData } from "node:worker_threads";

// kernel-wasm/pkg/oqe_kernel.js
/**
* Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and forgets what it held.
* @param {number} bytes
* @returns {number}
*/
function arena(bytes) {
	return wasm.arena(bytes) >>> 0;
}
/**
* Changes the dtype of `count` elements. Returns how many are NaN or infinite afterwards.
*
* # Safety
* As [`quantize`].
* @param {number} elements
* @param {number} from
* @param {number} count
* @param {number} to
* @param {number} out
* @returns {number}
*/
function cast$1(elements, from, count, to, out) {
	return wasm.cast(elements, from, count, to, out);
}
/**
* Decodes `count` elements, whole groups, into float32 at `out`.
*
* # Safety
* As [`quantize`]; `out` is aligned to 4.
* @param {number} bits
* @param {number} group
* @param {number} words
* @param {number} scales
* @param {number} biases
* @param {number} store
* @param {number} count
* @param {number} out
*/
function dequantize$1(bits, group, words, scales, biases, store, count, out) {
	wasm.dequantize(bits, group, words, scales, biases, store, count, out);
}
/**
* Quantizes `[rows, columns]` weights at `count` widths. `widths` = count × `[bits, group, words, scales, biases]`; `sums` = float64
* `[energy, nonFinite, squaredError of each width]`, to which this adds: a tile may come in slabs of rows.
*
* # Safety
* Every address lies in the arena with the room that its operand needs; they do not overlap.
* @param {number} weights
* @param {number} from
* @param {number} rows
* @param {number} columns
* @param {number} store
* @param {boolean} mlx
* @param {number} widths
* @param {number} count
* @param {number} sums
*/
function quantize$1(weights, from, rows, columns, store, mlx, widths, count, sums) {
	wasm.quantize(weights, from, rows, columns, store, mlx, widths, count, sums);
}
function __wbg_get_imports() {
	return {
		__proto__: null,
		"./oqe_kernel_bg.js": {
			__proto__: null,
			__wbindgen_init_externref_table: function() {
				const table = wasm.__wbindgen_externrefs;
				table.set(0, void 0);
				table.set(1024, void 0);
				table.set(1025, null);
				table.set(1026, true);
				table.set(1027, false);
			}
		}
	};
}
let wasm;
function __wbg_finalize_init(instance, module) {
	wasm = instance.exports;
	wasm.__wbindgen_start();
	return wasm;
}
function initSync(module) {
	if (wasm !== void 0) return wasm;
	if (module !== void 0) {
		if (Object.getPrototypeOf(module) === Object.prototype) ({module} = module);
		else console.warn("using deprecated parameters for `initSync()`; pass a single object instead");
	}
	const imports = __wbg_get_imports();
	if (!(module instanceof WebAssembly.Module)) module = new WebAssembly.Module(module);
	return __wbg_finalize_init(new WebAssembly.Instance(module, imports), module);
}

// src/kernel/kernel.ts
/**
* The boundary to WebAssembly: the one file that knows addresses. It trusts its jobs (job.ts has checked them).
* A tile passes through the arena in slabs of rows that fit a core's second-level cache, so its size is no matter, and each
* copy in and out costs little more than the memory traffic that the job needs anyway.
*/
const slabBytes = 131072;
/** Codes of the dtypes in exports.rs. */
const dtypeCode = {
	BF16: 0,
	F16: 1,
	F32: 2
};
let memory;
/** Gives this thread its private instance. Call once, before any job. */
function instantiate(module) {
	memory = initSync({ module }).memory;
}
/** Offsets of a job's operands within the arena, each at its own cache line. */
var Layout = class {
	size = 0;
	place(bytes) {
		const offset = this.size;
		this.size = Math.ceil((offset + bytes) / 64) * 64;
		return offset;
	}
	/** Address of the arena, which from now on holds this layout. Views of the memory made before are void. */
	claim() {
		if (this.size > 4294901760) throw new RangeError(`${this.size} bytes for one row exceed WebAssembly's 4 GiB`);
		return arena(this.size) >>> 0;
	}
};
/** Bytes `[start, end)` of host memory into the arena. */
function copyIn(address, from, start, end) {
	asBuffer(from).copy(Buffer.from(memory.buffer, address, end - start), 0, start, end);
}
/** From the arena to bytes `[start, end)` of host memory. */
function copyOut(address, into, start, end) {
	Buffer.from(memory.buffer, address, end - start).copy(asBuffer(into), start);
}
/** The same memory: a Buffer's copy moves it in bulk, where a typed array's `set` goes word by word as soon as memory is shared. */
function asBuffer({ buffer, byteOffset, byteLength }) {
	return Buffer.from(buffer, byteOffset, byteLength);
}
function rowsOfSlab(rows, rowBytes) {
	return Math.min(rows, Math.max(1, Math.floor(slabBytes / rowBytes)));
}
/** Visits `[start, end)` of `count`, `step` at a time. */
function eachSlab(count, step, visit) {
	for (let start = 0; start < count; start += step) visit(start, Math.min(count, start + step));
}
const shared = (bytes) => new Uint8Array(new SharedArrayBuffer(bytes));
/** Writes the bytes of every width to `out`, in the order of the widths. */
function quantize(job, out) {
	const { rows, columns, widths } = job;
	const rowBytes = columns * elementBytes[job.from];
	const slabRows = rowsOfSlab(rows, rowBytes);
	const layout = new Layout();
	const sums = layout.place(8 * (2 + widths.length));
	const specs = layout.place(20 * widths.length);
	const weights = layout.place(slabRows * rowBytes);
	const outputs = widths.map(({ bits, groupSize }, i) => {
		const { words, scales, biases } = out[i];
		return {
			bits,
			groupSize,
			parts: [
				words,
				scales,
				biases
			].map((bytes) => {
				const bytesEach = bytes.byteLength / rows;
				return {
					bytesEach,
					offset: layout.place(slabRows * bytesEach),
					out: bytes
				};
			})
		};
	});
	const base = layout.claim();
	new Float64Array(memory.buffer, base + sums, 2 + widths.length).fill(0);
	new Uint32Array(memory.buffer, base + specs, 5 * widths.length).set(outputs.flatMap(({ bits, groupSize, parts }) => [
		bits,
		groupSize,
		...parts.map(({ offset }) => base + offset)
	]));
	eachSlab(rows, slabRows, (start, end) => {
		copyIn(base + weights, job.weights, start * rowBytes, end * rowBytes);
		quantize$1(base + weights, dtypeCode[job.from], end - start, columns, dtypeCode[job.store], job.rounding === "mlx", base + specs, widths.length, base + sums);
		for (const { bytesEach, offset, out } of outputs.flatMap(({ parts }) => parts)) copyOut(base + offset, out, start * bytesEach, end * bytesEach);
	});
	const [energy, nonFinite, ...squaredErrors] = new Float64Array(memory.buffer, base + sums, 2 + widths.length);
	return {
		energy,
		nonFinite,
		squaredErrors
	};
}
function dequantize(job) {
	const { rows, columns, bits, groupSize } = job;
	const rowBytes = columns * 4;
	const slabRows = rowsOfSlab(rows, rowBytes);
	const pairBytes = columns / groupSize * elementBytes[job.store];
	const layout = new Layout();
	const operands = [
		{
			from: job.words,
			bytesEach: columns * bits / 8
		},
		{
			from: job.scales,
			bytesEach: pairBytes
		},
		{
			from: job.biases,
			bytesEach: pairBytes
		}
	].map((operand) => ({
		...operand,
		offset: layout.place(slabRows * operand.bytesEach)
	}));
	const values = layout.place(slabRows * rowBytes);
	const out = shared(rows * rowBytes);
	const base = layout.claim();
	const [words, scales, biases] = operands.map(({ offset }) => base + offset);
	eachSlab(rows, slabRows, (start, end) => {
		for (const { from, bytesEach, offset } of operands) copyIn(base + offset, from, start * bytesEach, end * bytesEach);
		const count = (end - start) * columns;
		dequantize$1(bits, groupSize, words, scales, biases, dtypeCode[job.store], count, base + values);
		copyOut(base + values, out, start * rowBytes, end * rowBytes);
	});
	return new Float32Array(out.buffer);
}
function cast(job) {
	const { weights, from, to } = job;
	const [fromBytes, toBytes] = [elementBytes[from], elementBytes[to]];
	const count = weights.byteLength / fromBytes;
	const slab = Math.floor(slabBytes / fromBytes);
	const layout = new Layout();
	const [source, target] = [layout.place(slab * fromBytes), layout.place(slab * toBytes)];
	const out = shared(count * toBytes);
	const base = layout.claim();
	let nonFinite = 0;
	eachSlab(count, slab, (start, end) => {
		copyIn(base + source, weights, start * fromBytes, end * fromBytes);
		nonFinite += cast$1(base + source, dtypeCode[from], end - start, dtypeCode[to], base + target);
		copyOut(base + target, out, start * toBytes, end * toBytes);
	});
	return {
		bytes: out,
		nonFinite
	};
}

// src/kernel/worker.ts
/** A worker thread: one private instance, one task at a time. A trap ends the thread; the pool starts another. */
function run(task) {
	switch (task.kind) {
		case "quantize": return quantize(task.job, task.out);
		case "dequantize": return dequantize(task.job);
		case "cast": return cast(task.job);
	}
}
instantiate(workerData);
parentPort.on("message", (task) => parentPort.postMessage(run(task)));

export {  };