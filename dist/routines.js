import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// kernel-wasm/pkg/oqe_kernel.js
/**
* `y += x`
*
* # Safety
* As the module says.
* @param {number} y
* @param {number} x
* @param {number} count
*/
function add(y, x, count) {
	wasm.add(y, x, count);
}
/**
* Adds \u03a3 p_v (1 - p_v) · z over positions to the context of each token v of a [`ContextsCall`].
*
* # Safety
* As [`super::quantize`].
* @param {number} call
*/
function add_contexts(call) {
	wasm.add_contexts(call);
}
/**
* Adds the Fisher weights of each group of tokens to the sums of a [`FisherCall`].
*
* # Safety
* As [`super::quantize`].
* @param {number} call
*/
function add_fisher_weights(call) {
	wasm.add_fisher_weights(call);
}
/**
* `tile` += alpha·`left`\u1d40·`right` of a [`ProductCall`].
*
* # Safety
* As [`linear`].
* @param {number} call
*/
function add_product(call) {
	wasm.add_product(call);
}
/**
* Row r of `y` += weights[r] · row r of `x`.
*
* # Safety
* As the module says.
* @param {number} y
* @param {number} x
* @param {number} weights
* @param {number} rows
* @param {number} columns
*/
function add_weighted(y, x, weights, rows, columns) {
	wasm.add_weighted(y, x, weights, rows, columns);
}
/**
* Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and
* loses its contents.
* @param {number} bytes
* @returns {number}
*/
function arena(bytes) {
	return wasm.arena(bytes) >>> 0;
}
/**
* Causal attention of one sequence, an [`AttentionCall`]; changes `q` and `k`.
*
* # Safety
* As the module says.
* @param {number} call
*/
function attend(call) {
	wasm.attend(call);
}
/**
* Changes the dtype of the elements of a [`CastCall`]. Returns how many are NaN or infinite then.
*
* # Safety
* As [`quantize`].
* @param {number} call
* @returns {number}
*/
function cast$1(call) {
	return wasm.cast(call);
}
/**
* Replaces the upper triangle of H `[n, n]` by R with H = R\u1d40R. Gives the index of the first pivot
* that is not positive and finite, or -1. Values below the diagonal have no meaning.
*
* # Safety
* As [`linear`].
* @param {number} n
* @param {number} h
* @returns {number}
*/
function cholesky(n, h) {
	return wasm.cholesky(n, h);
}
/**
* `gate` = (u + 1) · g · sigmoid(1.702 g), with both operands clamped.
*
* # Safety
* As the module says.
* @param {number} gate
* @param {number} up
* @param {number} count
*/
function clamped_swiglu(gate, up, count) {
	wasm.clamped_swiglu(gate, up, count);
}
/**
* Compares the logits of a [`CompareCall`].
*
* # Safety
* As [`super::quantize`]; `positions` and `shares` are aligned to 8.
* @param {number} call
*/
function compare$1(call) {
	wasm.compare(call);
}
/**
* Decodes the rows of a [`DecodeCall`]. Returns how many results are NaN or infinite.
*
* # Safety
* As [`super::quantize`]; `values` is aligned to 4.
* @param {number} call
* @returns {number}
*/
function decode$1(call) {
	return wasm.decode(call);
}
/**
* Decodes the elements of a [`DequantizeCall`] into float32.
*
* # Safety
* As [`quantize`]; `out` is aligned to 4.
* @param {number} call
*/
function dequantize$1(call) {
	wasm.dequantize(call);
}
/**
* \u03a3 (x - y)² of each row, float64 into `out`; both given.
*
* # Safety
* As the module says.
* @param {number} x
* @param {number} y
* @param {number} rows
* @param {number} columns
* @param {number} out
*/
function distances$1(x, y, rows, columns, out) {
	wasm.distances(x, y, rows, columns, out);
}
/**
* Index of the first scale of a [`DecodeCall`] that is NaN, infinite or zero; -1: there is none.
*
* # Safety
* As [`super::quantize`].
* @param {number} call
* @returns {number}
*/
function first_bad_scale(call) {
	return wasm.first_bad_scale(call);
}
/**
* Visits blocks as [`tune_block`] does. Returns tr(W H W\u1d40) so far.
*
* # Safety
* As [`tune_block`].
* @param {number} call
* @param {number} start
* @param {number} end
* @param {number} factor
* @returns {number}
*/
function forecast_energy_block(call, start, end, factor) {
	return wasm.forecast_energy_block(call, start, end, factor);
}
/**
* Prepares `forecast_energy_block`, after `tune_prepare`. It uses the memory of task 0.
*
* # Safety
* As [`tune_prepare`].
* @param {number} call
*/
function forecast_energy_start(call) {
	wasm.forecast_energy_start(call);
}
/**
* The expected loss of a task, after `tune_prepare`. `pivots` are float32 in natural order.
*
* # Safety
* As [`tune_prepare`].
* @param {number} call
* @param {number} index
* @param {number} pivots
* @returns {number}
*/
function forecast_loss(call, index, pivots) {
	return wasm.forecast_loss(call, index, pivots);
}
/**
* Row r of `data` times sigmoid(gates[r]).
*
* # Safety
* As the module says.
* @param {number} data
* @param {number} gates
* @param {number} rows
* @param {number} columns
*/
function gate_rows(data, gates, rows, columns) {
	wasm.gate_rows(data, gates, rows, columns);
}
/**
* The sequence of a [`DeltaCall`] through its mixer.
*
* # Safety
* As the module says.
* @param {number} call
*/
function gated_delta(call) {
	wasm.gated_delta(call);
}
/**
* `y` = `x`·W\u1d40 + `bias` of a [`LinearCall`].
*
* # Safety
* As [`super::quantize`]; float32 operands are aligned to 4.
* @param {number} call
*/
function linear$1(call) {
	wasm.linear(call);
}
/**
* The sequence of a [`MambaCall`] through its mixer.
*
* # Safety
* As the module says.
* @param {number} call
*/
function mamba$1(call) {
	wasm.mamba(call);
}
/**
* Quantizes the rows of a [`QuantizeCall`].
*
* # Safety
* Every address lies in the arena with the memory that its operand needs; they do not overlap.
* @param {number} call
*/
function quantize$1(call) {
	wasm.quantize(call);
}
/**
* max(x, 0)² of `count` values, in place.
*
* # Safety
* As the module says.
* @param {number} data
* @param {number} count
*/
function relu_squared(data, count) {
	wasm.relu_squared(data, count);
}
/**
* Norms the rows of a [`NormCall`] in place.
*
* # Safety
* As the module says.
* @param {number} call
*/
function rms_norm(call) {
	wasm.rms_norm(call);
}
/**
* Computes the tables of a [`RotaryCall`].
*
* # Safety
* As the module says.
* @param {number} call
*/
function rotary$1(call) {
	wasm.rotary(call);
}
/**
* Chooses experts for the logits in `scores` of a [`RouteCall`], which become scores.
*
* # Safety
* As the module says.
* @param {number} call
*/
function route$1(call) {
	wasm.route(call);
}
/**
* Replaces B `[n, m]` by X with R\u1d40X = B, for R upper triangular `[n, n]`.
*
* # Safety
* As [`linear`].
* @param {number} n
* @param {number} m
* @param {number} r
* @param {number} b
*/
function solve$1(n, m, r, b) {
	wasm.solve(n, m, r, b);
}
/**
* `gate` = SiLU(gate) · up.
*
* # Safety
* As the module says.
* @param {number} gate
* @param {number} up
* @param {number} count
*/
function swiglu(gate, up, count) {
	wasm.swiglu(gate, up, count);
}
/**
* Tunes positions `[start, end)`. `factor` = R `[end - start, columns - start]`: their rows from
* column `start` on.
*
* # Safety
* As [`tune_prepare`].
* @param {number} call
* @param {number} start
* @param {number} end
* @param {number} factor
*/
function tune_block(call, start, end, factor) {
	wasm.tune_block(call, start, end, factor);
}
/**
* Maximum number of positions in a block.
* @returns {number}
*/
function tune_block_size() {
	return wasm.tune_block_size() >>> 0;
}
/**
* Makes a sampled job ready for [`tune_rounded_block`], after the last [`tune_block`].
*
* # Safety
* As [`tune_prepare`].
* @param {number} call
*/
function tune_compare(call) {
	wasm.tune_compare(call);
}
/**
* Writes the stored bytes and the sums of all rows.
*
* # Safety
* As [`tune_prepare`].
* @param {number} call
*/
function tune_finish(call) {
	wasm.tune_finish(call);
}
/**
* Writes the number of NaN and infinities among the weights of each task. If there are any, the
* job ends here.
*
* # Safety
* Every address of the [`TuneCall`] lies in the arena with the memory that its operand needs,
* aligned to 8.
* @param {number} call
*/
function tune_prepare(call) {
	wasm.tune_prepare(call);
}
/**
* Adds up the loss of plain rounding. Visits all blocks before the first [`tune_block`]; in a
* sampled job, after the last one and [`tune_compare`].
*
* # Safety
* As [`tune_block`].
* @param {number} call
* @param {number} start
* @param {number} end
* @param {number} factor
*/
function tune_rounded_block(call, start, end, factor) {
	wasm.tune_rounded_block(call, start, end, factor);
}
/**
* How many float64 of workspace a [`TuneCall`] needs. Of its addresses, only `tasks` must be set.
* `order` is only compared with 0.
*
* # Safety
* `call` is the address of a [`TuneCall`].
* @param {number} call
* @returns {number}
*/
function tune_workspace(call) {
	return wasm.tune_workspace(call) >>> 0;
}
/**
* Computes the weights of the given experts of a [`RouteCall`].
*
* # Safety
* As the module says.
* @param {number} call
*/
function weigh$1(call) {
	wasm.weigh(call);
}
/**
* `count` elements of dtype `from` as float32.
*
* # Safety
* As the module says.
* @param {number} elements
* @param {number} from
* @param {number} count
* @param {number} out
*/
function widen(elements, from, count, out) {
	wasm.widen(elements, from, count, out);
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

// src/kernel/collect.ts
/**
* V8 ignores SharedArrayBuffers when it decides whether to collect garbage. All matrices lie over
* such buffers, and every thread that received one keeps it alive until it collects. Within seconds
* that adds up to gigabytes. So each thread counts the shared memory that it handles and triggers
* collections itself.
*
* A young collection takes a tenth of a millisecond. It frees buffers that did not survive two of
* them. A full one takes some 50 ms in the main thread and frees all. So a full one follows when
* the bytes of all buffers have grown although young ones were made. The resident memory would not
* do as their measure: it contains memory that is free, but was not given back to the system.
* Buffers would fill that before any growth showed, and so be more at each time.
*/
const betweenYoung = 32 << 20;
/**
* Growth before a full collection: at the end of a step of a walk, and at any time. At any time it
* is half of what is in use, between the two: a small model has little garbage, too.
*/
const [mostLeft, mostGrown] = [32 << 20, 256 << 20];
/**
* Bytes of jobs after which a worker collects. Between two jobs nothing needs to survive, but what
* a long job refers to is not young any more. A full collection of a worker takes about 5 ms.
*/
const [youngOfJobs, fullOfJobs] = [8 << 20, 256 << 20];
let collector;
let [sinceYoung, sinceFull] = [0, 0];
/** The least bytes of buffers since the last full collection. */
let lowest = Number.POSITIVE_INFINITY;
/** Counts shared memory that this thread creates, and collects when it is due. */
function countShared(bytes) {
	sinceYoung += bytes;
	if (sinceYoung > betweenYoung) collectAbove(mostGrown);
}
/** Frees the buffers that this thread no longer refers to. For the end of a step of a walk. */
function collectShared() {
	collectAbove(mostLeft);
}
function collectAbove(growth) {
	collectYoung();
	const { arrayBuffers } = process.memoryUsage();
	lowest = Math.min(lowest, arrayBuffers);
	if (arrayBuffers - lowest <= Math.min(growth, Math.max(lowest / 2, mostLeft))) return;
	collectAll();
}
/** Frees all buffers that this thread no longer refers to. For the end of a stage of a walk. */
function collectAll() {
	collector ??= findCollector();
	collector();
	lowest = process.memoryUsage().arrayBuffers;
}
/** Frees the buffers of a worker's last job. Called when nothing refers to it any more. */
function collectJob(bytes) {
	sinceYoung += bytes;
	sinceFull += bytes;
	if (sinceFull > fullOfJobs) {
		[sinceYoung, sinceFull] = [0, 0];
		collector ??= findCollector();
		collector();
	} else if (sinceYoung > youngOfJobs) collectYoung();
}
/** Frees what this thread made lately and no longer refers to. */
function collectYoung() {
	sinceYoung = 0;
	collector ??= findCollector();
	collector({ type: "minor" });
}
function findCollector() {
	setFlagsFromString("--expose-gc");
	return runInNewContext("gc");
}
/** Bytes of all arrays in a job. */
function bytesIn(value) {
	if (ArrayBuffer.isView(value)) return value.byteLength;
	if (typeof value !== "object" || value === null) return 0;
	return Object.values(value).reduce((sum, part) => sum + bytesIn(part), 0);
}

// src/kernel/dtype.ts
/** Bytes per element of every safetensors dtype that we may meet in a header. */
const bytesPerElement = {
	BOOL: 1,
	U8: 1,
	I8: 1,
	F8_E4M3: 1,
	F8_E5M2: 1,
	F8_E8M0: 1,
	U16: 2,
	I16: 2,
	F16: 2,
	BF16: 2,
	U32: 4,
	I32: 4,
	F32: 4,
	U64: 8,
	I64: 8,
	F64: 8
};
function isFloat(dtype) {
	return dtype === "BF16" || dtype === "F16" || dtype === "F32";
}

// src/kernel/matrix.ts
/** A matrix of zeros. */
function newMatrix(rows, columns) {
	return {
		data: sharedFloats(rows * columns),
		rows,
		columns
	};
}
/** Rows `[start, end)`: the same memory. */
function rowsOf({ data, columns }, start, end) {
	return {
		data: data.subarray(start * columns, end * columns),
		rows: end - start,
		columns
	};
}
/** Copies all values of a matrix into another one of the same shape. */
function copyMatrix(from, into) {
	const [source, target] = [from, into].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
	source.copy(target);
}
/** Sets all values to 0. Gives the matrix. */
function clear(matrix) {
	const { buffer, byteOffset, byteLength } = matrix.data;
	Buffer.from(buffer, byteOffset, byteLength).fill(0);
	return matrix;
}
/** Output rows `[start, end)` of a weight, without codes: the same memory. */
function weightRows({ bytes, dtype, columns }, start, end) {
	const rowBytes = columns * bytesPerElement[dtype];
	return {
		bytes: bytes.subarray(start * rowBytes, end * rowBytes),
		dtype,
		rows: end - start,
		columns
	};
}
/** Weights one below the other as one weight, without codes. A single one is not copied. */
function joinRows(parts) {
	const [first] = parts;
	if (first === void 0) throw new RangeError("no parts to join");
	if (parts.length === 1) return first;
	const bytes = sharedBytes(parts.reduce((sum, part) => sum + part.bytes.length, 0));
	let at = 0;
	for (const part of parts) {
		bytes.set(part.bytes, at);
		at += part.bytes.length;
	}
	return {
		...first,
		bytes,
		rows: parts.reduce((sum, { rows }) => sum + rows, 0)
	};
}
/** The bytes of a typed array: the same memory. */
function bytesOf({ buffer, byteOffset, byteLength }) {
	return new Uint8Array(buffer, byteOffset, byteLength);
}
/** Flat float32 values as a weight with `columns` columns: the same memory. */
function asWeight(values, columns) {
	return {
		bytes: bytesOf(values),
		dtype: "F32",
		rows: values.length / columns,
		columns
	};
}
/** The values of a float32 weight: the same memory. */
function floatsOf({ bytes: { buffer, byteOffset, byteLength } }) {
	return new Float32Array(buffer, byteOffset, byteLength / 4);
}
function sharedFloats(count) {
	return new Float32Array(shared(4 * count));
}
function sharedDoubles(count) {
	return new Float64Array(shared(8 * count));
}
function sharedIntegers(count) {
	return new Uint32Array(shared(4 * count));
}
function sharedBytes(count) {
	return new Uint8Array(shared(count));
}
/** The bytes themselves if they lie in shared memory, else a copy in shared memory. */
function inShared(bytes) {
	if (isShared(bytes)) return bytes;
	const copy = sharedBytes(bytes.byteLength);
	copy.set(bytes);
	return copy;
}
function isShared(bytes) {
	return bytes.buffer instanceof SharedArrayBuffer;
}
function shared(bytes) {
	countShared(bytes);
	return new SharedArrayBuffer(bytes);
}
/** Calls `fail` where a job's matrix, or its memory, has another shape than `[rows, columns]`. */
function checkMatrix(name, matrix, [rows, columns], fail) {
	if (matrix.rows !== rows || matrix.columns !== columns) fail(`${name} is ${matrix.rows}x${matrix.columns}, expected ${rows}x${columns}`);
	if (matrix.data.length !== rows * columns) fail(`${name} has ${matrix.data.length} elements for ${rows}x${columns}`);
}
/** Calls `fail` where a row number lies outside of the matrix. */
function checkRows(rows, matrix, fail) {
	if (rows.some((row) => row >= matrix.rows)) fail(`a row number outside the ${matrix.rows} rows`);
}

// src/kernel/triangle.ts
/**
* The upper triangle of a `[d, d]` matrix that is symmetric or triangular, in float32: row after
* row, each from its diagonal on. So it takes half of the memory of a square. Element (i, j) with j
* >= i is at `rowOf(d, i) + j`.
*/
function triangleSize(d) {
	return d * (d + 1) / 2;
}
function rowOf(d, i) {
	return i * d - i * (i + 1) / 2;
}
/** A triangle of zeros. */
function newTriangle(d) {
	return sharedFloats(triangleSize(d));
}
/** Calls `fail` where a job's triangle has the size of another d. */
function checkTriangle(name, { length }, d, fail) {
	const expected = triangleSize(d);
	if (length !== expected) fail(`${name} has ${length} elements, expected ${expected}`);
}

// src/kernel/arena.ts
/**
* This thread's WebAssembly memory. Routines copy their operands from host memory into the arena,
* call the kernel with addresses, and copy results out. Only this file, struct.ts and routines/ use
* addresses.
*/
let memory;
/** Codes of the dtypes in exports.rs. */
const dtypeCode = {
	BF16: 0,
	F16: 1,
	F32: 2
};
/** Gives this thread its private instance. Call it once, before any job. */
function instantiate(module) {
	memory = initSync({ module }).memory;
}
/** What one allocation of Rust may take where addresses have 32 bits. */
const mostOfArena = 2 ** 31 - 64;
/** Offsets of a job's operands within the arena, each at its own cache line. */
var Layout = class {
	size = 0;
	place(bytes) {
		const offset = this.size;
		this.size = Math.ceil((offset + bytes) / 64) * 64;
		return offset;
	}
	/** Address of an arena of this size. Earlier views of the memory become invalid. */
	claim() {
		if (this.size > mostOfArena) throw new Error(`${this.size} bytes for one row exceed the 2 GiB of a worker's memory`);
		return arena(this.size) >>> 0;
	}
};
/** How many of `rows` rows of `rowBytes` bytes fit a core's second-level cache, at least 1. */
function rowsOfSlab(rows, rowBytes) {
	return Math.min(rows, Math.max(1, Math.floor(slabBytes / rowBytes)));
}
const slabBytes = 131072;
/** Visits `[start, end)` of `count` rows, `step` at a time. */
function eachSlab(count, step, visit) {
	for (let start = 0; start < count; start += step) visit(start, Math.min(count, start + step));
}
/** Copies bytes `[start, end)` of host memory into the arena. */
function copyIn(address, from, start, end) {
	asBuffer(from).copy(Buffer.from(memory.buffer, address, end - start), 0, start, end);
}
/** Copies from the arena to bytes `[start, end)` of host memory. */
function copyOut(address, into, start, end) {
	Buffer.from(memory.buffer, address, end - start).copy(asBuffer(into), start);
}
/** Copies a rectangle into the arena, its rows one after the other. */
function copyRectangleIn(address, { data, columns, top, bottom, left, right, rows }) {
	const bytes = 4 * (right - left);
	const host = asBuffer(bytesOf(data));
	const arena = Buffer.from(memory.buffer, address, (bottom - top) * bytes);
	if (!rows && right - left === columns) {
		host.copy(arena, 0, top * bytes, bottom * bytes);
		return;
	}
	for (let i = top; i < bottom; i++) {
		const start = 4 * ((rows ? rows[i] : i) * columns + left);
		host.copy(arena, (i - top) * bytes, start, start + bytes);
	}
}
/** Copies from the arena to a rectangle. */
function copyRectangleOut(address, rectangle) {
	const { data, columns, top, bottom, left, right } = rectangle;
	const bytes = 4 * (right - left);
	const host = asBuffer(bytesOf(data));
	const arena = Buffer.from(memory.buffer, address, (bottom - top) * bytes);
	if (right - left === columns) {
		arena.copy(host, top * bytes);
		return;
	}
	for (let i = 0; i < bottom - top; i++) arena.copy(host, 4 * ((top + i) * columns + left), i * bytes, (i + 1) * bytes);
}
/** Copies rows `[top, bottom)` of a matrix into the arena. */
function copyRowsIn(address, { data, columns }, top, bottom) {
	copyRectangleIn(address, {
		data,
		columns,
		top,
		bottom,
		left: 0,
		right: columns
	});
}
/** Copies from the arena to rows `[top, bottom)` of a matrix. */
function copyRowsOut(address, { data, columns }, top, bottom) {
	copyRectangleOut(address, {
		data,
		columns,
		top,
		bottom,
		left: 0,
		right: columns
	});
}
/** Copies consecutive rows in the arena to the rows `rows` of a matrix. */
function scatterRows(address, { data, columns }, rows) {
	const bytes = 4 * columns;
	const host = asBuffer(bytesOf(data));
	const arena = Buffer.from(memory.buffer, address, rows.length * bytes);
	for (let i = 0; i < rows.length; i++) arena.copy(host, rows[i] * bytes, i * bytes, (i + 1) * bytes);
}
/** Copies a part into the arena, its rows one after the other. What lies below is left out. */
function copyTriangleIn(address, part) {
	const { host, arena } = buffersOf(address, part);
	eachRow(part, (from, to, bytes) => host.copy(arena, to, from, from + bytes));
}
/** Copies from the arena to a part. */
function copyTriangleOut(address, part) {
	const { host, arena } = buffersOf(address, part);
	eachRow(part, (to, from, bytes) => arena.copy(host, to, from, from + bytes));
}
/** The rows of a part alone: a Buffer of Node 20 has at most 4 GiB. */
function buffersOf(address, part) {
	const { data, d, top, bottom, left, right } = part;
	const [start, end] = [placeOf(part, top), rowOf(d, Math.min(bottom, right) - 1) + right];
	const bytes = Math.max(0, 4 * (end - start));
	return {
		host: Buffer.from(data.buffer, data.byteOffset + 4 * start, bytes),
		arena: Buffer.from(memory.buffer, address, 4 * (bottom - top) * (right - left))
	};
}
/** Where a row of a part starts in its triangle. */
function placeOf({ d, left }, row) {
	return rowOf(d, row) + Math.max(left, row);
}
/** Visits the bytes of each row of a part: from its first one in host memory, and in the arena. */
function eachRow(part, visit) {
	const { top, bottom, left, right } = part;
	const start = placeOf(part, top);
	for (let i = top; i < Math.min(bottom, right); i++) {
		const skipped = Math.max(0, i - left);
		const inArena = 4 * ((i - top) * (right - left) + skipped);
		visit(4 * (placeOf(part, i) - start), inArena, 4 * (right - left - skipped));
	}
}
/**
* The same memory as a Buffer. A Buffer copies shared memory in bulk; a typed array's `set` copies
* it word by word.
*/
function asBuffer({ buffer, byteOffset, byteLength }) {
	return Buffer.from(buffer, byteOffset, byteLength);
}

// src/kernel/routines/accumulate.ts
const accumulate = {
	describe: ({ x, y }) => `sum of ${x.rows}x${x.columns} into ${y.rows} rows`,
	check({ x, rows, weights, y }, fail) {
		checkMatrix("x", x, [rows.length, y.columns], fail);
		checkMatrix("y", y, [y.rows, y.columns], fail);
		if (weights.length !== rows.length) fail(`${weights.length} weights for ${rows.length} rows`);
		checkRows(rows, y, fail);
	},
	run({ x, rows, weights, y }) {
		const { columns } = y;
		const slab = rowsOfSlab(rows.length, 4 * columns);
		const layout = new Layout();
		const [atX, atY] = [layout.place(4 * slab * columns), layout.place(4 * slab * columns)];
		const atWeights = layout.place(4 * slab);
		const base = layout.claim();
		for (let top = 0; top < rows.length; top += slab) {
			const bottom = Math.min(rows.length, top + slab);
			copyRowsIn(base + atX, x, top, bottom);
			copyRectangleIn(base + atY, {
				...y,
				rows,
				top,
				bottom,
				left: 0,
				right: columns
			});
			copyIn(base + atWeights, bytesOf(weights), 4 * top, 4 * bottom);
			add_weighted(base + atY, base + atX, base + atWeights, bottom - top, columns);
			scatterRows(base + atY, y, rows.subarray(top, bottom));
		}
	}
};

// src/kernel/struct.ts
const sizes = {
	usize: 4,
	f32: 4,
	f64: 8
};
/** Declares a struct. Exported under the Rust struct's name; struct.test.ts compares the two. */
function struct(fields) {
	const offsets = /* @__PURE__ */ new Map();
	let bytes = 0;
	for (const [name, kind] of Object.entries(fields)) {
		bytes = Math.ceil(bytes / sizes[kind]) * sizes[kind];
		offsets.set(name, bytes);
		bytes += sizes[kind];
	}
	const alignment = Math.max(...Object.values(fields).map((kind) => sizes[kind]));
	bytes = Math.ceil(bytes / alignment) * alignment;
	const view = (address) => new DataView(memory.buffer, address, bytes);
	return {
		fields,
		bytes,
		write(address, values) {
			const at = view(address);
			for (const [name, offset] of offsets) set[fields[name]](at, offset, values[name]);
		},
		read(address) {
			const at = view(address);
			const values = [...offsets].map(([name, offset]) => [name, get[fields[name]](at, offset)]);
			return Object.fromEntries(values);
		}
	};
}
const set = {
	usize: (view, offset, value) => view.setUint32(offset, value, true),
	f32: (view, offset, value) => view.setFloat32(offset, value, true),
	f64: (view, offset, value) => view.setFloat64(offset, value, true)
};
const get = {
	usize: (view, offset) => view.getUint32(offset, true),
	f32: (view, offset) => view.getFloat32(offset, true),
	f64: (view, offset) => view.getFloat64(offset, true)
};

// src/kernel/routines/attention.ts
/** Columns of q. */
function queryColumns({ queries, size, valueSize, gated }) {
	return queries * (size + (gated ? valueSize : 0));
}
/** The options of plain attention. */
const plainHeads = {
	norms: null,
	rotary: null,
	scale: null,
	window: null,
	softcap: null,
	sinks: null,
	gated: false
};
const AttentionCall = struct({
	tokens: "usize",
	queries: "usize",
	keys: "usize",
	size: "usize",
	valueSize: "usize",
	queryNorm: "usize",
	keyNorm: "usize",
	eps: "f32",
	cosines: "usize",
	sines: "usize",
	rotaryPart: "usize",
	scale: "f32",
	window: "usize",
	softcap: "f32",
	sinks: "usize",
	gated: "usize",
	q: "usize",
	k: "usize",
	v: "usize",
	y: "usize"
});
const attention = {
	describe: ({ q, heads }) => `attention of ${heads.queries}/${heads.keys} heads over ${q.rows} tokens`,
	check({ q, k, v, length, heads, y }, fail) {
		const { queries, keys, size, valueSize } = heads;
		if (queries % keys !== 0) fail(`${queries} query heads on ${keys} key heads`);
		if (length < 1 || q.rows % length !== 0) fail(`${q.rows} tokens in sequences of ${length}`);
		for (const [name, matrix, columns] of [
			[
				"q",
				q,
				queryColumns(heads)
			],
			[
				"k",
				k,
				keys * size
			],
			[
				"v",
				v,
				keys * valueSize
			],
			[
				"y",
				y,
				queries * valueSize
			]
		]) checkMatrix(name, matrix, [q.rows, columns], fail);
		checkOptions(heads, length, fail);
	},
	run({ q, k, v, length, heads, y }) {
		const layout = new Layout();
		const atCall = layout.place(AttentionCall.bytes);
		const tables = placeTables(heads, length, layout);
		const places = [
			q,
			k,
			v,
			y
		].map(({ columns }) => layout.place(4 * length * columns));
		const base = layout.claim();
		const [atQ, atK, atV, atY] = places.map((offset) => base + offset);
		for (const { table, bytes, offset } of tables) if (table) copyIn(base + offset, bytesOf(table), 0, bytes);
		const [queryNorm, keyNorm, cosines, sines, sinks] = tables.map(({ table, offset }) => table ? base + offset : 0);
		AttentionCall.write(base + atCall, {
			tokens: length,
			queries: heads.queries,
			keys: heads.keys,
			size: heads.size,
			valueSize: heads.valueSize,
			queryNorm,
			keyNorm,
			eps: heads.norms?.eps ?? 0,
			cosines,
			sines,
			rotaryPart: heads.rotary?.part ?? 0,
			scale: heads.scale ?? 0,
			window: heads.window ?? 0,
			softcap: heads.softcap ?? 0,
			sinks,
			gated: heads.gated ? 1 : 0,
			q: atQ,
			k: atK,
			v: atV,
			y: atY
		});
		for (let top = 0; top < q.rows; top += length) {
			const bottom = top + length;
			copyRowsIn(atQ, q, top, bottom);
			copyRowsIn(atK, k, top, bottom);
			copyRowsIn(atV, v, top, bottom);
			attend(base + atCall);
			copyRowsOut(atY, y, top, bottom);
		}
	}
};
/** The norms, rotary tables and sinks of a sequence, those that a model has. */
function placeTables({ size, queries, norms, rotary, sinks }, length, to) {
	const angles = length * (rotary?.part ?? 0) / 2;
	return [
		[norms?.query, size],
		[norms?.key, size],
		[rotary?.cosines, angles],
		[rotary?.sines, angles],
		[sinks, queries]
	].map(([table, count]) => ({
		table: table ?? null,
		bytes: 4 * count,
		offset: to.place(table ? 4 * count : 0)
	}));
}
function checkOptions(heads, length, fail) {
	const { queries, size, norms, rotary, scale, window, softcap, sinks } = heads;
	if (norms && (norms.query.length !== size || norms.key.length !== size)) fail(`head norms of ${norms.query.length} and ${norms.key.length} weights for heads of ${size}`);
	for (const [name, value] of [["scale", scale], ["softcap", softcap]]) if (value !== null && !(value > 0 && Number.isFinite(value))) fail(`a ${name} of ${value}`);
	if (window !== null && !(Number.isSafeInteger(window) && window > 0)) fail(`a window of ${window} tokens`);
	if (sinks && sinks.length !== queries) fail(`${sinks.length} sinks for ${queries} query heads`);
	if (rotary === null) return;
	const { part, cosines, sines } = rotary;
	if (!(part > 0 && part <= size && part % 2 === 0)) fail(`${part} of ${size} channels cannot be rotated`);
	for (const table of [cosines, sines]) if (table.length < length * part / 2) fail(`a rotary table of ${table.length} angles`);
}

// src/kernel/width.ts
/** Widths that MLX's affine format knows. */
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
/** MLX's mxfp4: E2M1 codes, with a power of two for 32 of them. Only for a base that has them. */
const mxfp4Width = {
	bits: 4,
	groupSize: 32,
	mode: "mxfp4"
};
function isMxfp4({ mode }) {
	return mode === "mxfp4";
}
/** Calls `fail` where MLX has no such affine width, or its groups do not fill rows of `columns`. */
function checkWidth({ bits, groupSize, mode }, columns, fail) {
	if (mode !== void 0) fail(`codes of ${mode} are copied, not computed`);
	if (!bitWidths.includes(bits)) fail(`MLX has no ${bits}-bit format, only ${bitWidths.join(", ")}`);
	if (!groupSizes.includes(groupSize)) fail(`MLX has no groups of ${groupSize}, only ${groupSizes.join(", ")}`);
	if (columns % groupSize !== 0) fail(`${columns} columns are not a multiple of the group of ${groupSize}`);
}
/** Calls `fail` where rows or columns are not whole numbers above 0. */
function checkShape({ rows, columns }, fail) {
	for (const n of [rows, columns]) if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
}
function checkDtype(dtype, fail) {
	if (!isFloat(dtype)) fail(`${dtype} is not a float dtype`);
}

// src/kernel/routines/cast.ts
const CastCall = struct({
	elements: "usize",
	from: "usize",
	count: "usize",
	to: "usize",
	out: "usize"
});
/**
* Rounds to nearest, half to even; NaN stays NaN. Gives how many results are NaN or infinite,
* whether they were before or the narrower range made them so.
*/
const cast = {
	describe: ({ weights, from, to }) => `cast of ${weights.byteLength} bytes ${from} to ${to}`,
	check({ weights, from, to, out }, fail) {
		for (const dtype of [from, to]) checkDtype(dtype, fail);
		const count = weights.byteLength / bytesPerElement[from];
		if (!Number.isInteger(count)) fail("weights end within an element");
		const expected = count * bytesPerElement[to];
		if (out.byteLength !== expected) fail(`the output has ${out.byteLength} bytes, expected ${expected}`);
	},
	run({ weights, from, to, out }) {
		const [fromBytes, toBytes] = [bytesPerElement[from], bytesPerElement[to]];
		const count = weights.byteLength / fromBytes;
		const slab = rowsOfSlab(count, fromBytes);
		const layout = new Layout();
		const atCall = layout.place(CastCall.bytes);
		const [atElements, atOut] = [layout.place(slab * fromBytes), layout.place(slab * toBytes)];
		const base = layout.claim();
		let nonFinite = 0;
		eachSlab(count, slab, (start, end) => {
			copyIn(base + atElements, weights, start * fromBytes, end * fromBytes);
			CastCall.write(base + atCall, {
				elements: base + atElements,
				from: dtypeCode[from],
				count: end - start,
				to: dtypeCode[to],
				out: base + atOut
			});
			nonFinite += cast$1(base + atCall);
			copyOut(base + atOut, out, start * toBytes, end * toBytes);
		});
		return { nonFinite };
	}
};

// src/kernel/routines/center.ts
/** Returns the sum of the squares of the result. */
const center = {
	describe: ({ x }) => `centering of ${x.rows}x${x.columns}`,
	check({ x, factors }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		if (factors.length !== x.columns) fail(`${factors.length} factors for ${x.columns} columns`);
	},
	run({ x: { data, rows, columns }, factors }) {
		const means = new Float64Array(columns);
		for (let i = 0; i < data.length; i++) means[i % columns] += data[i] / rows;
		let squares = 0;
		for (let i = 0; i < data.length; i++) {
			data[i] = factors[i % columns] * (data[i] - means[i % columns]);
			squares += data[i] * data[i];
		}
		return { squares };
	}
};

// src/kernel/routines/cluster.ts
const cluster = {
	describe: ({ points, groups }) => `clustering of ${points.rows} points into ${groups}`,
	check({ points, groups, labels }, fail) {
		if (labels.length !== points.rows) fail(`${labels.length} labels for ${points.rows} points`);
		if (!(groups >= 1 && groups <= points.rows)) fail(`${groups} groups for ${points.rows} points`);
	},
	run({ points: { data, rows, columns }, groups, rounds, labels }) {
		for (let i = 0; i < rows; i++) normalize(data.subarray(i * columns, (i + 1) * columns));
		const centres = new Float64Array(groups * columns);
		for (let g = 0; g < groups; g++) {
			const first = Math.floor(g * rows / groups);
			centres.set(data.subarray(first * columns, (first + 1) * columns), g * columns);
		}
		for (let round = 0;; round++) {
			for (let i = 0; i < rows; i++) labels[i] = nearest(data, i * columns, centres, columns);
			if (round === rounds) return;
			const sums = new Float64Array(centres.length);
			for (let i = 0; i < rows; i++) {
				const at = labels[i] * columns;
				for (let k = 0; k < columns; k++) sums[at + k] += data[i * columns + k];
			}
			for (let g = 0; g < groups; g++) {
				const sum = sums.subarray(g * columns, (g + 1) * columns);
				if (normalize(sum)) centres.set(sum, g * columns);
			}
		}
	}
};
function nearest(data, start, centres, columns) {
	let [best, largest] = [0, Number.NEGATIVE_INFINITY];
	for (let at = 0, group = 0; at < centres.length; at += columns, group++) {
		let product = 0;
		for (let k = 0; k < columns; k++) product += data[start + k] * centres[at + k];
		if (product > largest) [best, largest] = [group, product];
	}
	return best;
}
/** Scales to length 1. Returns false for a vector of zeros. */
function normalize(vector) {
	let squares = 0;
	for (const value of vector) squares += value * value;
	if (!(squares > 0)) return false;
	const length = Math.sqrt(squares);
	for (let k = 0; k < vector.length; k++) vector[k] /= length;
	return true;
}

// src/kernel/routines/linear.ts
const LinearCall = struct({
	x: "usize",
	rows: "usize",
	inputs: "usize",
	weight: "usize",
	from: "usize",
	outputs: "usize",
	widened: "usize",
	bias: "usize",
	y: "usize"
});
/**
* Maximum float32 in the arena for rows of x, and for rows of the weight. Both hold at least one
* micro-tile of the product.
*/
const [mostOfX, mostOfWeight] = [8 * 2 ** 20, 2 * 2 ** 20];
/** Rows and columns of a micro-tile of the product (gemm.rs). Slabs are whole micro-tiles. */
const [microRows, microColumns] = [6, 8];
/**
* How many rows of `width` elements make a slab of at most `most` elements, in whole micro-tiles.
*/
function slabOf(count, width, most, micro) {
	return Math.min(count, Math.max(micro, Math.floor(most / width / micro) * micro));
}
const linear = {
	describe: ({ x, weight, y }) => `product of ${y.rows}x${x.columns} rows and ${weight.rows}x${weight.columns} weights`,
	check({ x, rows, weight, bias, y, left }, fail) {
		const elementBytes = bytesPerElement[weight.dtype] ?? fail(`${weight.dtype} is not a dtype`);
		if (!(weight.dtype in dtypeCode)) fail(`${weight.dtype} is not a float dtype`);
		if (x.columns !== weight.columns) fail("x and the weight differ in their input width");
		if (!(left === void 0 ? y.columns === weight.rows : y.columns >= left + weight.rows)) fail(`y has ${y.columns} columns for ${weight.rows} output rows from column ${left ?? 0} on`);
		if (y.rows !== (rows ?? { length: x.rows }).length) fail(`y has ${y.rows} rows, expected ${rows?.length ?? x.rows}`);
		for (const { data, rows, columns } of [x, y]) if (data.length !== rows * columns) fail(`${data.length} elements for ${rows}x${columns}`);
		if (weight.bytes.length !== weight.rows * weight.columns * elementBytes) fail(`the weight has ${weight.bytes.length} bytes`);
		if (bias && bias.length !== weight.rows) fail(`the bias has ${bias.length} elements`);
		if (rows?.some((row) => row >= x.rows)) fail(`a row number outside the ${x.rows} rows of x`);
	},
	run({ x, rows, weight, bias, y, left: first = 0, squared = false }) {
		const inputs = weight.columns;
		const [high, wide] = [slabOf(y.rows, inputs, mostOfX, microRows), slabOf(weight.rows, inputs, mostOfWeight, microColumns)];
		const layout = new Layout();
		const places = placeProduct(layout, [
			high,
			wide,
			inputs
		], weight.dtype);
		const atY = layout.place(4 * high * wide);
		const base = layout.claim();
		for (let top = 0; top < y.rows; top += high) {
			const bottom = Math.min(y.rows, top + high);
			copyRectangleIn(base + places.x, {
				...x,
				rows,
				top,
				bottom,
				left: 0,
				right: inputs
			});
			for (let left = 0; left < weight.rows; left += wide) {
				const right = Math.min(weight.rows, left + wide);
				copyWeightIn(base, places, weightRows(weight, left, right), bias?.subarray(left, right));
				multiply(base, places, [
					bottom - top,
					right - left,
					inputs
				], {
					from: weight.dtype,
					bias: bias !== null,
					y: base + atY
				});
				if (squared) relu_squared(base + atY, (bottom - top) * (right - left));
				const place = {
					top,
					bottom,
					left: first + left,
					right: first + right
				};
				copyRectangleOut(base + atY, {
					...y,
					...place
				});
			}
		}
	}
};
/** Places the operands of products of at most this shape. */
function placeProduct(layout, [rows, outputs, inputs], dtype) {
	return {
		x: layout.place(4 * rows * inputs),
		weight: layout.place(bytesPerElement[dtype] * outputs * inputs),
		wide: layout.place(4 * outputs * inputs),
		bias: layout.place(4 * outputs),
		call: layout.place(LinearCall.bytes)
	};
}
function copyWeightIn(base, places, { bytes }, bias) {
	copyIn(base + places.weight, bytes, 0, bytes.length);
	if (bias) copyIn(base + places.bias, bytesOf(bias), 0, bias.byteLength);
}
/** Multiplies operands in the arena into the address `y`. */
function multiply(base, places, [rows, outputs, inputs], { from, bias, y }) {
	LinearCall.write(base + places.call, {
		x: base + places.x,
		rows,
		inputs,
		weight: base + places.weight,
		from: dtypeCode[from],
		outputs,
		widened: base + places.wide,
		bias: bias ? base + places.bias : 0,
		y
	});
	linear$1(base + places.call);
}

// src/kernel/routines/compare.ts
/** Numbers of a position. */
const comparisonColumns = 13;
const CompareCall = struct({
	base: "usize",
	model: "usize",
	next: "usize",
	rows: "usize",
	columns: "usize",
	first: "usize",
	positions: "usize",
	shares: "usize",
	known: "usize"
});
const compare = {
	describe: ({ base: { x, weight }, models }) => `comparison of ${x.rows} positions, ${weight.rows} tokens, ${models.length} models`,
	check({ base, models, next, out }, fail) {
		const { rows } = base.x;
		for (const input of [base, ...models]) checkInput(input, [rows, base.weight.rows], fail);
		if (next.length !== rows) fail(`${next.length} next tokens`);
		if (out.length !== models.length) fail(`${out.length} results`);
		for (const { length } of out) if (length !== 13 * rows) fail(`${length} results for ${rows} positions`);
	},
	run({ base, models, first, next, out }) {
		const [rows, columns] = [base.x.rows, base.weight.rows];
		const resultBytes = 104 * rows;
		const inputs = Math.max(...[base, ...models].map(({ x }) => x.columns));
		const layout = new Layout();
		const places = placeProduct(layout, [
			rows,
			columns,
			inputs
		], "F32");
		const [atBase, atModel] = [layout.place(4 * rows * columns), layout.place(4 * rows * columns)];
		const [atNext, atPositions] = [layout.place(4 * rows), layout.place(resultBytes)];
		const [atShares, atCall] = [layout.place(8 * rows * columns), layout.place(CompareCall.bytes)];
		const at = layout.claim();
		let inArena = null;
		const product = ({ x, weight, bias }, offset) => {
			copyRowsIn(at + places.x, x, 0, rows);
			if (weight !== inArena) copyWeightIn(at, places, weight, bias);
			inArena = weight;
			const shape = [
				rows,
				columns,
				x.columns
			];
			const rest = {
				from: weight.dtype,
				bias: bias !== null,
				y: at + offset
			};
			multiply(at, places, shape, rest);
		};
		const operands = {
			base: at + atBase,
			model: at + atModel,
			next: at + atNext
		};
		const positions = at + atPositions;
		const call = {
			...operands,
			rows,
			columns,
			first,
			positions,
			shares: at + atShares
		};
		copyIn(at + atNext, bytesOf(next), 0, next.byteLength);
		product(base, atBase);
		for (const [i, model] of models.entries()) {
			product(model, atModel);
			copyIn(positions, bytesOf(out[i]), 0, resultBytes);
			CompareCall.write(at + atCall, {
				...call,
				known: Number(i > 0)
			});
			compare$1(at + atCall);
			copyOut(positions, bytesOf(out[i]), 0, resultBytes);
		}
	}
};
function checkInput({ x, weight, bias }, [rows, tokens], fail) {
	if (!(weight.dtype in dtypeCode)) fail(`${weight.dtype} is not a float dtype`);
	if (x.rows !== rows || weight.rows !== tokens) fail(`a model has ${x.rows} positions and ${weight.rows} tokens`);
	if (x.columns !== weight.columns) fail("x and the weight differ in their input width");
	if (x.data.length !== x.rows * x.columns) fail(`${x.data.length} elements of x`);
	if (weight.bytes.length !== weight.rows * weight.columns * bytesPerElement[weight.dtype]) fail(`the weight has ${weight.bytes.length} bytes`);
	if (bias && bias.length !== weight.rows) fail(`the bias has ${bias.length} elements`);
}

// src/kernel/routines/compensation.ts
const compensation = {
	describe: ({ d, top, bottom }) => `compensation of positions ${top} to ${bottom} of ${d}`,
	check({ factor, d, top, bottom, out }, fail) {
		checkTriangle("the factor", factor, d, fail);
		if (!(top >= 0 && top < bottom && bottom < d)) fail(`positions ${top} to ${bottom} of ${d}: expected a block with positions after it`);
		checkMatrix("the output", out, [d - bottom, bottom - top], fail);
	},
	run({ factor, d, top, bottom, out }) {
		const [n, later] = [bottom - top, d - bottom];
		const layout = new Layout();
		const [offsetOfBlock, offsetOfRows] = [layout.place(4 * n * n), layout.place(4 * n * later)];
		const base = layout.claim();
		const block = new Float32Array(memory.buffer, base + offsetOfBlock, n * n);
		for (let i = 0; i < n; i++) {
			for (let j = i; j < n; j++) block[i * n + j] = factor[rowOf(d, bottom - 1 - j) + bottom - 1 - i];
			const row = bottom - 1 - i;
			const place = base + offsetOfRows + 4 * i * later;
			const part = {
				data: factor,
				d,
				top: row,
				bottom: row + 1
			};
			copyTriangleIn(place, {
				...part,
				left: bottom,
				right: d
			});
		}
		solve$1(n, later, base + offsetOfBlock, base + offsetOfRows);
		const solved = new Float32Array(memory.buffer, base + offsetOfRows, n * later);
		for (let i = 0; i < n; i++) for (let k = 0; k < later; k++) out.data[k * n + n - 1 - i] = solved[i * later + k];
	}
};

// src/kernel/routines/condition.ts
/** Positions that are written at once where a row of G gives a column of H: some cache lines. */
const positionsAtOnce = 64;
const condition = {
	describe: ({ order }) => `conditioning of ${order.length}x${order.length}`,
	check({ gram, target, share, damping, order, diagonal, factor }, fail) {
		const d = order.length;
		checkTriangle("the gram", gram, d, fail);
		if (target) checkTriangle("the target", target, d, fail);
		checkTriangle("the factor", factor, d, fail);
		if (diagonal.length !== d) fail(`the diagonal has ${diagonal.length} elements`);
		if (!(share >= 0 && share <= 1)) fail(`a share of ${share}, expected 0 to 1`);
		if (!(damping >= 0 && damping < Number.POSITIVE_INFINITY)) fail(`a damping of ${damping}, expected a finite number from 0`);
		const same = (one) => one?.buffer === factor.buffer && one.byteOffset === factor.byteOffset;
		if (same(gram) || same(target)) fail("the factor would overwrite its source");
	},
	run(job) {
		const { gram, target, share, damping, order, diagonal, factor } = job;
		const d = order.length;
		const mixture = mix(traceOf(gram, d), target && traceOf(target, d), share);
		const answer = conditionDiagonal(job, mixture);
		const { dead, mean, trace } = answer;
		order.set(Array.from(diagonal.keys()).sort((a, b) => diagonal[a] - diagonal[b] || b - a));
		permute(job, mixture, answer.isLive);
		for (let p = 0; p < d; p++) factor[rowOf(d, p) + p] = diagonal[order[p]] + damping * mean;
		return {
			dead,
			mean,
			trace
		};
	}
};
function traceOf(matrix, d) {
	let trace = 0;
	for (let i = 0; i < d; i++) trace += matrix[rowOf(d, i) + i];
	return trace;
}
function mix(gramTrace, targetTrace, share) {
	if (targetTrace === null) return {
		gram: 1 - share,
		gramDiagonal: 1,
		target: 0
	};
	if (gramTrace === 0) return {
		gram: 0,
		gramDiagonal: 0,
		target: 1
	};
	if (targetTrace === 0) return {
		gram: 1,
		gramDiagonal: 1,
		target: 0
	};
	return {
		gram: 1 - share,
		gramDiagonal: 1 - share,
		target: share * gramTrace / targetTrace
	};
}
/**
* Writes H's diagonal, dead columns at the mean. `isLive` is 1 for every other column, also for
* NaN: the factorization will report it.
*/
function conditionDiagonal({ gram, target, diagonal }, mixture) {
	const d = diagonal.length;
	const isLive = new Uint8Array(d);
	let [trace, live] = [0, 0];
	for (let i = 0; i < d; i++) {
		const at = rowOf(d, i) + i;
		diagonal[i] = mixture.gramDiagonal * gram[at] + (target ? mixture.target * target[at] : 0);
		if (diagonal[i] <= 0) continue;
		isLive[i] = 1;
		live++;
		trace += diagonal[i];
	}
	const mean = live > 0 ? trace / live : 1;
	for (let i = 0; i < d; i++) if (!isLive[i]) diagonal[i] = mean;
	return {
		isLive,
		mean,
		trace,
		dead: d - live
	};
}
/**
* Writes H off the diagonal. Element (i, j) of G, i < j, is that of their positions p and q. It
* lies in row p of H if p < q, else in row q.
*/
function permute(job, mixture, isLive) {
	const d = job.order.length;
	const position = new Uint32Array(d);
	for (let p = 0; p < d; p++) position[job.order[p]] = p;
	for (let p = 0; p < d; p += positionsAtOnce) {
		const range = [p, Math.min(d, p + positionsAtOnce)];
		writePositions(job, {
			mixture,
			isLive,
			position
		}, range);
	}
}
/** Takes the rows of G whose positions are `[first, end)`. */
function writePositions({ gram, target, order, factor }, { mixture, isLive, position }, [first, end]) {
	const d = order.length;
	const count = end - first;
	const naturals = order.slice(first, end);
	const inGram = Float64Array.from(naturals, (i) => rowOf(d, i));
	const inFactor = Float64Array.from(naturals, (_, k) => rowOf(d, first + k));
	const ofGram = Float64Array.from(naturals, (i) => isLive[i] ? mixture.gram : 0);
	const ofTarget = Float64Array.from(naturals, (i) => isLive[i] ? mixture.target : 0);
	for (let j = Math.min(...naturals) + 1; j < d; j++) {
		const q = position[j];
		const row = rowOf(d, q) + first;
		const live = isLive[j] === 1;
		for (let k = 0; k < count; k++) {
			if (naturals[k] >= j) continue;
			const at = inGram[k] + j;
			const value = ofGram[k] * gram[at] + (target ? ofTarget[k] * target[at] : 0);
			factor[first + k < q ? inFactor[k] + q : row + k] = live ? value : 0;
		}
	}
}

// src/kernel/routines/decode.ts
/**
* MXFP4 (OCP MX specification v1.0): 32 codes share a scale. gpt-oss stores the codes of one expert
* as `[rows, columns / 32, 16]` bytes and its scales as `[rows, columns / 32]`.
*/
const mxfp4 = {
	format: "e2m1",
	blockRows: 1,
	blockColumns: 32,
	scaleDtype: "F8_E8M0"
};
const DecodeCall = struct({
	format: "usize",
	codes: "usize",
	rows: "usize",
	columns: "usize",
	blockRows: "usize",
	blockColumns: "usize",
	skippedRows: "usize",
	scales: "usize",
	scaleDtype: "usize",
	values: "usize",
	to: "usize",
	out: "usize",
	zeros: "usize",
	skippedZeros: "usize"
});
/** Codes of exports/decode.rs. */
const formatCode = {
	e4m3: 0,
	e5m2: 1,
	e2m1: 2,
	u4: 3
};
const scaleCode = {
	...dtypeCode,
	F8_E8M0: 3
};
/** element · scale in float32, rounded once; then rounded to `to`, half to even. */
const decode = {
	describe: ({ format, rows, columns, to }) => `decoding of ${rows}x${columns} ${format} to ${to}`,
	check(job, fail) {
		const { rows, columns, blockRows, blockColumns, firstRow } = job;
		for (const [name, number] of Object.entries({
			rows,
			columns,
			blockRows,
			blockColumns
		})) if (!Number.isSafeInteger(number) || number < 1) fail(`${name} should be a whole number above 0, got ${number}`);
		if (!Number.isSafeInteger(firstRow) || firstRow < 0) fail(`firstRow should be a whole number, got ${firstRow}`);
		if (!Object.hasOwn(formatCode, job.format)) fail(`${job.format} is not a format of codes`);
		if (!Object.hasOwn(scaleCode, job.scaleDtype)) fail(`${job.scaleDtype} is not a scale's dtype`);
		if (isHalves(job) && columns % 2 !== 0) fail(`${columns} columns of half a byte do not fill whole bytes`);
		if (job.format === "u4" && blockRows !== 1) fail(`blocks of u4 have one row, not ${blockRows}`);
		if (isHalves(job) && blockColumns < columns && blockColumns % 2 !== 0) fail(`blocks of ${blockColumns} columns of half a byte do not fill whole bytes`);
		const expected = {
			codes: rows * rowBytesOf(job),
			scales: scaleRows(job, 0, rows).count * scaleRowBytes(job),
			out: rows * columns * bytesPerElement[job.to]
		};
		const zeros = job.zeros === void 0 ? {} : { zeros: zeroRows(job, 0, rows).bytes };
		for (const [name, bytes] of Object.entries({
			...expected,
			...zeros
		})) {
			const { byteLength } = job[name];
			if (byteLength !== bytes) fail(`${name} have ${byteLength} bytes, expected ${bytes}`);
		}
	},
	run(job) {
		const { rows, columns, to, out } = job;
		const slab = rowsOfSlab(rows, 4 * columns);
		const [rowBytes, scaleBytes] = [rowBytesOf(job), scaleRowBytes(job)];
		const outBytes = columns * bytesPerElement[to];
		const mostScales = Math.min(slab, Math.ceil(slab / job.blockRows) + 1);
		const layout = new Layout();
		const offsets = [
			layout.place(slab * rowBytes),
			layout.place(mostScales * scaleBytes),
			layout.place(4 * slab * columns),
			layout.place(slab * outBytes),
			layout.place(job.zeros === void 0 ? 0 : (slab / 8 + 2) * zeroWordBytes(job))
		];
		const call = layout.place(DecodeCall.bytes);
		const base = layout.claim();
		const [atCodes, atScales, atValues, atOut, atZeros] = offsets.map((offset) => base + offset);
		let nonFinite = 0;
		let badScale = null;
		for (let start = 0; start < rows; start += slab) {
			const end = Math.min(rows, start + slab);
			const { first, count, skipped } = scaleRows(job, start, end);
			copyIn(atCodes, job.codes, start * rowBytes, end * rowBytes);
			copyIn(atScales, job.scales, first * scaleBytes, (first + count) * scaleBytes);
			const zeros = zeroRows(job, start, end);
			if (job.zeros !== void 0) copyIn(atZeros, job.zeros, zeros.first, zeros.first + zeros.bytes);
			DecodeCall.write(base + call, {
				format: formatCode[job.format],
				codes: atCodes,
				rows: end - start,
				columns,
				blockRows: job.blockRows,
				blockColumns: job.blockColumns,
				skippedRows: skipped,
				scales: atScales,
				scaleDtype: scaleCode[job.scaleDtype],
				values: atValues,
				to: dtypeCode[to],
				out: atOut,
				zeros: job.zeros === void 0 ? 0 : atZeros,
				skippedZeros: zeros.skipped
			});
			const bad = first_bad_scale(base + call);
			if (bad >= 0) badScale ??= first * (scaleBytes / bytesPerElement[job.scaleDtype]) + bad;
			nonFinite += decode$1(base + call);
			copyOut(to === "F32" ? atValues : atOut, out, start * outBytes, end * outBytes);
		}
		return {
			nonFinite,
			badScale
		};
	}
};
function isHalves({ format }) {
	return format === "e2m1" || format === "u4";
}
function rowBytesOf(rows) {
	return isHalves(rows) ? rows.columns / 2 : rows.columns;
}
/** Bytes of the words that hold the zero points of 8 rows. */
function zeroWordBytes({ columns, blockColumns }) {
	return 4 * Math.ceil(columns / blockColumns);
}
/** The bytes of `zeros` that rows `[start, end)` need; rows of the first word before `start`. */
function zeroRows(job, start, end) {
	const [from, to] = [job.firstRow + start, job.firstRow + end];
	const words = (row) => Math.floor(row / 8) - Math.floor(job.firstRow / 8);
	const size = zeroWordBytes(job);
	return {
		first: words(from) * size,
		bytes: (words(to + 7) - words(from)) * size,
		skipped: from % 8
	};
}
/** Bytes of the scales of one row of blocks. */
function scaleRowBytes({ columns, blockColumns, scaleDtype }) {
	return Math.ceil(columns / blockColumns) * bytesPerElement[scaleDtype];
}
/**
* The rows of blocks that rows `[start, end)` touch: the first one's place in `scales`, how many
* there are, and how many rows of the first lie before `start`.
*/
function scaleRows({ firstRow, blockRows }, start, end) {
	const before = Math.floor(firstRow / blockRows);
	const first = Math.floor((firstRow + start) / blockRows);
	return {
		first: first - before,
		count: Math.ceil((firstRow + end) / blockRows) - first,
		skipped: (firstRow + start) % blockRows
	};
}

// src/kernel/packed.ts
/** The parts in the order in which they are stored. */
const packedParts = [
	"words",
	"scales",
	"biases"
];
/** Size of each part in bytes. */
function packedBytes({ rows, columns }, { bits, groupSize }, store) {
	const pairs = rows * columns / groupSize * bytesPerElement[store];
	return {
		words: rows * columns * bits / 8,
		scales: pairs,
		biases: pairs
	};
}
/** Calls `fail` where a part has another size than `expected`. */
function checkPacked(packed, expected, fail) {
	for (const part of packedParts) if (packed[part].byteLength !== expected[part]) fail(`${part} have ${packed[part].byteLength} bytes, expected ${expected[part]}`);
}

// src/kernel/routines/dequantize.ts
const DequantizeCall = struct({
	bits: "usize",
	groupSize: "usize",
	words: "usize",
	scales: "usize",
	biases: "usize",
	store: "usize",
	count: "usize",
	out: "usize"
});
/** code · scale + bias in float32: the product is rounded, then the sum. */
const dequantize = {
	describe: ({ rows, columns, store, bits, groupSize }) => `dequantize of ${rows}x${columns} ${store} at ${bits} bits g${groupSize}`,
	check(job, fail) {
		checkShape(job, fail);
		checkDtype(job.store, fail);
		checkWidth(job, job.columns, fail);
		checkPacked(job, packedBytes(job, job, job.store), fail);
		if (job.out.length !== job.rows * job.columns) fail(`the output has ${job.out.length} elements`);
	},
	run(job) {
		const { rows, columns, bits, groupSize, store } = job;
		const rowBytes = 4 * columns;
		const slab = rowsOfSlab(rows, rowBytes);
		const layout = new Layout();
		const atCall = layout.place(DequantizeCall.bytes);
		const operands = packedParts.map((part) => {
			const each = job[part].byteLength / rows;
			return {
				from: job[part],
				each,
				offset: layout.place(slab * each)
			};
		});
		const atOut = layout.place(slab * rowBytes);
		const base = layout.claim();
		const [words, scales, biases] = operands.map(({ offset }) => base + offset);
		eachSlab(rows, slab, (start, end) => {
			for (const { from, each, offset } of operands) copyIn(base + offset, from, start * each, end * each);
			DequantizeCall.write(base + atCall, {
				bits,
				groupSize,
				words,
				scales,
				biases,
				store: dtypeCode[store],
				count: (end - start) * columns,
				out: base + atOut
			});
			dequantize$1(base + atCall);
			copyOut(base + atOut, bytesOf(job.out), start * rowBytes, end * rowBytes);
		});
	}
};

// src/kernel/routines/distances.ts
const distances = {
	describe: ({ x }) => `distances of ${x.rows}x${x.columns}`,
	check({ x, y, out }, fail) {
		checkMatrix("x", x, [out.length, x.columns], fail);
		checkMatrix("y", y, [x.rows, x.columns], fail);
	},
	run({ x, y, out }) {
		const { rows, columns } = x;
		const slab = rowsOfSlab(rows, 8 * columns);
		const layout = new Layout();
		const [atX, atY] = [layout.place(4 * slab * columns), layout.place(4 * slab * columns)];
		const atOut = layout.place(8 * slab);
		const base = layout.claim();
		const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
		for (let top = 0; top < rows; top += slab) {
			const bottom = Math.min(rows, top + slab);
			copyRowsIn(base + atX, x, top, bottom);
			copyRowsIn(base + atY, y, top, bottom);
			distances$1(base + atX, base + atY, bottom - top, columns, base + atOut);
			copyOut(base + atOut, bytes, 8 * top, 8 * bottom);
		}
	}
};

// src/kernel/routines/elementwise.ts
const operations = {
	add,
	swiglu,
	clampedSwiglu: clamped_swiglu
};
/** Elements in the arena at once. */
const slab$2 = 32768;
const elementwise = {
	describe: ({ what, x }) => `${what} of ${x.rows}x${x.columns}`,
	check({ x, by }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		checkMatrix("the other", by, [x.rows, x.columns], fail);
	},
	run(job) {
		const layout = new Layout();
		const [first, second] = [layout.place(4 * slab$2), layout.place(4 * slab$2)];
		const base = layout.claim();
		const x = bytesOf(job.x.data);
		for (let start = 0; start < job.x.data.length; start += slab$2) {
			const end = Math.min(job.x.data.length, start + slab$2);
			copyIn(base + first, x, 4 * start, 4 * end);
			copyIn(base + second, bytesOf(job.by.data), 4 * start, 4 * end);
			operations[job.what](base + first, base + second, end - start);
			copyOut(base + first, x, 4 * start, 4 * end);
		}
	}
};

// src/kernel/routines/embed.ts
const embed = {
	describe: ({ table, ids }) => `${ids.length} tokens in ${table.rows}x${table.columns} embeddings`,
	check({ table, ids, y }, fail) {
		checkMatrix("y", y, [ids.length, table.columns], fail);
		if (!(table.dtype in dtypeCode)) fail(`${table.dtype} is not a float dtype`);
		if (table.bytes.length !== table.rows * table.columns * bytesPerElement[table.dtype]) fail(`the table has ${table.bytes.length} bytes`);
	},
	run({ table, first, ids, y }) {
		const { columns, dtype, bytes, rows } = table;
		const rowBytes = columns * bytesPerElement[dtype];
		const layout = new Layout();
		const [atRow, atWide] = [layout.place(rowBytes), layout.place(4 * columns)];
		const base = layout.claim();
		for (let i = 0; i < ids.length; i++) {
			const row = ids[i] - first;
			if (row < 0 || row >= rows) continue;
			copyIn(base + atRow, bytes, row * rowBytes, (row + 1) * rowBytes);
			widen(base + atRow, dtypeCode[dtype], columns, base + atWide);
			scatterRows(base + atWide, y, [i]);
		}
	}
};

// src/kernel/tiles.ts
/**
* Maximum rows and columns of a tile of a large matrix. Each tile is one job. A product should take
* much longer than copying its operands, and there should be enough tiles for all workers.
*/
const mostRows = {
	gram: 928,
	factor: 928
};
/** Whole micro-tiles of the product (gemm.rs). */
const unit = 24;
/**
* Bounds of the tiles of a `[d, d]` matrix: 0 \u2026 d, in equal steps except the last. They depend on d
* alone, because the steps of a factorization affect the bits of its result.
*/
function tileBounds(d, mostRows) {
	const count = Math.max(1, Math.ceil(d / mostRows));
	const size = Math.ceil(d / count / unit) * unit;
	return [...Array.from({ length: Math.ceil(d / size) }, (_, i) => i * size), d];
}
/** Calls `fail` unless a tile lies on the diagonal (same rows and columns) or right of it. */
function checkTile({ d, top, bottom, left, right }, fail) {
	if (![
		top,
		bottom,
		left,
		right
	].every(Number.isInteger) || top < 0 || top >= bottom || left >= right || right > d || !(left === top && right === bottom || left >= bottom)) fail(`rows ${top} to ${bottom}, columns ${left} to ${right} are not a tile of ${d}x${d}`);
}

// src/kernel/routines/tile-product.ts
const ProductCall = struct({
	left: "usize",
	right: "usize",
	depth: "usize",
	height: "usize",
	width: "usize",
	alpha: "f32",
	tile: "usize",
	upper: "usize"
});
/**
* Rows in the arena at once, few enough for a core's caches. A multiple of the product's depth
* (`DEPTH` in gemm.rs), so that slabs do not change the bits of a sum.
*/
const slab$1 = 1024;
/** Adds products alpha·L\u1d40R to a tile `[height, width]` in the arena. */
var TileProduct = class {
	#shape;
	#offsets;
	/** Offset of the tile. */
	tile;
	constructor(layout, shape) {
		const rows = Math.min(slab$1, shape.depth);
		this.#shape = shape;
		const left = layout.place(4 * rows * shape.height);
		const right = shape.isDiagonal ? left : layout.place(4 * rows * shape.width);
		this.#offsets = {
			left,
			right,
			call: layout.place(ProductCall.bytes)
		};
		this.tile = layout.place(4 * shape.height * shape.width);
	}
	/** L is `[depth, height]`, R `[depth, width]`. On the diagonal R is L. */
	add(base, operands, depth, alpha) {
		const { height, width, isDiagonal } = this.#shape;
		const { left, right, call } = this.#offsets;
		for (let top = 0; top < depth; top += slab$1) {
			const bottom = Math.min(depth, top + slab$1);
			operands.left(base + left, top, bottom);
			if (!isDiagonal) operands.right(base + right, top, bottom);
			ProductCall.write(base + call, {
				left: base + left,
				right: base + right,
				depth: bottom - top,
				height,
				width,
				alpha,
				tile: base + this.tile,
				upper: Number(isDiagonal)
			});
			add_product(base + call);
		}
	}
};

// src/kernel/routines/factor-tile.ts
const factorTile = {
	describe: ({ d, top, left }) => `factor of ${d}x${d}, tile at ${top},${left}`,
	check({ factor, d, top, bottom, left, right }, fail) {
		checkTriangle("the factor", factor, d, fail);
		checkTile({
			d,
			top,
			bottom,
			left,
			right
		}, fail);
	},
	run({ factor, d, top, bottom, left, right }) {
		const [height, width, diagonal] = [
			bottom - top,
			right - left,
			left === top
		];
		const layout = new Layout();
		const product = new TileProduct(layout, {
			height,
			width,
			depth: top,
			isDiagonal: diagonal
		});
		const offsetOfTriangle = layout.place(diagonal ? 0 : 4 * height * height);
		const base = layout.claim();
		const [atTile, atTriangle] = [base + product.tile, base + offsetOfTriangle];
		const tile = {
			data: factor,
			d,
			top,
			bottom,
			left,
			right
		};
		copyTriangleIn(atTile, tile);
		const above = (left, right) => (address, top, bottom) => copyTriangleIn(address, {
			data: factor,
			d,
			top,
			bottom,
			left,
			right
		});
		product.add(base, {
			left: above(top, bottom),
			right: above(left, right)
		}, top, -1);
		let pivot = -1;
		if (diagonal) pivot = cholesky(height, atTile);
		else {
			copyTriangleIn(atTriangle, {
				...tile,
				left: top,
				right: bottom
			});
			solve$1(height, width, atTriangle, atTile);
		}
		copyTriangleOut(atTile, tile);
		return { pivot: pivot < 0 ? null : top + pivot };
	}
};

// src/kernel/routines/fisher-weights.ts
/** Positions in the arena at once. */
const slab = 16;
const FisherCall = struct({
	logits: "usize",
	rows: "usize",
	vocabulary: "usize",
	groups: "usize",
	sums: "usize",
	count: "usize"
});
const fisherWeights = {
	describe: ({ logits }) => `Fisher weights of ${logits.rows}x${logits.columns} logits`,
	check({ logits, groups, sums: out }, fail) {
		if (groups.length !== logits.columns) fail(`${groups.length} groups for ${logits.columns} tokens`);
		if (out.rows !== logits.rows) fail(`the output has ${out.rows} rows for ${logits.rows} positions`);
		if (groups.some((group) => group >= out.columns)) fail("a group without a column in the output");
	},
	run({ logits, groups, sums: out }) {
		const layout = new Layout();
		const [rows, sums] = [layout.place(64 * logits.columns), layout.place(64 * out.columns)];
		const numbers = layout.place(4 * groups.length);
		const atCall = layout.place(FisherCall.bytes);
		const base = layout.claim();
		const call = {
			logits: base + rows,
			groups: base + numbers,
			sums: base + sums
		};
		const sizes = {
			vocabulary: logits.columns,
			count: out.columns
		};
		copyIn(base + numbers, bytesOf(groups), 0, 4 * groups.length);
		for (let top = 0; top < logits.rows; top += slab) {
			const bottom = Math.min(logits.rows, top + slab);
			copyRowsIn(base + rows, logits, top, bottom);
			new Float32Array(memory.buffer, base + sums, slab * out.columns).fill(0);
			FisherCall.write(base + atCall, {
				...call,
				...sizes,
				rows: bottom - top
			});
			add_fisher_weights(base + atCall);
			copyRowsOut(base + sums, out, top, bottom);
		}
	}
};
const ContextsCall = struct({
	logits: "usize",
	rows: "usize",
	vocabulary: "usize",
	z: "usize",
	width: "usize",
	contexts: "usize"
});
const contexts = {
	describe: ({ logits }) => `contexts of ${logits.rows}x${logits.columns} logits`,
	check({ logits, z, contexts: out }, fail) {
		if (z.rows !== logits.rows) fail(`z has ${z.rows} rows for ${logits.rows} positions`);
		if (out.rows !== logits.columns || out.columns !== z.columns) fail(`the output is ${out.rows}x${out.columns}`);
	},
	run({ logits, z, contexts: out }) {
		const layout = new Layout();
		const [rows, places] = [layout.place(64 * logits.columns), layout.place(64 * z.columns)];
		const sums = layout.place(4 * out.rows * out.columns);
		const atCall = layout.place(ContextsCall.bytes);
		const base = layout.claim();
		const call = {
			logits: base + rows,
			z: base + places,
			contexts: base + sums
		};
		const sizes = {
			vocabulary: logits.columns,
			width: z.columns
		};
		copyIn(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
		for (let top = 0; top < logits.rows; top += slab) {
			const bottom = Math.min(logits.rows, top + slab);
			copyRowsIn(base + rows, logits, top, bottom);
			copyRowsIn(base + places, z, top, bottom);
			ContextsCall.write(base + atCall, {
				...call,
				...sizes,
				rows: bottom - top
			});
			add_contexts(base + atCall);
		}
		copyOut(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
	}
};

// src/kernel/routines/tune-blocks.ts
/** Copies the factor into the arena block by block, from the last positions to the first. */
function eachBlock({ factor, columns }, atFactor, visit) {
	const block = tune_block_size();
	for (let right = columns; right > 0; right -= block) {
		const left = Math.max(0, right - block);
		copyTriangleIn(atFactor, {
			data: factor,
			d: columns,
			top: left,
			bottom: right,
			left,
			right: columns
		});
		visit(left, right);
	}
}
/** R; null without a factor. */
function factorOf({ factor, columns }) {
	return factor && {
		factor,
		columns
	};
}

// src/kernel/routines/tune-frame.ts
const TuneCall = struct({
	rows: "usize",
	columns: "usize",
	store: "usize",
	from: "usize",
	order: "usize",
	importance: "usize",
	tasks: "usize",
	count: "usize",
	sources: "usize",
	sampled: "usize",
	first: "usize",
	window: "usize",
	workspace: "usize"
});
/** One of the tasks of a TuneCall. */
const TaskCall = struct({
	bits: "usize",
	groupSize: "usize",
	sweeps: "usize",
	refit: "usize",
	weights: "usize",
	words: "usize",
	scales: "usize",
	biases: "usize",
	sums: "usize",
	nonFinite: "f64"
});
/** At 8 bits the stored scale is too coarse for a fit to improve it. */
const mostRefitted = 6;
/** Calls `fail` where an operand contradicts the others. */
function checkFrame(frame, tasks, fail) {
	const { rows, columns, factor, order, diagonal, sources } = frame;
	checkShape(frame, fail);
	if (tasks.length === 0) fail("there is no width");
	if (sources.length !== 1 && sources.length !== tasks.length) fail(`${sources.length} weights for ${tasks.length} widths`);
	const expected = rows * columns * bytesPerElement[frame.from];
	for (const { byteLength } of sources) if (byteLength !== expected) fail(`weights have ${byteLength} bytes, expected ${expected}`);
	for (const task of tasks) {
		checkWidth(task, columns, fail);
		if (!Number.isSafeInteger(task.sweeps) || task.sweeps < 0) fail(`${task.sweeps} sweeps, expected a whole number from 0`);
	}
	const { window = 128 } = frame;
	if (!Number.isSafeInteger(window) || window < 128 || window % 128 !== 0) fail(`a window of ${window} columns, expected a multiple of 128`);
	if (diagonal && diagonal.length !== columns) fail(`the diagonal has ${diagonal.length} elements`);
	if (factor === null !== (order === null)) fail("expected both a factor and its order, or neither");
	if (!factor || !order) return;
	checkTriangle("the factor", factor, columns, fail);
	const isPermutation = new Set(order).size === columns && order.every((at) => at < columns);
	if (order.length !== columns || !isPermutation) fail("the order is not a permutation of the columns");
}
/** Lays out rows `[start, end)` in the arena, rounds them plainly and searches their scales. */
function prepare(frame, tasks, start, end) {
	const { columns, order, diagonal, sources } = frame;
	const job = {
		frame,
		tasks,
		rows: end - start,
		first: (frame.first ?? 0) + start
	};
	const layout = new Layout();
	const head = {
		call: layout.place(TuneCall.bytes),
		tasks: layout.place(TaskCall.bytes * tasks.length)
	};
	const before = layout.claim();
	writeCalls(before, job, {
		...nowhere,
		...head
	});
	const workspace = tune_workspace(before + head.call);
	const offsets = {
		...head,
		...placeOperands(job, layout),
		workspace: layout.place(8 * workspace)
	};
	const base = layout.claim();
	const results = writeCalls(base, job, offsets);
	if (order) new Uint32Array(memory.buffer, base + offsets.order, columns).set(order);
	const importance = new Float32Array(memory.buffer, base + offsets.importance, columns);
	if (diagonal) importance.set(diagonal);
	else importance.fill(1);
	const rowBytes = columns * bytesPerElement[frame.from];
	for (const [i, weights] of sources.entries()) copyIn(base + offsets.weights[i], weights, start * rowBytes, end * rowBytes);
	tune_prepare(base + offsets.call);
	const nonFinite = tasks.map((_, i) => TaskCall.read(taskAt(base + offsets.tasks, i)).nonFinite);
	const [atFactor, atPivots] = [base + offsets.factor, base + offsets.pivots];
	return {
		call: base + offsets.call,
		rows: job.rows,
		atFactor,
		atPivots,
		results,
		nonFinite
	};
}
const nowhere = {
	order: 0,
	importance: 0,
	pivots: 0,
	factor: 0,
	weights: [],
	results: [],
	workspace: 0
};
function placeOperands({ frame, tasks, rows }, layout) {
	const { columns, store, from, sources, factor } = frame;
	const blockRows = factor ? Math.min(tune_block_size(), columns) : 0;
	return {
		order: layout.place(4 * columns),
		importance: layout.place(4 * columns),
		pivots: layout.place(4 * columns),
		factor: layout.place(4 * blockRows * columns),
		weights: sources.map(() => layout.place(rows * columns * bytesPerElement[from])),
		results: tasks.map((task) => {
			const { words, scales, biases } = packedBytes({
				rows,
				columns
			}, task, store);
			return {
				words: layout.place(words),
				scales: layout.place(scales),
				biases: layout.place(biases),
				sums: layout.place(32 * rows)
			};
		})
	};
}
const taskAt = (tasks, i) => tasks + i * TaskCall.bytes;
/** Writes the call and its tasks. Returns the addresses of the results. */
function writeCalls(base, job, offsets) {
	const { frame, tasks, rows, first } = job;
	const { columns, store, from, sources, order } = frame;
	TuneCall.write(base + offsets.call, {
		rows,
		columns,
		store: dtypeCode[store],
		from: dtypeCode[from],
		order: order ? base + offsets.order : 0,
		importance: base + offsets.importance,
		tasks: base + offsets.tasks,
		count: tasks.length,
		sources: sources.length,
		sampled: Number(frame.sampled === true),
		first,
		window: frame.window ?? 0,
		workspace: base + offsets.workspace
	});
	return tasks.map(({ bits, groupSize, sweeps }, i) => {
		const { words, scales, biases, sums } = offsets.results[i] ?? noResults;
		const weights = offsets.weights[Math.min(i, sources.length - 1)] ?? 0;
		const places = {
			words: base + words,
			scales: base + scales,
			biases: base + biases,
			sums: base + sums
		};
		const task = {
			bits,
			groupSize,
			sweeps,
			refit: Number(bits <= mostRefitted),
			weights: base + weights,
			nonFinite: 0
		};
		TaskCall.write(taskAt(base + offsets.tasks, i), {
			...task,
			...places
		});
		return places;
	});
}
const noResults = {
	words: 0,
	scales: 0,
	biases: 0,
	sums: 0
};

// src/kernel/routines/forecast.ts
const forecast = {
	describe: ({ rows, columns, widths }) => `forecast of ${rows}x${columns} at ${widths.length} widths`,
	check(job, fail) {
		checkFrame(job, tasksOf(job), fail);
		if (job.sources.length !== 1) fail(`${job.sources.length} weights, expected 1`);
	},
	run(job) {
		const tasks = tasksOf(job);
		const losses = tasks.map(() => 0);
		let [energy, nonFinite] = [0, 0];
		const most = rowsOfPart(job.columns);
		const pivots = pivotsOf(job);
		for (let start = 0; start < job.rows; start += most) {
			const end = Math.min(job.rows, start + most);
			for (const [i, task] of tasks.entries()) {
				const prepared = prepare(job, [task], start, end);
				if (i === 0) nonFinite += prepared.nonFinite[0];
				if (nonFinite > 0) continue;
				new Float32Array(memory.buffer, prepared.atPivots, job.columns).set(pivots);
				losses[i] += forecast_loss(prepared.call, 0, prepared.atPivots);
				if (i > 0) continue;
				energy += energyOf(job, prepared, pivots);
			}
		}
		return {
			energy,
			losses,
			nonFinite
		};
	}
};
/** Maximum number of weights in the arena: each takes some 20 bytes. */
const mostElements = 5 * 2 ** 20;
/** Rows that are added up together. Part of the results' bits. */
function rowsOfPart(columns) {
	return Math.max(16, Math.floor(mostElements / columns / 16) * 16);
}
function tasksOf({ widths }) {
	return widths.map((width) => ({
		...width,
		sweeps: 0
	}));
}
/**
* R_pp² in natural column order: the part of an error that no other column can compensate. Without
* a factor: the diagonal.
*/
function pivotsOf({ columns, factor, order, diagonal }) {
	const pivots = new Float32Array(columns);
	if (factor === null || order === null) return diagonal === null ? pivots.fill(1) : new Float32Array(diagonal);
	for (let p = 0; p < columns; p++) pivots[order[p]] = factor[rowOf(columns, p) + p] ** 2;
	return pivots;
}
/** tr(W H W\u1d40) of the prepared rows. Without a factor, `pivots` are the diagonal of H. */
function energyOf(job, { call, rows, atFactor, results }, pivots) {
	const factor = factorOf(job);
	let energy = 0;
	if (factor === null) {
		const sums = new Float64Array(memory.buffer, results[0].sums, 4 * rows);
		for (let row = 0; row < rows; row++) energy += sums[4 * row + 3];
		return energy * meanOf(pivots);
	}
	forecast_energy_start(call);
	eachBlock(factor, atFactor, (left, right) => {
		energy = forecast_energy_block(call, left, right, atFactor);
	});
	return energy;
}
function meanOf(values) {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// src/kernel/routines/gate-rows.ts
const gateRows = {
	describe: ({ x }) => `gates of ${x.rows}x${x.columns}`,
	check({ x, gates }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		checkMatrix("gates", gates, [x.rows, 1], fail);
	},
	run({ x, gates }) {
		const { rows, columns } = x;
		const slab = rowsOfSlab(rows, 4 * columns);
		const layout = new Layout();
		const [atX, atGates] = [layout.place(4 * slab * columns), layout.place(4 * slab)];
		const base = layout.claim();
		for (let top = 0; top < rows; top += slab) {
			const bottom = Math.min(rows, top + slab);
			copyRowsIn(base + atX, x, top, bottom);
			copyIn(base + atGates, bytesOf(gates.data), 4 * top, 4 * bottom);
			gate_rows(base + atX, base + atGates, bottom - top, columns);
			copyRowsOut(base + atX, x, top, bottom);
		}
	}
};

// src/kernel/routines/gated-delta.ts
/** Channels of the output, of the convolution and of the input. */
function deltaWidths({ keys, key, values, value }) {
	const inner = values * value;
	const convolved = 2 * keys * key + inner;
	return {
		inner,
		convolved,
		columns: convolved + inner + 2 * values
	};
}
const DeltaCall = struct({
	keys: "usize",
	key: "usize",
	values: "usize",
	value: "usize",
	byHead: "usize",
	taps: "usize",
	convolution: "usize",
	stepBias: "usize",
	decayLog: "usize",
	norm: "usize",
	eps: "f32",
	tokens: "usize",
	x: "usize",
	y: "usize"
});
const gatedDelta = {
	describe: ({ x, mixer }) => `gated DeltaNet of ${mixer.keys}/${mixer.values} heads over ${x.rows} tokens`,
	check({ x, length, mixer, y }, fail) {
		const { keys, values, value, taps } = mixer;
		const { inner, convolved, columns } = deltaWidths(mixer);
		if (values % keys !== 0) fail(`${values} value heads on ${keys} key heads`);
		if (length < 1 || x.rows % length !== 0) fail(`${x.rows} tokens in sequences of ${length}`);
		checkMatrix("x", x, [x.rows, columns], fail);
		checkMatrix("y", y, [x.rows, inner], fail);
		for (const [name, tensor, size] of [
			[
				"convolution",
				mixer.convolution,
				convolved * taps
			],
			[
				"stepBias",
				mixer.stepBias,
				values
			],
			[
				"decayLog",
				mixer.decayLog,
				values
			],
			[
				"norm",
				mixer.norm,
				value
			]
		]) if (tensor.length !== size) fail(`${name} has ${tensor.length} elements, not ${size}`);
	},
	run({ x, length, mixer, y }) {
		const { inner, columns } = deltaWidths(mixer);
		const { convolution, stepBias, decayLog, norm } = mixer;
		const tensors = [
			convolution,
			stepBias,
			decayLog,
			norm
		];
		const layout = new Layout();
		const atCall = layout.place(DeltaCall.bytes);
		const offsets = tensors.map((tensor) => layout.place(tensor.byteLength));
		const [atX, atY] = [layout.place(4 * length * columns), layout.place(4 * length * inner)];
		const base = layout.claim();
		const addresses = offsets.map((offset) => base + offset);
		const { keys, key, values, value, byHead, taps, eps } = mixer;
		DeltaCall.write(base + atCall, {
			keys,
			key,
			values,
			value,
			byHead: byHead ? 1 : 0,
			taps,
			eps,
			convolution: addresses[0],
			stepBias: addresses[1],
			decayLog: addresses[2],
			norm: addresses[3],
			tokens: length,
			x: base + atX,
			y: base + atY
		});
		for (const [i, tensor] of tensors.entries()) copyIn(addresses[i], bytesOf(tensor), 0, tensor.byteLength);
		for (let top = 0; top < x.rows; top += length) {
			const bottom = top + length;
			copyRowsIn(base + atX, x, top, bottom);
			gated_delta(base + atCall);
			copyRowsOut(base + atY, y, top, bottom);
		}
	}
};

// src/kernel/routines/gather.ts
/** Copies within host memory: no arithmetic, no arena. */
const gather = {
	describe: ({ x, rows }) => `${rows.length} rows of ${x.rows}x${x.columns}`,
	check({ x, rows, y }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		checkMatrix("y", y, [rows.length, x.columns], fail);
		checkRows(rows, x, fail);
	},
	run({ x, rows, y }) {
		const [from, to] = [x, y].map(({ data }) => {
			const { buffer, byteOffset, byteLength } = bytesOf(data);
			return Buffer.from(buffer, byteOffset, byteLength);
		});
		const bytes = 4 * x.columns;
		for (let i = 0; i < rows.length; i++) from.copy(to, i * bytes, rows[i] * bytes, (rows[i] + 1) * bytes);
	}
};

// src/kernel/routines/mamba.ts
function widths({ heads, head, groups, state }) {
	const inner = heads * head;
	const convolved = inner + 2 * groups * state;
	return {
		inner,
		convolved,
		columns: inner + convolved + heads
	};
}
function tensorsOf(mixer) {
	const { convolution, convolutionBias, stepBias, decayLog, skip, norm } = mixer;
	return [
		convolution,
		convolutionBias,
		stepBias,
		decayLog,
		skip,
		norm
	];
}
const MambaCall = struct({
	heads: "usize",
	head: "usize",
	groups: "usize",
	state: "usize",
	taps: "usize",
	convolution: "usize",
	convolutionBias: "usize",
	stepBias: "usize",
	decayLog: "usize",
	skip: "usize",
	norm: "usize",
	least: "f32",
	most: "f32",
	eps: "f32",
	tokens: "usize",
	z: "usize",
	y: "usize"
});
const mamba = {
	describe: ({ z, mixer }) => `Mamba mixer of ${mixer.heads} heads over ${z.rows} tokens`,
	check({ z, length, mixer, y }, fail) {
		const { heads, groups, taps } = mixer;
		const { inner, convolved, columns } = widths(mixer);
		if (heads % groups !== 0) fail(`${heads} heads in ${groups} groups`);
		if (length < 1 || z.rows % length !== 0) fail(`${z.rows} tokens in sequences of ${length}`);
		checkMatrix("z", z, [z.rows, columns], fail);
		checkMatrix("y", y, [z.rows, inner], fail);
		const sizes = [
			convolved * taps,
			convolved,
			heads,
			heads,
			heads,
			inner
		];
		const wrong = tensorsOf(mixer).findIndex((tensor, i) => tensor.length !== sizes[i]);
		if (wrong >= 0) fail(`tensor ${wrong} of the mixer has ${tensorsOf(mixer)[wrong].length} elements`);
	},
	run({ z, length, mixer, y }) {
		const { inner, columns } = widths(mixer);
		const tensors = tensorsOf(mixer);
		const layout = new Layout();
		const atCall = layout.place(MambaCall.bytes);
		const offsets = tensors.map((tensor) => layout.place(tensor.byteLength));
		const [atZ, atY] = [layout.place(4 * length * columns), layout.place(4 * length * inner)];
		const base = layout.claim();
		const [convolution, convolutionBias, stepBias, decayLog, skip, norm] = offsets.map((offset) => base + offset);
		const addresses = {
			convolution,
			convolutionBias,
			stepBias,
			decayLog,
			skip,
			norm
		};
		const { heads, head, groups, state, taps, eps } = mixer;
		const [least, most] = mixer.limits;
		const call = {
			heads,
			head,
			groups,
			state,
			taps,
			tokens: length,
			...addresses,
			least,
			most,
			eps,
			z: base + atZ,
			y: base + atY
		};
		MambaCall.write(base + atCall, call);
		for (const [i, tensor] of tensors.entries()) copyIn(base + offsets[i], bytesOf(tensor), 0, tensor.byteLength);
		for (let top = 0; top < z.rows; top += length) {
			const bottom = top + length;
			copyRowsIn(base + atZ, z, top, bottom);
			mamba$1(base + atCall);
			copyRowsOut(base + atY, y, top, bottom);
		}
	}
};

// src/kernel/routines/moments.ts
const moments = {
	describe: ({ x, y, rows, top, left }) => {
		return `${y === null ? "gram" : `moments with ${y.columns} columns`} of ${rows?.length ?? x.rows}x${x.columns}, tile at ${top},${left}`;
	},
	check({ x, y, rows, sums, ...tile }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		if (rows) checkRows(rows, x, fail);
		if (y === null) {
			checkTriangle("the sum", sums, x.columns, fail);
			checkTile({
				...tile,
				d: x.columns
			}, fail);
			return;
		}
		checkMatrix("y", y, [x.rows, y.columns], fail);
		checkMatrix("the sum", {
			data: sums,
			rows: x.columns,
			columns: y.columns
		}, [x.columns, y.columns], fail);
		const { top, bottom, left, right } = tile;
		if ([top >= 0 && top < bottom && bottom <= x.columns, left >= 0 && left < right && right <= y.columns].includes(false)) fail(`rows ${top} to ${bottom}, columns ${left} to ${right} of ${x.columns}x${y.columns}`);
	},
	run({ x, y, rows, sums, top, bottom, left, right, alpha }) {
		const depth = rows?.length ?? x.rows;
		const isDiagonal = y === null && left === top;
		const layout = new Layout();
		const shape = {
			height: bottom - top,
			width: right - left,
			depth,
			isDiagonal
		};
		const product = new TileProduct(layout, shape);
		const base = layout.claim();
		const tile = {
			data: sums,
			top,
			bottom,
			left,
			right
		};
		const columnsOf = (matrix, [left, right]) => (address, top, bottom) => copyRectangleIn(address, {
			...matrix,
			rows,
			top,
			bottom,
			left,
			right
		});
		const operands = {
			left: columnsOf(x, [top, bottom]),
			right: columnsOf(y ?? x, [left, right])
		};
		const at = base + product.tile;
		if (y === null) copyTriangleIn(at, {
			...tile,
			d: x.columns
		});
		else copyRectangleIn(at, {
			...tile,
			columns: y.columns
		});
		product.add(base, operands, depth, alpha);
		if (y === null) copyTriangleOut(at, {
			...tile,
			d: x.columns
		});
		else copyRectangleOut(at, {
			...tile,
			columns: y.columns
		});
	}
};

// src/kernel/routines/quantize.ts
const QuantizeCall = struct({
	weights: "usize",
	from: "usize",
	rows: "usize",
	columns: "usize",
	store: "usize",
	mlx: "usize",
	widths: "usize",
	count: "usize",
	energy: "f64",
	nonFinite: "f64"
});
/** One of the widths of a QuantizeCall. */
const WidthCall = struct({
	bits: "usize",
	groupSize: "usize",
	words: "usize",
	scales: "usize",
	biases: "usize",
	squaredError: "f64"
});
function describeQuantize({ rows, columns, from, widths }) {
	return `quantize of ${rows}x${columns} ${from} at ${widths.map(({ bits, groupSize }) => `${bits} bits g${groupSize}`).join(", ")}`;
}
/** Checks everything but the outputs. */
function checkQuantize(job, fail) {
	const { weights, from, rows, columns, store, widths } = job;
	checkShape(job, fail);
	for (const dtype of [store, from]) checkDtype(dtype, fail);
	const expected = rows * columns * bytesPerElement[from];
	if (weights.byteLength !== expected) fail(`weights have ${weights.byteLength} bytes, expected ${expected}`);
	for (const width of widths) checkWidth(width, columns, fail);
}
/** Copies slabs of rows through the arena, so there may be any number of them. */
const quantize = {
	describe: describeQuantize,
	check(job, fail) {
		checkQuantize(job, fail);
		if (job.out.length !== job.widths.length) fail(`${job.out.length} outputs for ${job.widths.length} widths`);
		for (const [i, width] of job.widths.entries()) checkPacked(job.out[i], packedBytes(job, width, job.store), fail);
	},
	run(job) {
		const { rows, columns, widths } = job;
		const rowBytes = columns * bytesPerElement[job.from];
		const slab = rowsOfSlab(rows, rowBytes);
		const layout = new Layout();
		const [atCall, atWidths] = [layout.place(QuantizeCall.bytes), layout.place(WidthCall.bytes * widths.length)];
		const atWeights = layout.place(slab * rowBytes);
		const outputs = job.out.map((packed) => packedParts.map((part) => {
			const each = packed[part].byteLength / rows;
			return {
				bytes: packed[part],
				each,
				offset: layout.place(slab * each)
			};
		}));
		const base = layout.claim();
		const widthAt = (i) => base + atWidths + i * WidthCall.bytes;
		for (const [i, { bits, groupSize }] of widths.entries()) {
			const [words, scales, biases] = outputs[i].map(({ offset }) => base + offset);
			WidthCall.write(widthAt(i), {
				bits,
				groupSize,
				words,
				scales,
				biases,
				squaredError: 0
			});
		}
		let sums = {
			energy: 0,
			nonFinite: 0
		};
		eachSlab(rows, slab, (start, end) => {
			copyIn(base + atWeights, job.weights, start * rowBytes, end * rowBytes);
			QuantizeCall.write(base + atCall, {
				weights: base + atWeights,
				from: dtypeCode[job.from],
				rows: end - start,
				columns,
				store: dtypeCode[job.store],
				mlx: Number(job.rounding === "mlx"),
				widths: base + atWidths,
				count: widths.length,
				...sums
			});
			quantize$1(base + atCall);
			const { energy, nonFinite } = QuantizeCall.read(base + atCall);
			sums = {
				energy,
				nonFinite
			};
			for (const { bytes, each, offset } of outputs.flat()) copyOut(base + offset, bytes, start * each, end * each);
		});
		const squaredErrors = widths.map((_, i) => WidthCall.read(widthAt(i)).squaredError);
		return {
			...sums,
			squaredErrors
		};
	}
};

// src/kernel/routines/rms-norm.ts
const NormCall = struct({
	data: "usize",
	rows: "usize",
	columns: "usize",
	weight: "usize",
	width: "usize",
	eps: "f32"
});
const rmsNorm = {
	describe: ({ x }) => `norm of ${x.rows}x${x.columns}`,
	check({ x, weight, y }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		checkMatrix("y", y, [x.rows, x.columns], fail);
		if (weight.length !== x.columns) fail(`${weight.length} weights for ${x.columns} columns`);
	},
	run({ x, weight, eps, y }) {
		const { rows, columns } = x;
		const slab = rowsOfSlab(rows, 4 * columns);
		const layout = new Layout();
		const [atRows, atWeight] = [layout.place(4 * slab * columns), layout.place(4 * columns)];
		const atCall = layout.place(NormCall.bytes);
		const base = layout.claim();
		const call = {
			data: base + atRows,
			weight: base + atWeight,
			columns,
			width: columns,
			eps
		};
		copyIn(base + atWeight, bytesOf(weight), 0, 4 * columns);
		for (let top = 0; top < rows; top += slab) {
			const bottom = Math.min(rows, top + slab);
			copyRowsIn(base + atRows, x, top, bottom);
			NormCall.write(base + atCall, {
				...call,
				rows: bottom - top
			});
			rms_norm(base + atCall);
			copyRowsOut(base + atRows, y, top, bottom);
		}
	}
};

// src/kernel/routines/rotary.ts
const RotaryCall = struct({
	base: "f64",
	size: "usize",
	positions: "usize",
	scaling: "usize",
	cosines: "usize",
	sines: "usize"
});
/** In the order of exports/attention.rs. */
function numbersOf$1(scaling) {
	switch (scaling.kind) {
		case "default": return [0];
		case "linear": return [1, scaling.factor];
		case "llama3": return [
			2,
			scaling.factor,
			scaling.low,
			scaling.high,
			scaling.original
		];
		case "yarn": {
			const { factor, fast, slow, original, whole, attention, mscales } = scaling;
			return [
				3,
				factor,
				fast,
				slow,
				original,
				Number(whole),
				attention ?? NaN,
				...mscales
			];
		}
	}
}
const rotary = {
	describe: ({ scaling, size }) => `${scaling.kind} rotary tables for ${size} channels`,
	check({ size, cosines, sines }, fail) {
		if (size < 2 || size % 2 !== 0) fail(`${size} channels cannot be rotated, only an even number`);
		if (cosines.length !== sines.length || cosines.length % (size / 2) !== 0) fail(`tables of ${cosines.length} and ${sines.length} elements for ${size} channels`);
	},
	run({ base: wavelength, size, scaling, cosines, sines }) {
		const layout = new Layout();
		const [atNumbers, atCosines] = [layout.place(72), layout.place(cosines.byteLength)];
		const atSines = layout.place(sines.byteLength);
		const atCall = layout.place(RotaryCall.bytes);
		const base = layout.claim();
		new Float64Array(memory.buffer, base + atNumbers, 9).fill(0);
		new Float64Array(memory.buffer, base + atNumbers, 9).set(numbersOf$1(scaling));
		const positions = cosines.length / (size / 2);
		RotaryCall.write(base + atCall, {
			base: wavelength,
			size,
			positions,
			scaling: base + atNumbers,
			cosines: base + atCosines,
			sines: base + atSines
		});
		rotary$1(base + atCall);
		copyOut(base + atCosines, bytesOf(cosines), 0, cosines.byteLength);
		copyOut(base + atSines, bytesOf(sines), 0, sines.byteLength);
	}
};

// src/kernel/routines/route.ts
const RouteCall = struct({
	softmax: "usize",
	routed: "usize",
	visited: "usize",
	candidates: "usize",
	groups: "usize",
	openGroups: "usize",
	normalized: "usize",
	scale: "f32",
	correction: "usize",
	tokens: "usize",
	scores: "usize",
	experts: "usize",
	selection: "usize",
	weights: "usize"
});
const route = {
	describe: ({ scores }) => `routes of ${scores.rows} tokens to ${scores.columns} experts`,
	check({ scores, rules, experts, selection, weights, forced }, fail) {
		const { routed, visited, candidates, groups, openGroups, correction } = rules;
		checkMatrix("the scores", scores, [scores.rows, routed], fail);
		if (visited < 1 || candidates < visited || candidates > routed) fail(`${visited} visited experts and ${candidates} candidates of ${routed} experts`);
		if (routed % groups !== 0 || openGroups < 1 || openGroups > groups) fail(`${openGroups} of ${groups} groups`);
		if (correction && correction.length !== routed) fail(`${correction.length} corrections`);
		if (experts.length !== scores.rows * candidates || selection.length !== experts.length) fail(`${experts.length} ranks for ${scores.rows} tokens`);
		if (weights.length !== scores.rows * visited) fail(`${weights.length} weights for ${scores.rows} tokens`);
		if (forced && experts.some((expert) => expert >= routed)) fail("a forced expert that does not exist");
	},
	run({ scores, rules, experts, selection, weights, forced }) {
		const { routed, visited, candidates } = rules;
		const slab = rowsOfSlab(scores.rows, 4 * (routed + 2 * candidates + visited));
		const layout = new Layout();
		const [atCall, atCorrection] = [layout.place(RouteCall.bytes), layout.place(4 * routed)];
		const place = (columns) => layout.place(4 * slab * columns);
		const [atScores, atExperts, atSelection, atWeights] = [
			routed,
			candidates,
			candidates,
			visited
		].map(place);
		const base = layout.claim();
		if (rules.correction) copyIn(base + atCorrection, bytesOf(rules.correction), 0, 4 * routed);
		const call = {
			...numbersOf(rules),
			correction: rules.correction && !forced ? base + atCorrection : 0,
			scores: base + atScores,
			experts: base + atExperts,
			selection: base + atSelection,
			weights: base + atWeights
		};
		for (let top = 0; top < scores.rows; top += slab) {
			const rows = Math.min(slab, scores.rows - top);
			const move = (copy, offset, array, n) => copy(base + offset, bytesOf(array), 4 * top * n, 4 * (top + rows) * n);
			move(copyIn, atScores, scores.data, routed);
			RouteCall.write(base + atCall, {
				...call,
				tokens: rows
			});
			if (forced) {
				move(copyIn, atExperts, experts, candidates);
				weigh$1(base + atCall);
			} else {
				route$1(base + atCall);
				move(copyOut, atScores, scores.data, routed);
				move(copyOut, atExperts, experts, candidates);
				move(copyOut, atSelection, selection, candidates);
			}
			move(copyOut, atWeights, weights, visited);
		}
	}
};
/** The rules as a RouteCall has them. */
function numbersOf({ score, normalized, correction: _, ...numbers }) {
	return {
		...numbers,
		softmax: Number(score === "softmax"),
		normalized: Number(normalized)
	};
}

// src/kernel/routines/scale.ts
const scale = {
	describe: ({ x }) => `scaling of ${x.rows}x${x.columns}`,
	check({ x, factors }, fail) {
		if (factors.length !== x.columns) fail(`${factors.length} factors for ${x.columns} columns`);
	},
	run({ x: { data, rows, columns }, factors }) {
		for (let row = 0; row < rows; row++) for (let i = 0; i < columns; i++) data[row * columns + i] *= factors[i];
	}
};
/** Returns the sums up to the last row. */
const weigh = {
	describe: ({ x }) => `weighting of ${x.rows}x${x.columns}`,
	check({ x, weights, kind, y }, fail) {
		if (weights.rows !== x.rows || (kind ?? 0) >= weights.columns) fail(`weights are ${weights.rows}x${weights.columns}`);
		if (y.rows !== x.rows || y.columns !== x.columns) fail(`the output is ${y.rows}x${y.columns}`);
	},
	run({ x: { data, rows, columns }, weights, kind, y, before }) {
		let { sum, squares } = before;
		for (let row = 0; row < rows; row++) {
			const own = weights.data.subarray(row * weights.columns, (row + 1) * weights.columns);
			const weight = kind === null ? own.reduce((total, value) => total + value, 0) : own[kind];
			const root = Math.sqrt(weight);
			sum += weight;
			squares += weight * weight;
			for (let i = 0; i < columns; i++) y.data[row * columns + i] = root * data[row * columns + i];
		}
		return {
			sum,
			squares
		};
	}
};

// src/kernel/routines/screen.ts
const screen = {
	describe: ({ x }) => `screening of ${x.rows}x${x.columns}`,
	check({ x }, fail) {
		if (x.data.length !== x.rows * x.columns) fail(`${x.data.length} elements for ${x.rows}x${x.columns}`);
	},
	run({ x: { data, rows, columns } }) {
		let dropped = 0;
		for (let row = 0; row < rows; row++) {
			const values = data.subarray(row * columns, (row + 1) * columns);
			let sum = 0;
			for (let i = 0; i < columns; i++) sum += Math.abs(values[i]);
			if (Number.isFinite(sum)) continue;
			values.fill(0);
			dropped++;
		}
		return { dropped };
	}
};

// src/ground/pieces.ts
/** `[start, end)` of `count`, `size` at a time. The last piece may be smaller. */
function pieces(count, size) {
	return Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size).map((start) => [start, Math.min(count, start + size)]);
}

// src/kernel/routines/solve.ts
/** Positions of R that are in the arena at once. Part of the results' bits. */
const panel = 2048;
/** Elements of B that are in the arena at once. */
const mostOfB = 16 * 2 ** 20;
const solve = {
	describe: ({ b }) => `solution for ${b.rows}x${b.columns}`,
	check({ factor, order, b }, fail) {
		const d = order.length;
		checkMatrix("b", b, [b.rows, d], fail);
		checkTriangle("the factor", factor, d, fail);
		if (new Set(order).size !== d || order.some((column) => column >= d)) fail("the order is not a permutation");
	},
	run({ factor, order, b }) {
		const some = Math.max(1, Math.floor(mostOfB / order.length));
		for (const [start, end] of pieces(b.rows, some)) solveRows({
			factor,
			order,
			b: rowsOf(b, start, end)
		});
	}
};
/** Solves R\u1d40Y = B\u1d40 from the first panel to the last, then RX = Y from the last to the first. */
function solveRows({ factor, order, b: { data, rows } }) {
	const d = order.length;
	const layout = new Layout();
	const size = Math.min(panel, d);
	const offsets = [layout.place(4 * size * size), layout.place(4 * d * rows)];
	const call = layout.place(ProductCall.bytes);
	const base = layout.claim();
	const place = {
		atPart: base + offsets[0],
		atB: base + offsets[1],
		call: base + call,
		rows
	};
	const columns = new Float32Array(memory.buffer, place.atB, d * rows);
	for (let p = 0; p < d; p++) for (let row = 0; row < rows; row++) columns[p * rows + row] = data[row * d + order[p]];
	const panels = pieces(d, panel);
	for (const [i, own] of panels.entries()) {
		solvePanel(factor, own, {
			...place,
			d
		});
		for (const later of panels.slice(i + 1)) subtract$1(factor, [own, later], {
			...place,
			d
		});
	}
	for (const [i, own] of [...panels.entries()].reverse()) {
		for (const later of panels.slice(i + 1)) subtract$1(factor, [later, own], {
			...place,
			d
		});
		solveBackwards(factor, own, {
			...place,
			d
		});
	}
	const solved = new Float32Array(memory.buffer, place.atB, d * rows);
	for (let p = 0; p < d; p++) for (let row = 0; row < rows; row++) data[row * d + order[p]] = solved[p * rows + row];
}
function solvePanel(factor, [start, end], place) {
	const { d, rows, atPart, atB } = place;
	copyTriangleIn(atPart, {
		data: factor,
		d,
		top: start,
		bottom: end,
		left: start,
		right: end
	});
	solve$1(end - start, rows, atPart, atB + 4 * rows * start);
}
/**
* Solving RX = B equals solving R\u1d40X = B with rows and columns in reverse order. The triangle stays
* an upper one.
*/
function solveBackwards(factor, [start, end], place) {
	const { d, rows, atPart, atB } = place;
	const n = end - start;
	const reverse = () => reverseRows(new Float32Array(memory.buffer, atB + 4 * rows * start, n * rows), n, rows);
	const backwards = new Float32Array(memory.buffer, atPart, n * n);
	for (let i = 0; i < n; i++) for (let j = i; j < n; j++) backwards[i * n + j] = factor[rowOf(d, end - 1 - j) + end - 1 - i];
	reverse();
	solve$1(n, rows, atPart, atB + 4 * rows * start);
	reverse();
}
/** Subtracts from the rows of panel `to` of B what those of panel `from` give by R or R\u1d40. */
function subtract$1(factor, [from, to], { d, rows, atPart, atB, call }) {
	const [depth, height] = [from[1] - from[0], to[1] - to[0]];
	if (from[0] < to[0]) {
		const part = {
			data: factor,
			d,
			top: from[0],
			bottom: from[1]
		};
		copyTriangleIn(atPart, {
			...part,
			left: to[0],
			right: to[1]
		});
	} else {
		const part = new Float32Array(memory.buffer, atPart, depth * height);
		for (let i = 0; i < height; i++) {
			const row = rowOf(d, to[0] + i) + from[0];
			for (let j = 0; j < depth; j++) part[j * height + i] = factor[row + j];
		}
	}
	ProductCall.write(call, {
		left: atPart,
		right: atB + 4 * rows * from[0],
		depth,
		height,
		width: rows,
		alpha: -1,
		tile: atB + 4 * rows * to[0],
		upper: 0
	});
	add_product(call);
}
function reverseRows(values, count, length) {
	for (let low = 0, high = count - 1; low < high; low++, high--) {
		const row = values.slice(low * length, (low + 1) * length);
		values.copyWithin(low * length, high * length, (high + 1) * length);
		values.set(row, high * length);
	}
}

// src/kernel/routines/subtract.ts
/** Returns the sum of the squared differences, in float64. */
const subtract = {
	describe: ({ x }) => `difference of ${x.rows}x${x.columns}`,
	check({ x, from }, fail) {
		checkMatrix("x", x, [x.rows, x.columns], fail);
		checkMatrix("the other", from, [x.rows, x.columns], fail);
	},
	run({ x: { data }, from }) {
		let squares = 0;
		for (let i = 0; i < data.length; i++) {
			data[i] = from.data[i] - data[i];
			squares += data[i] * data[i];
		}
		return { squares };
	}
};

// src/kernel/routines/tune-memory.ts
/** Memory of a worker for the rows of a job, in bytes. */
const memoryForRows = 12e7;
/** Rows, or twice the columns: with so many at once, what is done once for them hardly counts. */
const enoughRows = 512;
/** As WHOLE, WINDOW and BLOCK in tuning.rs. */
const [whole, ofWider, block] = [
	5120,
	1024,
	128
];
/** How many columns descent checks where no window is given. */
function reachOf(columns) {
	return columns <= whole ? columns : ofWider;
}
/**
* Memory of a worker that tunes matrices of so many columns, in bytes. It never shrinks. Beside the
* rows there are a block of R, its products, and the second derivatives of what descent checks.
*/
function tuningMemory(columns) {
	return memoryForRows + 4 * (reachOf(columns) ** 2 + 2 * block * columns);
}
/** How many rows of these tasks a worker can hold at once: a multiple of 16. */
function rowsAtOnce(columns, tasks, { sources, window = reachOf(columns) }) {
	const ofSource = 4 + bytesPerElement.F32;
	const ofDescent = 12 * Math.min(window, columns) / columns;
	const ofTask = ({ bits, sweeps }) => 8 + bits / 8 + (sweeps > 0 ? ofDescent : 0);
	const each = sources * ofSource + tasks.reduce((sum, task) => sum + ofTask(task), 0);
	const most = Math.min(memoryForRows / (each * columns), Math.max(enoughRows, 2 * columns));
	return Math.max(16, Math.floor(most / 16) * 16);
}

// src/kernel/routines/tune.ts
const tune = {
	describe: ({ rows, columns, tasks }) => {
		return `tuning of ${rows}x${columns} at ${tasks.map(({ bits, groupSize }) => `${bits} bits g${groupSize}`).join(", ")}`;
	},
	check(job, fail) {
		const { tasks, out, store, rows } = job;
		checkFrame(job, tasks, fail);
		if (out.length !== tasks.length) fail(`${out.length} outputs for ${tasks.length} widths`);
		for (const [i, task] of tasks.entries()) {
			checkPacked(out[i], packedBytes(job, task, store), fail);
			const { length } = out[i].sums;
			if (length !== 4 * rows) fail(`${length} sums for ${rows} rows`);
		}
	},
	run(job) {
		const most = rowsAtOnce(job.columns, job.tasks, {
			sources: job.sources.length,
			window: job.window
		});
		const nonFinite = job.tasks.map(() => 0);
		for (let start = 0; start < job.rows; start += most) {
			const counts = tuneRows(job, start, Math.min(job.rows, start + most));
			for (const [i, count] of counts.entries()) nonFinite[i] += count;
		}
		return { nonFinite };
	}
};
/** Rows `[start, end)`. Returns the numbers of weights that are not finite. */
function tuneRows(job, start, end) {
	const { call, atFactor, results, nonFinite } = prepare(job, job.tasks, start, end);
	if (nonFinite.some((count) => count > 0)) return nonFinite;
	const factor = factorOf(job);
	if (factor) {
		const visit = (block) => eachBlock(factor, atFactor, (left, right) => block(call, left, right, atFactor));
		if (!job.sampled) visit(tune_rounded_block);
		visit(tune_block);
		if (job.sampled) {
			tune_compare(call);
			visit(tune_rounded_block);
		}
	}
	tune_finish(call);
	for (const [i, out] of job.out.entries()) {
		const copy = (from, into) => {
			const each = into.byteLength / job.rows;
			copyOut(from, into, start * each, end * each);
		};
		for (const part of packedParts) copy(results[i][part], out[part]);
		copy(results[i].sums, bytesOf(out.sums));
	}
	return nonFinite;
}

// src/kernel/routines.ts
const table = {
	accumulate,
	attention,
	cast,
	center,
	cluster,
	compare,
	compensation,
	condition,
	contexts,
	decode,
	dequantize,
	distances,
	elementwise,
	embed,
	factorTile,
	fisherWeights,
	forecast,
	gateRows,
	gatedDelta,
	gather,
	linear,
	mamba,
	moments,
	quantize,
	rmsNorm,
	rotary,
	route,
	scale,
	screen,
	solve,
	subtract,
	tune,
	weigh
};
function routineOf(name) {
	return table[name];
}

export { sharedBytes as A, collectShared as B, clear as C, joinRows as D, inShared as E, bytesPerElement as F, countShared as H, isFloat as I, bytesIn as L, sharedFloats as M, sharedIntegers as N, newMatrix as O, weightRows as P, collectAll as R, bytesOf as S, floatsOf as T, collectYoung as V, instantiate as _, checkQuantize as a, triangleSize as b, mostRows as c, mxfp4 as d, bitWidths as f, plainHeads as g, mxfp4Width as h, pieces as i, sharedDoubles as j, rowsOf as k, tileBounds as l, isMxfp4 as m, rowsAtOnce as n, describeQuantize as o, groupSizes as p, tuningMemory as r, deltaWidths as s, routineOf as t, packedBytes as u, newTriangle as v, copyMatrix as w, asWeight as x, rowOf as y, collectJob as z };