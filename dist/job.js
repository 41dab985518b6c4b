import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

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

// src/kernel/dtype.ts
/** Bytes per element of every safetensors dtype that we may meet in a header. */
const bytesPerElement = {
	BOOL: 1,
	U8: 1,
	I8: 1,
	F8_E4M3: 1,
	F8_E5M2: 1,
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
* Adds to each token's context: `contexts` float32 `[vocabulary, width]` += Σ over positions of p_v (1 - p_v) · z. `logits` float32
* `[rows, vocabulary]`, overwritten; `z` `[rows, width]`.
*
* # Safety
* As [`super::quantize`].
* @param {number} logits
* @param {number} rows
* @param {number} vocabulary
* @param {number} z
* @param {number} width
* @param {number} contexts
*/
function add_contexts(logits, rows, vocabulary, z, width, contexts) {
	wasm.add_contexts(logits, rows, vocabulary, z, width, contexts);
}
/**
* `tile` += alpha·LᵀR: L float32 `[depth, height]`, R `[depth, width]`, tile `[height, width]`. With `upper` only its elements (i, j)
* with j >= i are right afterwards.
*
* # Safety
* As [`linear`].
* @param {number} left
* @param {number} right
* @param {number} depth
* @param {number} height
* @param {number} width
* @param {number} alpha
* @param {number} tile
* @param {boolean} upper
*/
function add_product(left, right, depth, height, width, alpha, tile, upper) {
	wasm.add_product(left, right, depth, height, width, alpha, tile, upper);
}
/**
* Adds what the tokens of each group have at stake: `logits` float32 `[rows, vocabulary]`, overwritten; `groups` uint32 `[vocabulary]`;
* `stakes` float32 `[rows, count]`.
*
* # Safety
* As [`super::quantize`]; every group is below `count`.
* @param {number} logits
* @param {number} rows
* @param {number} vocabulary
* @param {number} groups
* @param {number} stakes
* @param {number} count
*/
function add_stakes(logits, rows, vocabulary, groups, stakes, count) {
	wasm.add_stakes(logits, rows, vocabulary, groups, stakes, count);
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
* Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and forgets what it held.
* @param {number} bytes
* @returns {number}
*/
function arena(bytes) {
	return wasm.arena(bytes) >>> 0;
}
/**
* Causal attention of one sequence; changes `q` and `k`. Norm weights `[size]` and tables `[tokens, size / 2]` may be absent.
*
* # Safety
* As the module says.
* @param {number} tokens
* @param {number} queries
* @param {number} keys
* @param {number} size
* @param {number} query_norm
* @param {number} key_norm
* @param {number} eps
* @param {number} cosines
* @param {number} sines
* @param {number} q
* @param {number} k
* @param {number} v
* @param {number} y
*/
function attend(tokens, queries, keys, size, query_norm, key_norm, eps, cosines, sines, q, k, v, y) {
	wasm.attend(tokens, queries, keys, size, query_norm, key_norm, eps, cosines, sines, q, k, v, y);
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
function cast(elements, from, count, to, out) {
	return wasm.cast(elements, from, count, to, out);
}
/**
* Replaces the upper triangle of H `[n, n]` by R with H = RᵀR. Gives the index of the first pivot that is not positive and finite,
* or -1; below the diagonal stands nothing of meaning.
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
* Compares the logits `[rows, vocabulary]` of two models; `next` = the token that follows each row. `out` = float64 `[rows, 4]`:
* divergence, log-probability of the next token under the base and under the model, 1 where both hold the same token for likeliest.
*
* # Safety
* As [`quantize`]; `out` is aligned to 8.
* @param {number} base
* @param {number} model
* @param {number} next
* @param {number} rows
* @param {number} vocabulary
* @param {number} out
*/
function compare$1(base, model, next, rows, vocabulary, out) {
	wasm.compare(base, model, next, rows, vocabulary, out);
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
function dequantize(bits, group, words, scales, biases, store, count, out) {
	wasm.dequantize(bits, group, words, scales, biases, store, count, out);
}
/**
* Σ (x - y)² of each row, float64 into `out`; both given.
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
* As [`tune_block`], for tr(W H Wᵀ) so far.
*
* # Safety
* As [`tune_block`].
* @param {number} job
* @param {number} start
* @param {number} end
* @param {number} factor
* @returns {number}
*/
function forecast_energy_block(job, start, end, factor) {
	return wasm.forecast_energy_block(job, start, end, factor);
}
/**
* After `tune_prepare`: makes ready for `forecast_energy_block`.
*
* # Safety
* As [`tune_prepare`].
* @param {number} job
*/
function forecast_energy_start(job) {
	wasm.forecast_energy_start(job);
}
/**
* The loss that tuning at the job's width is expected to leave, after `tune_prepare`; `pivots` are float32 in natural order.
*
* # Safety
* As [`tune_prepare`].
* @param {number} job
* @param {number} pivots
* @returns {number}
*/
function forecast_loss(job, pivots) {
	return wasm.forecast_loss(job, pivots);
}
/**
* `y` = `x`·Wᵀ + `bias`: x float32 `[rows, inputs]`, W `[outputs, inputs]` in dtype `from`, y float32 `[rows, outputs]`.
* `bias` = address of float32 `[outputs]`, or 0; `widened` = room for W in float32, not used if it is that already.
*
* # Safety
* As [`super::quantize`]; float32 operands are aligned to 4.
* @param {number} x
* @param {number} rows
* @param {number} inputs
* @param {number} weight
* @param {number} from
* @param {number} outputs
* @param {number} widened
* @param {number} bias
* @param {number} y
*/
function linear$1(x, rows, inputs, weight, from, outputs, widened, bias, y) {
	wasm.linear(x, rows, inputs, weight, from, outputs, widened, bias, y);
}
/**
* One sequence through a Mamba-2 mixer. `sizes` = u32 `[heads, head, groups, state, taps]`; `tensors` = addresses of
* `[convolution, convolution bias, step bias, decay log, skip, norm]`.
*
* # Safety
* As the module says.
* @param {number} sizes
* @param {number} tensors
* @param {number} least
* @param {number} most
* @param {number} eps
* @param {number} tokens
* @param {number} z
* @param {number} y
*/
function mamba$1(sizes, tensors, least, most, eps, tokens, z, y) {
	wasm.mamba(sizes, tensors, least, most, eps, tokens, z, y);
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
function quantize(weights, from, rows, columns, store, mlx, widths, count, sums) {
	wasm.quantize(weights, from, rows, columns, store, mlx, widths, count, sums);
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
* Norms `rows` rows of `columns` values in place, in groups of `width`.
*
* # Safety
* As the module says.
* @param {number} data
* @param {number} rows
* @param {number} columns
* @param {number} weight
* @param {number} width
* @param {number} eps
*/
function rms_norm(data, rows, columns, weight, width, eps) {
	wasm.rms_norm(data, rows, columns, weight, width, eps);
}
/**
* Tables `[positions, size / 2]`. `scaling` = float64 `[kind, factor, …]`: 0 default; 1 linear; 2 Llama 3 `low, high, original`;
* 3 YaRN `fast, slow, original, whole, attention, mscale, mscale of all dimensions`.
*
* # Safety
* As the module says.
* @param {number} base
* @param {number} size
* @param {number} positions
* @param {number} scaling
* @param {number} cosines
* @param {number} sines
*/
function rotary$1(base, size, positions, scaling, cosines, sines) {
	wasm.rotary(base, size, positions, scaling, cosines, sines);
}
/**
* Chooses experts for `tokens` rows of logits, which become scores.
*
* # Safety
* As the module says.
* @param {number} numbers
* @param {number} correction
* @param {number} scale
* @param {number} tokens
* @param {number} logits
* @param {number} experts
* @param {number} selection
* @param {number} weights
*/
function route$1(numbers, correction, scale, tokens, logits, experts, selection, weights) {
	wasm.route(numbers, correction, scale, tokens, logits, experts, selection, weights);
}
/**
* Replaces B `[n, m]` by X with RᵀX = B, for R upper triangular `[n, n]`.
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
* Positions `[start, end)`; `factor` = R `[end - start, columns - start]`, those rows from column `start` on.
*
* # Safety
* As [`tune_prepare`].
* @param {number} job
* @param {number} start
* @param {number} end
* @param {number} factor
*/
function tune_block(job, start, end, factor) {
	wasm.tune_block(job, start, end, factor);
}
/**
* Positions of a block, at most.
* @returns {number}
*/
function tune_block_size() {
	return wasm.tune_block_size() >>> 0;
}
/**
* # Safety
* As [`tune_prepare`].
* @param {number} job
*/
function tune_finish(job) {
	wasm.tune_finish(job);
}
/**
* # Safety
* As [`tune_room`]; every address lies in the arena with the room that its operand needs, aligned to 8.
* @param {number} job
*/
function tune_prepare(job) {
	wasm.tune_prepare(job);
}
/**
* Float64 of room that the job at `job` needs; its addresses may still be missing, but for whether `order` is 0.
*
* # Safety
* `job` are 16 32-bit numbers in the order of [`Job`].
* @param {number} job
* @returns {number}
*/
function tune_room(job) {
	return wasm.tune_room(job) >>> 0;
}
/**
* Weights of chosen experts, `[tokens, kept]`.
*
* # Safety
* As the module says.
* @param {number} numbers
* @param {number} scale
* @param {number} tokens
* @param {number} scores
* @param {number} experts
* @param {number} weights
*/
function weigh$1(numbers, scale, tokens, scores, experts, weights) {
	wasm.weigh(numbers, scale, tokens, scores, experts, weights);
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
* V8 leaves SharedArrayBuffers out when it reckons whether garbage is worth collecting, for each would count once a thread. All
* matrices lie over such buffers, and every thread that saw one keeps it alive until it collects: gigabytes pile up within seconds.
* So each thread counts what passes through its hands, and collects.
*/
const bytesBetween = 128 << 20;
/** Buffers that survived a young collection need a whole one, which costs more. */
const youngBetween = 7;
let collector;
let bytes = 0;
let young = 0;
/** Counts shared memory that this thread has made or been handed. Tells whether it is time to collect. */
function countShared(more) {
	bytes += more;
	return bytes > bytesBetween;
}
/** Frees the buffers that this thread refers to no more. */
function collect() {
	bytes = 0;
	collector ??= findCollector();
	if (young++ < youngBetween) {
		collector({ type: "minor" });
		return;
	}
	young = 0;
	collector();
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
/** Output rows `[start, end)` of a weight: the same memory. */
function weightRows({ bytes, dtype, columns }, start, end) {
	const rowBytes = columns * bytesPerElement[dtype];
	return {
		bytes: bytes.subarray(start * rowBytes, end * rowBytes),
		dtype,
		rows: end - start,
		columns
	};
}
/** The bytes of a typed array: the same memory. */
function bytesOf({ buffer, byteOffset, byteLength }) {
	return new Uint8Array(buffer, byteOffset, byteLength);
}
/** Flat float32 values as the weight `[.., columns]` that they are: the same memory. */
function asWeight(values, columns) {
	return {
		bytes: bytesOf(values),
		dtype: "F32",
		rows: values.length / columns,
		columns
	};
}
/** The float32 values of a weight that holds such: the same memory. */
function floatsOf({ bytes: { buffer, byteOffset, byteLength } }) {
	return new Float32Array(buffer, byteOffset, byteLength / 4);
}
function sharedFloats(count) {
	return new Float32Array(shared(4 * count));
}
function sharedIntegers(count) {
	return new Uint32Array(shared(4 * count));
}
function sharedBytes(count) {
	return new Uint8Array(shared(count));
}
function shared(bytes) {
	if (countShared(bytes)) collect();
	return new SharedArrayBuffer(bytes);
}
/** Calls `fail` where a job's matrix is not `[rows, columns]`, or its memory is not. */
function checkMatrix(name, matrix, rows, columns, fail) {
	if (matrix.rows !== rows || matrix.columns !== columns) fail(`${name} is ${matrix.rows}x${matrix.columns}, expected ${rows}x${columns}`);
	if (matrix.data.length !== rows * columns) fail(`${name} has ${matrix.data.length} elements for ${rows}x${columns}`);
}
/** Calls `fail` where a row number lies outside of the matrix. */
function checkRows(rows, matrix, fail) {
	if (rows.some((row) => row >= matrix.rows)) fail(`a row outside of the ${matrix.rows} there are`);
}

// src/kernel/arena.ts
/**
* This thread's WebAssembly memory. Routines copy their operands from host memory into the arena, call the kernel with
* addresses, and copy results out; nothing outside of this file, kernel.ts and routines/ knows an address.
*/
let memory;
/** Codes of the dtypes in exports.rs. */
const dtypeCode = {
	BF16: 0,
	F16: 1,
	F32: 2
};
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
/** Rows of `rowBytes` that fit a core's second-level cache together, of a matrix that has `rows`. */
function rowsOfSlab(rows, rowBytes) {
	return Math.min(rows, Math.max(1, Math.floor(slabBytes / rowBytes)));
}
const slabBytes = 131072;
/** Bytes `[start, end)` of host memory into the arena. */
function copyIn(address, from, start, end) {
	asBuffer(from).copy(Buffer.from(memory.buffer, address, end - start), 0, start, end);
}
/** From the arena to bytes `[start, end)` of host memory. */
function copyOut(address, into, start, end) {
	Buffer.from(memory.buffer, address, end - start).copy(asBuffer(into), start);
}
/** A rectangle into the arena, its rows one after the other. */
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
/** From the arena to a rectangle. `upper`: row i only from its column i on, the rest of host memory is left alone. */
function copyRectangleOut(address, rectangle, upper = false) {
	const { data, columns, top, bottom, left, right } = rectangle;
	const bytes = 4 * (right - left);
	const host = asBuffer(bytesOf(data));
	const arena = Buffer.from(memory.buffer, address, (bottom - top) * bytes);
	if (!upper && right - left === columns) {
		arena.copy(host, top * bytes);
		return;
	}
	for (let i = 0; i < bottom - top; i++) {
		const skip = upper ? Math.min(bytes, 4 * i) : 0;
		arena.copy(host, 4 * ((top + i) * columns + left) + skip, i * bytes + skip, (i + 1) * bytes);
	}
}
/** Rows `[top, bottom)` of a matrix into the arena; given `rows`, those of their numbers. */
function copyRowsIn(address, { data, columns }, top, bottom, rows = null) {
	copyRectangleIn(address, {
		data,
		columns,
		top,
		bottom,
		left: 0,
		right: columns,
		rows
	});
}
/** From the arena to rows `[top, bottom)` of a matrix. */
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
/** Rows one after the other in the arena to rows `rows` of a matrix. */
function scatterRows(address, { data, columns }, rows) {
	const bytes = 4 * columns;
	const host = asBuffer(bytesOf(data));
	const arena = Buffer.from(memory.buffer, address, rows.length * bytes);
	for (let i = 0; i < rows.length; i++) arena.copy(host, rows[i] * bytes, i * bytes, (i + 1) * bytes);
}
/** The same memory: a Buffer's copy moves it in bulk, where a typed array's `set` goes word by word as soon as memory is shared. */
function asBuffer({ buffer, byteOffset, byteLength }) {
	return Buffer.from(buffer, byteOffset, byteLength);
}

// src/kernel/routines/accumulate.ts
const accumulate = {
	describe: ({ x, y }) => `sum of ${x.rows}x${x.columns} into ${y.rows} rows`,
	check({ x, rows, weights, y }, fail) {
		checkMatrix("x", x, rows.length, y.columns, fail);
		checkMatrix("y", y, y.rows, y.columns, fail);
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
			copyRowsIn(base + atY, y, top, bottom, rows);
			copyIn(base + atWeights, bytesOf(weights), 4 * top, 4 * bottom);
			add_weighted(base + atY, base + atX, base + atWeights, bottom - top, columns);
			scatterRows(base + atY, y, rows.subarray(top, bottom));
		}
	}
};

// src/kernel/routines/attention.ts
const attention = {
	describe: ({ q, heads }) => `attention of ${heads.queries}/${heads.keys} heads over ${q.rows} tokens`,
	check({ q, k, v, length, heads, y }, fail) {
		const { queries, keys, size, norms, rotary } = heads;
		if (queries % keys !== 0) fail(`${queries} query heads on ${keys} key heads`);
		if (length < 1 || q.rows % length !== 0) fail(`${q.rows} tokens in sequences of ${length}`);
		for (const [name, matrix, count] of [
			[
				"q",
				q,
				queries
			],
			[
				"k",
				k,
				keys
			],
			[
				"v",
				v,
				keys
			],
			[
				"y",
				y,
				queries
			]
		]) checkMatrix(name, matrix, q.rows, count * size, fail);
		if (norms && (norms.query.length !== size || norms.key.length !== size)) fail("a head norm of another width");
		if (rotary === null) return;
		if (size % 2 !== 0) fail(`heads of ${size} channels cannot be rotated`);
		for (const table of [rotary.cosines, rotary.sines]) if (table.length < length * size / 2) fail(`a rotary table of ${table.length}`);
	},
	run({ q, k, v, length, heads, y }) {
		const { queries, keys, size, norms, rotary } = heads;
		const [wide, narrow] = [queries * size, keys * size];
		const layout = new Layout();
		const tables = [
			norms?.query,
			norms?.key,
			rotary?.cosines,
			rotary?.sines
		].map((table, i) => {
			if (table === void 0) return null;
			const bytes = i < 2 ? 4 * size : 2 * length * size;
			return {
				table,
				bytes,
				offset: layout.place(bytes)
			};
		});
		const [atQ, atK] = [layout.place(4 * length * wide), layout.place(4 * length * narrow)];
		const [atV, atY] = [layout.place(4 * length * narrow), layout.place(4 * length * wide)];
		const base = layout.claim();
		const [query, key, cosines, sines] = tables.map((one) => one === null ? 0 : base + one.offset);
		for (const one of tables) if (one !== null) copyIn(base + one.offset, bytesOf(one.table), 0, one.bytes);
		const sizes = [
			length,
			queries,
			keys,
			size
		];
		for (let top = 0; top < q.rows; top += length) {
			const bottom = top + length;
			copyRowsIn(base + atQ, q, top, bottom);
			copyRowsIn(base + atK, k, top, bottom);
			copyRowsIn(base + atV, v, top, bottom);
			const operands = [
				base + atQ,
				base + atK,
				base + atV,
				base + atY
			];
			attend(...sizes, query, key, norms?.eps ?? 0, cosines, sines, ...operands);
			copyRowsOut(base + atY, y, top, bottom);
		}
	}
};

// src/kernel/routines/carry.ts
const carry = {
	describe: ({ d, top, bottom }) => `carry into ${top} to ${bottom} of ${d}`,
	check({ factor, d, top, bottom, carry: out }, fail) {
		if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
		if (!(top >= 0 && top < bottom && bottom < d)) fail("no block with positions behind it");
		checkMatrix("the carry", out, d - bottom, bottom - top, fail);
	},
	run({ factor, d, top, bottom, carry: out }) {
		const [n, later] = [bottom - top, d - bottom];
		const layout = new Layout();
		const [offsetOfBlock, offsetOfRows] = [layout.place(4 * n * n), layout.place(4 * n * later)];
		const base = layout.claim();
		const block = new Float32Array(memory.buffer, base + offsetOfBlock, n * n);
		for (let i = 0; i < n; i++) {
			for (let j = i; j < n; j++) block[i * n + j] = factor[(bottom - 1 - j) * d + bottom - 1 - i];
			const row = bottom - 1 - i;
			const place = base + offsetOfRows + 4 * i * later;
			copyRectangleIn(place, {
				data: factor,
				columns: d,
				top: row,
				bottom: row + 1,
				left: bottom,
				right: d
			});
		}
		solve$1(n, later, base + offsetOfBlock, base + offsetOfRows);
		const solved = new Float32Array(memory.buffer, base + offsetOfRows, n * later);
		for (let i = 0; i < n; i++) for (let k = 0; k < later; k++) out.data[k * n + n - 1 - i] = solved[i * later + k];
	}
};

// src/kernel/routines/center.ts
/** Gives the sum of the result's squares. */
const center = {
	describe: ({ x }) => `centering of ${x.rows}x${x.columns}`,
	check({ x, factors }, fail) {
		checkMatrix("x", x, x.rows, x.columns, fail);
		if (factors.length !== x.columns) fail(`${factors.length} factors`);
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
		if (labels.length !== points.rows) fail(`room for ${labels.length} labels`);
		if (!(groups >= 1 && groups <= points.rows)) fail(`${groups} groups`);
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
/** Tells whether there is a direction. */
function normalize(vector) {
	let squares = 0;
	for (const value of vector) squares += value * value;
	if (!(squares > 0)) return false;
	const length = Math.sqrt(squares);
	for (let k = 0; k < vector.length; k++) vector[k] /= length;
	return true;
}

// src/kernel/routines/compare.ts
/** Positions in the arena at once: two rows of logits each. */
const slab$5 = 16;
const compare = {
	describe: ({ base }) => `comparison of ${base.rows}x${base.columns} logits`,
	check({ base, model, next, out }, fail) {
		if (model.rows !== base.rows || model.columns !== base.columns) fail(`the model has ${model.rows}x${model.columns}`);
		if (next.length !== base.rows) fail(`${next.length} next tokens`);
		if (next.some((token) => token >= base.columns)) fail("a next token outside of the vocabulary");
		if (out.length !== 4 * base.rows) fail(`room for ${out.length} results`);
	},
	run({ base, model, next, out }) {
		const { rows, columns } = base;
		const layout = new Layout();
		const [first, second] = [layout.place(slab$5 * columns * 4), layout.place(slab$5 * columns * 4)];
		const [tokens, results] = [layout.place(64), layout.place(512)];
		const at = layout.claim();
		const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
		for (let start = 0; start < rows; start += slab$5) {
			const end = Math.min(rows, start + slab$5);
			copyIn(at + first, bytes(base.data), start * columns * 4, end * columns * 4);
			copyIn(at + second, bytes(model.data), start * columns * 4, end * columns * 4);
			copyIn(at + tokens, bytes(next), start * 4, end * 4);
			compare$1(at + first, at + second, at + tokens, end - start, columns, at + results);
			copyOut(at + results, bytes(out), start * 32, end * 32);
		}
	}
};

// src/kernel/routines/condition.ts
/** Rows whose elements below the diagonal go above it at once. */
const blockRows = 64;
const condition = {
	describe: ({ order }) => `conditioning of ${order.length}x${order.length}`,
	check({ gram, target, share, damping, order, diagonal, factor }, fail) {
		const d = order.length;
		if (gram.length !== d * d) fail(`the gram has ${gram.length} elements`);
		if (target && target.length !== d * d) fail(`the target has ${target.length} elements`);
		if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
		if (diagonal.length !== d) fail(`the diagonal has ${diagonal.length} elements`);
		if (!(share >= 0 && share <= 1)) fail(`a share of ${share}`);
		if (!(damping >= 0 && damping < Number.POSITIVE_INFINITY)) fail(`a damping of ${damping}`);
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
		permute(gram, target, mixture, order, answer.isLive, factor);
		for (let p = 0; p < d; p++) factor[p * d + p] = diagonal[order[p]] + damping * mean;
		return {
			dead,
			mean,
			trace
		};
	}
};
function traceOf(matrix, d) {
	let trace = 0;
	for (let i = 0; i < d; i++) trace += matrix[i * d + i];
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
/** Writes H's diagonal with dead columns at the mean. `isLive` = 1 for every other column, also for NaN: let the factorization find it. */
function conditionDiagonal({ gram, target, diagonal }, mixture) {
	const d = diagonal.length;
	const isLive = new Uint8Array(d);
	let [trace, live] = [0, 0];
	for (let i = 0; i < d; i++) {
		const at = i * d + i;
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
/** Writes H off the diagonal: reads rows one after the other, and puts each element where its two columns now stand. */
function permute(gram, target, mixture, order, isLive, factor) {
	const d = order.length;
	const position = new Uint32Array(d);
	for (let p = 0; p < d; p++) position[order[p]] = p;
	factor.fill(0);
	for (let i = 0; i < d; i++) {
		const [to, from] = [position[i] * d, i * d];
		const [ofGram, ofTarget] = isLive[i] ? [mixture.gram, mixture.target] : [0, 0];
		for (let j = i + 1; j < d; j++) {
			const value = ofGram * gram[from + j] + (target ? ofTarget * target[from + j] : 0);
			factor[to + position[j]] = isLive[j] ? value : 0;
		}
	}
	for (let left = 0; left < d; left += blockRows) {
		const right = Math.min(d, left + blockRows);
		for (let p = 0; p < right; p++) for (let q = Math.max(p + 1, left); q < right; q++) factor[p * d + q] += factor[q * d + p];
	}
}

// src/kernel/routines/cross.ts
/** Tokens in the arena at once: whole blocks of the product's depth, as in gram.ts. */
const slab$4 = 1024;
const cross = {
	describe: ({ x, y, top, left }) => `moments of ${x.rows}x${x.columns} and ${y.rows}x${y.columns}, tile at ${top},${left}`,
	check({ x, y, rows, sums, top, bottom, left, right }, fail) {
		checkMatrix("x", x, x.rows, x.columns, fail);
		checkMatrix("y", y, x.rows, y.columns, fail);
		checkMatrix("the sums", sums, x.columns, y.columns, fail);
		if (rows) checkRows(rows, x, fail);
		if (!(top >= 0 && top < bottom && bottom <= x.columns && left >= 0 && left < right && right <= y.columns)) fail(`rows ${top} to ${bottom}, columns ${left} to ${right} of ${x.columns}x${y.columns}`);
	},
	run({ x, y, rows, sums, top, bottom, left, right }) {
		const tokens = rows?.length ?? x.rows;
		const [height, width, deep] = [
			bottom - top,
			right - left,
			Math.min(slab$4, tokens)
		];
		const layout = new Layout();
		const [atX, atY] = [layout.place(4 * deep * height), layout.place(4 * deep * width)];
		const atSums = layout.place(4 * height * width);
		const base = layout.claim();
		const tile = {
			data: sums.data,
			columns: sums.columns,
			top,
			bottom,
			left,
			right
		};
		copyRectangleIn(base + atSums, tile);
		for (let start = 0; start < tokens; start += slab$4) {
			const end = Math.min(tokens, start + slab$4);
			copyRectangleIn(base + atX, {
				...x,
				rows,
				top: start,
				bottom: end,
				left: top,
				right: bottom
			});
			copyRectangleIn(base + atY, {
				...y,
				rows,
				top: start,
				bottom: end,
				left,
				right
			});
			add_product(base + atX, base + atY, end - start, height, width, 1, base + atSums, false);
		}
		copyRectangleOut(base + atSums, tile);
	}
};

// src/kernel/routines/distances.ts
const distances = {
	describe: ({ x }) => `distances of ${x.rows}x${x.columns}`,
	check({ x, y, out }, fail) {
		checkMatrix("x", x, out.length, x.columns, fail);
		checkMatrix("y", y, x.rows, x.columns, fail);
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
/** Elements in the arena at once. */
const slab$3 = 32768;
const elementwise = {
	describe: ({ what, x }) => `${what} of ${x.rows}x${x.columns}`,
	check(job, fail) {
		const { x } = job;
		checkMatrix("x", x, x.rows, x.columns, fail);
		if (job.what !== "relu_squared") checkMatrix("the other", job.by, x.rows, x.columns, fail);
	},
	run(job) {
		const layout = new Layout();
		const [first, second] = [layout.place(4 * slab$3), layout.place(4 * slab$3)];
		const base = layout.claim();
		const x = bytesOf(job.x.data);
		for (let start = 0; start < job.x.data.length; start += slab$3) {
			const end = Math.min(job.x.data.length, start + slab$3);
			copyIn(base + first, x, 4 * start, 4 * end);
			if (job.what !== "relu_squared") copyIn(base + second, bytesOf(job.by.data), 4 * start, 4 * end);
			apply(job.what, base + first, base + second, end - start);
			copyOut(base + first, x, 4 * start, 4 * end);
		}
	}
};
function apply(what, x, by, count) {
	switch (what) {
		case "relu_squared":
			relu_squared(x, count);
			break;
		case "swiglu":
			swiglu(x, by, count);
			break;
		case "add": add(x, by, count);
	}
}

// src/kernel/routines/embed.ts
const embed = {
	describe: ({ table, ids }) => `${ids.length} tokens in ${table.rows}x${table.columns} embeddings`,
	check({ table, ids, y }, fail) {
		checkMatrix("y", y, ids.length, table.columns, fail);
		if (!(table.dtype in dtypeCode)) fail(`${table.dtype} is no float dtype`);
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
/** Tiles of the upper triangle of a large square matrix, each a job of its own. */
/** Most rows and columns of a tile. Copying its operands should cost little beside the product, and there should be several. */
const mostRows = {
	gram: 512,
	/** Smaller, because a tile of a factor waits for others. */
	factor: 384
};
/** Whole tiles of the product in registers (gemm.rs). */
const unit = 24;
/**
* Where tiles of a `[d, d]` matrix begin and end: 0 … d, in steps of equal size but for the last. Depends on d alone: the steps of
* a factorization are part of its result's bits.
*/
function tileBounds(d, mostRows) {
	const count = Math.max(1, Math.ceil(d / mostRows));
	const size = Math.ceil(d / count / unit) * unit;
	return [...Array.from({ length: Math.ceil(d / size) }, (_, i) => i * size), d];
}
/** Calls `fail` unless a tile lies on the diagonal, its columns being its rows, or right of it. */
function checkTile({ d, top, bottom, left, right }, fail) {
	if (![
		top,
		bottom,
		left,
		right
	].every(Number.isInteger) || top < 0 || top >= bottom || left >= right || right > d || !(left === top && right === bottom || left >= bottom)) fail(`rows ${top} to ${bottom}, columns ${left} to ${right} are no tile of ${d}x${d}`);
}

// src/kernel/routines/factor-tile.ts
/** Rows of the factor in the arena at once: whole blocks of the product's depth (`DEPTH` in gemm.rs). */
const slab$2 = 1024;
const factorTile = {
	describe: ({ d, top, left }) => `factor of ${d}x${d}, tile at ${top},${left}`,
	check({ factor, d, top, bottom, left, right }, fail) {
		if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
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
		const deep = Math.min(slab$2, Math.max(top, height));
		const [atLeft, atRight] = [layout.place(4 * deep * height), layout.place(diagonal ? 0 : 4 * deep * width)];
		const atTile = layout.place(4 * height * width);
		const base = layout.claim();
		const host = {
			data: factor,
			columns: d
		};
		const tile = {
			...host,
			top,
			bottom,
			left,
			right
		};
		copyRectangleIn(base + atTile, tile);
		for (let start = 0; start < top; start += slab$2) {
			const above = {
				...host,
				top: start,
				bottom: Math.min(top, start + slab$2)
			};
			const depth = above.bottom - start;
			copyRectangleIn(base + atLeft, {
				...above,
				left: top,
				right: bottom
			});
			if (!diagonal) copyRectangleIn(base + atRight, {
				...above,
				left,
				right
			});
			const other = base + (diagonal ? atLeft : atRight);
			add_product(base + atLeft, other, depth, height, width, -1, base + atTile, diagonal);
		}
		let pivot = -1;
		if (diagonal) pivot = cholesky(height, base + atTile);
		else {
			copyRectangleIn(base + atLeft, {
				...host,
				top,
				bottom,
				left: top,
				right: bottom
			});
			solve$1(height, width, base + atLeft, base + atTile);
		}
		copyRectangleOut(base + atTile, tile, diagonal);
		return { pivot: pivot < 0 ? null : top + pivot };
	}
};

// src/kernel/width.ts
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
/** Calls `fail` where MLX knows no such width, or its groups do not fill rows of `columns`. */
function checkWidth({ bits, groupSize }, columns, fail) {
	if (!bitWidths.includes(bits)) fail(`MLX has no ${bits}-bit format, only ${bitWidths.join(", ")}`);
	if (!groupSizes.includes(groupSize)) fail(`MLX has no groups of ${groupSize}, only ${groupSizes.join(", ")}`);
	if (columns % groupSize !== 0) fail(`${columns} columns are no multiple of the group of ${groupSize}`);
}

// src/kernel/routines/tune-frame.ts
/** At 8 bits a stored scale has no digit left that would make a fit better. */
const mostRefitted = 6;
const totals = 6;
/** Lays rows `[start, end)` out in the arena, rounds them plainly and searches their scales. */
function prepare(frame, start, end) {
	const { columns, factor, order, diagonal } = frame;
	const count = end - start;
	const block = tune_block_size();
	const layout = new Layout();
	const rowBytes = columns * bytesPerElement[frame.from];
	const pairs = columns / frame.groupSize * bytesPerElement[frame.store];
	const atWeights = layout.place(count * rowBytes);
	const outputs = [
		columns * frame.bits / 8,
		pairs,
		pairs
	].map((each) => layout.place(count * each));
	const [atOrder, atDiagonal, atPivots] = [
		1,
		2,
		3
	].map(() => layout.place(4 * columns));
	const atFactor = layout.place(factor ? 4 * Math.min(block, columns) * columns : 0);
	const [atTotals, atNumbers] = [layout.place(48), layout.place(64)];
	const numbers = (base, room) => {
		const shape = [
			count,
			columns,
			frame.bits,
			frame.groupSize,
			dtypeCode[frame.store],
			frame.sweeps
		];
		const more = [Number(frame.bits <= mostRefitted), dtypeCode[frame.from]];
		const read = [
			base + atWeights,
			order ? base + atOrder : 0,
			base + atDiagonal
		];
		const written = outputs.map((offset) => base + offset);
		return Uint32Array.from([
			...shape,
			...more,
			...read,
			...written,
			room,
			base + atTotals
		]);
	};
	const room = layout.place(8 * roomOf(numbers(1, 0)));
	const base = layout.claim();
	new Uint32Array(memory.buffer, base + atNumbers, 16).set(numbers(base, base + room));
	if (order) new Uint32Array(memory.buffer, base + atOrder, columns).set(order);
	const weights = new Float32Array(memory.buffer, base + atDiagonal, columns);
	if (diagonal) weights.set(diagonal);
	else weights.fill(1);
	copyIn(base + atWeights, frame.weights, start * rowBytes, end * rowBytes);
	tune_prepare(base + atNumbers);
	const at = (offset) => base + offset;
	return {
		numbers: at(atNumbers),
		atFactor: at(atFactor),
		atPivots: at(atPivots),
		outputs: outputs.map(at)
	};
}
/** Copies the factor in block by block, from the last positions to the first. */
function eachBlock(factor, columns, atFactor, visit) {
	const block = tune_block_size();
	for (let right = columns; right > 0; right -= block) {
		const left = Math.max(0, right - block);
		copyRectangleIn(atFactor, {
			data: factor,
			columns,
			top: left,
			bottom: right,
			left,
			right: columns
		});
		visit(left, right);
	}
}
/** Asked of the kernel before anything else lies in the arena. */
function roomOf(numbers) {
	const layout = new Layout();
	layout.place(numbers.byteLength);
	const base = layout.claim();
	new Uint32Array(memory.buffer, base, numbers.length).set(numbers);
	return tune_room(base);
}
/** The sums over a frame's rows so far. */
function readTotals(numbers) {
	const address = new Uint32Array(memory.buffer, numbers, 16)[15];
	const [loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite] = new Float64Array(memory.buffer, address, totals);
	return {
		loss,
		roundedLoss,
		roundedRows,
		squaredError,
		weightEnergy,
		nonFinite
	};
}

// src/kernel/routines/tune.ts
/** Weights in the arena at once: they and what is computed for each take some 30 bytes. */
const mostElements = 5 * 2 ** 20;
/**
* Rows that a worker holds at once. Jobs of so many are the fastest: part of the work is done once a job, whatever its rows
* (it grows with the cube of the columns). More go in parts.
*/
function rowsOfJob(columns) {
	return Math.max(16, Math.floor(mostElements / columns / 16) * 16);
}
const tune = {
	describe: ({ rows, columns, bits, groupSize }) => `tuning of ${rows}x${columns} at ${bits} bits g${groupSize}`,
	check(job, fail) {
		const { rows, columns, factor, order, diagonal, sweeps } = job;
		for (const n of [rows, columns]) if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
		if (!Number.isSafeInteger(sweeps) || sweeps < 0) fail(`${sweeps} sweeps`);
		checkWidth(job, columns, fail);
		const pairs = rows * columns / job.groupSize * bytesPerElement[job.store];
		const expected = {
			weights: rows * columns * bytesPerElement[job.from],
			words: rows * columns * job.bits / 8,
			scales: pairs,
			biases: pairs
		};
		for (const [name, bytes] of Object.entries(expected)) if (job[name].byteLength !== bytes) fail(`${name} have ${job[name].byteLength} bytes, expected ${bytes}`);
		if (diagonal && diagonal.length !== columns) fail(`the diagonal has ${diagonal.length} elements`);
		if (factor === null !== (order === null)) fail("a factor and its order come together");
		if (!factor || !order) return;
		if (factor.length !== columns * columns) fail(`the factor has ${factor.length} elements`);
		if (order.length !== columns || new Set(order).size !== columns || order.some((column) => column >= columns)) fail("the order is no permutation of the columns");
	},
	run(job) {
		const parts = [];
		const most = rowsOfJob(job.columns);
		for (let start = 0; start < job.rows; start += most) parts.push(tuneRows(job, start, Math.min(job.rows, start + most)));
		const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
		return {
			loss: Math.max(0, sum(({ loss }) => loss)),
			roundedLoss: sum(({ roundedLoss }) => roundedLoss),
			roundedRows: sum(({ roundedRows }) => roundedRows),
			squaredError: sum(({ squaredError }) => squaredError),
			weightEnergy: sum(({ weightEnergy }) => weightEnergy),
			nonFinite: sum(({ nonFinite }) => nonFinite)
		};
	}
};
/** Rows `[start, end)`. */
function tuneRows(job, start, end) {
	const { rows, columns, factor } = job;
	const { numbers, atFactor, outputs } = prepare(job, start, end);
	const answer = () => readTotals(numbers);
	if (answer().nonFinite > 0) return answer();
	if (factor) eachBlock(factor, columns, atFactor, (left, right) => tune_block(numbers, left, right, atFactor));
	tune_finish(numbers);
	for (const [i, bytes] of [
		job.words,
		job.scales,
		job.biases
	].entries()) {
		const each = bytes.byteLength / rows;
		copyOut(outputs[i], bytes, start * each, end * each);
	}
	return answer();
}

// src/kernel/routines/forecast.ts
const forecast = {
	describe: ({ rows, columns, widths }) => `forecast of ${rows}x${columns} at ${widths.length} widths`,
	check({ rows, columns, factor, order, diagonal, widths }, fail) {
		for (const n of [rows, columns]) if (!Number.isSafeInteger(n) || n < 1) fail("rows and columns must be whole numbers above 0");
		for (const width of widths) checkWidth(width, columns, fail);
		if (widths.length === 0) fail("no width");
		if (diagonal && diagonal.length !== columns) fail(`the diagonal has ${diagonal.length} elements`);
		if (factor === null !== (order === null)) fail("a factor and its order come together");
		if (factor && factor.length !== columns * columns) fail(`the factor has ${factor.length} elements`);
		if (order && order.length !== columns) fail(`the order has ${order.length} elements`);
	},
	run(job) {
		const losses = job.widths.map(() => 0);
		let [energy, nonFinite] = [0, 0];
		const most = rowsOfJob(job.columns);
		const pivots = pivotsOf(job);
		for (let start = 0; start < job.rows; start += most) {
			const end = Math.min(job.rows, start + most);
			for (const [i, width] of job.widths.entries()) {
				const { numbers, atFactor, atPivots } = prepare({
					...job,
					...width,
					sweeps: 0
				}, start, end);
				if (i === 0) nonFinite += readTotals(numbers).nonFinite;
				if (nonFinite > 0) continue;
				new Float32Array(memory.buffer, atPivots, job.columns).set(pivots);
				losses[i] += forecast_loss(numbers, atPivots);
				if (i > 0) continue;
				if (job.factor === null) energy += readTotals(numbers).weightEnergy * meanOf(pivots);
				else energy += energyOf(job.factor, job.columns, numbers, atFactor);
			}
		}
		return {
			energy,
			losses,
			nonFinite
		};
	}
};
/** R_pp² by natural column: what no other column can make up for. Without a factor the diagonal. */
function pivotsOf({ columns, factor, order, diagonal }) {
	const pivots = new Float32Array(columns);
	if (factor === null || order === null) return diagonal === null ? pivots.fill(1) : new Float32Array(diagonal);
	for (let p = 0; p < columns; p++) pivots[order[p]] = factor[p * columns + p] ** 2;
	return pivots;
}
function energyOf(factor, columns, numbers, atFactor) {
	forecast_energy_start(numbers);
	let energy = 0;
	eachBlock(factor, columns, atFactor, (left, right) => {
		energy = forecast_energy_block(numbers, left, right, atFactor);
	});
	return energy;
}
function meanOf(values) {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// src/kernel/routines/gather.ts
/** Moves bytes from host memory to host memory: no arithmetic, no arena. */
const gather = {
	describe: ({ x, rows }) => `${rows.length} rows of ${x.rows}x${x.columns}`,
	check({ x, rows, y }, fail) {
		checkMatrix("x", x, x.rows, x.columns, fail);
		checkMatrix("y", y, rows.length, x.columns, fail);
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

// src/kernel/routines/gram.ts
/**
* Tokens in the arena at once, few enough for a core's caches. Whole blocks of the product's depth (`DEPTH` in gemm.rs), so that
* slabs do not show in a sum's bits.
*/
const slab$1 = 1024;
const gram = {
	describe: ({ x, rows, top, left }) => `gram of ${rows?.length ?? x.rows}x${x.columns}, tile at ${top},${left}`,
	check({ x, rows, gram, top, bottom, left, right }, fail) {
		const d = x.columns;
		if (x.data.length !== x.rows * d) fail(`x has ${x.data.length} elements`);
		if (gram.length !== d * d) fail(`the gram has ${gram.length} elements`);
		checkTile({
			d,
			top,
			bottom,
			left,
			right
		}, fail);
		if (rows?.some((row) => row >= x.rows)) fail(`a row outside of the ${x.rows} of x`);
	},
	run({ x, rows, gram, top, bottom, left, right, alpha }) {
		const tokens = rows?.length ?? x.rows;
		const [height, width, diagonal] = [
			bottom - top,
			right - left,
			left === top
		];
		const deep = Math.min(slab$1, tokens);
		const layout = new Layout();
		const [atLeft, atRight] = [layout.place(4 * deep * height), layout.place(diagonal ? 0 : 4 * deep * width)];
		const atTile = layout.place(4 * height * width);
		const base = layout.claim();
		const tile = {
			data: gram,
			columns: x.columns,
			top,
			bottom,
			left,
			right
		};
		copyRectangleIn(base + atTile, tile);
		for (let start = 0; start < tokens; start += slab$1) {
			const some = {
				...x,
				rows,
				top: start,
				bottom: Math.min(tokens, start + slab$1)
			};
			const depth = some.bottom - start;
			copyRectangleIn(base + atLeft, {
				...some,
				left: top,
				right: bottom
			});
			if (!diagonal) copyRectangleIn(base + atRight, {
				...some,
				left,
				right
			});
			const other = base + (diagonal ? atLeft : atRight);
			add_product(base + atLeft, other, depth, height, width, alpha, base + atTile, diagonal);
		}
		copyRectangleOut(base + atTile, tile, diagonal);
	}
};

// src/kernel/routines/linear.ts
/** Most float32 in the arena for rows of x, and for rows of the weight. Either holds at least one tile of the product. */
const [mostOfX, mostOfWeight] = [8 * 2 ** 20, 2 * 2 ** 20];
/** Sides of a tile of the product (gemm.rs): slabs of whole tiles. */
const [tileRows, tileColumns] = [6, 8];
/** How many rows of `width` elements make a slab of at most `most` elements, in whole tiles. */
function slabOf(count, width, most, tile) {
	return Math.min(count, Math.max(tile, Math.floor(most / width / tile) * tile));
}
const linear = {
	describe: ({ x, weight, y }) => `product of ${y.rows}x${x.columns} rows and ${weight.rows}x${weight.columns} weights`,
	check({ x, rows, weight, bias, y }, fail) {
		const elementBytes = bytesPerElement[weight.dtype] ?? fail(`${weight.dtype} is no dtype`);
		if (!(weight.dtype in dtypeCode)) fail(`${weight.dtype} is no float dtype`);
		if (x.columns !== weight.columns) fail("x and the weight differ in their input width");
		if (y.columns !== weight.rows) fail(`y has ${y.columns} columns`);
		if (y.rows !== (rows ?? { length: x.rows }).length) fail(`${rows?.length ?? x.rows} rows go in`);
		for (const { data, rows, columns } of [x, y]) if (data.length !== rows * columns) fail(`${data.length} elements for ${rows}x${columns}`);
		if (weight.bytes.length !== weight.rows * weight.columns * elementBytes) fail(`the weight has ${weight.bytes.length} bytes`);
		if (bias && bias.length !== weight.rows) fail(`the bias has ${bias.length} elements`);
		if (rows?.some((row) => row >= x.rows)) fail(`a row outside of the ${x.rows} of x`);
	},
	run({ x, rows, weight, bias, y }) {
		const inputs = weight.columns;
		const elementBytes = bytesPerElement[weight.dtype];
		const [high, wide] = [slabOf(y.rows, inputs, mostOfX, tileRows), slabOf(weight.rows, inputs, mostOfWeight, tileColumns)];
		const layout = new Layout();
		const [atX, atY] = [layout.place(4 * high * inputs), layout.place(4 * high * wide)];
		const [atWeight, atWide] = [layout.place(elementBytes * wide * inputs), layout.place(4 * wide * inputs)];
		const atBias = layout.place(4 * wide);
		const base = layout.claim();
		const dtype = dtypeCode[weight.dtype];
		for (let top = 0; top < y.rows; top += high) {
			const bottom = Math.min(y.rows, top + high);
			copyRectangleIn(base + atX, {
				...x,
				rows,
				top,
				bottom,
				left: 0,
				right: inputs
			});
			for (let left = 0; left < weight.rows; left += wide) {
				const right = Math.min(weight.rows, left + wide);
				copyIn(base + atWeight, weight.bytes, left * inputs * elementBytes, right * inputs * elementBytes);
				if (bias) copyIn(base + atBias, bytesOf(bias), 4 * left, 4 * right);
				linear$1(base + atX, bottom - top, inputs, base + atWeight, dtype, right - left, base + atWide, bias ? base + atBias : 0, base + atY);
				copyRectangleOut(base + atY, {
					...y,
					top,
					bottom,
					left,
					right
				});
			}
		}
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
const mamba = {
	describe: ({ z, mixer }) => `Mamba mixer of ${mixer.heads} heads over ${z.rows} tokens`,
	check({ z, length, mixer, y }, fail) {
		const { heads, groups, taps } = mixer;
		const { inner, convolved, columns } = widths(mixer);
		if (heads % groups !== 0) fail(`${heads} heads in ${groups} groups`);
		if (length < 1 || z.rows % length !== 0) fail(`${z.rows} tokens in sequences of ${length}`);
		checkMatrix("z", z, z.rows, columns, fail);
		checkMatrix("y", y, z.rows, inner, fail);
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
		const [atSizes, atAddresses] = [layout.place(20), layout.place(24)];
		const offsets = tensors.map((tensor) => layout.place(tensor.byteLength));
		const [atZ, atY] = [layout.place(4 * length * columns), layout.place(4 * length * inner)];
		const base = layout.claim();
		const { heads, head, groups, state, taps, limits, eps } = mixer;
		new Uint32Array(memory.buffer, base + atSizes, 5).set([
			heads,
			head,
			groups,
			state,
			taps
		]);
		new Uint32Array(memory.buffer, base + atAddresses, 6).set(offsets.map((offset) => base + offset));
		for (const [i, tensor] of tensors.entries()) copyIn(base + offsets[i], bytesOf(tensor), 0, tensor.byteLength);
		for (let top = 0; top < z.rows; top += length) {
			const bottom = top + length;
			copyRowsIn(base + atZ, z, top, bottom);
			mamba$1(base + atSizes, base + atAddresses, ...limits, eps, length, base + atZ, base + atY);
			copyRowsOut(base + atY, y, top, bottom);
		}
	}
};

// src/kernel/routines/rms-norm.ts
const rmsNorm = {
	describe: ({ x }) => `norm of ${x.rows}x${x.columns}`,
	check({ x, weight, y }, fail) {
		checkMatrix("x", x, x.rows, x.columns, fail);
		checkMatrix("y", y, x.rows, x.columns, fail);
		if (weight.length !== x.columns) fail(`${weight.length} weights`);
	},
	run({ x, weight, eps, y }) {
		const { rows, columns } = x;
		const slab = rowsOfSlab(rows, 4 * columns);
		const layout = new Layout();
		const [atRows, atWeight] = [layout.place(4 * slab * columns), layout.place(4 * columns)];
		const base = layout.claim();
		copyIn(base + atWeight, bytesOf(weight), 0, 4 * columns);
		for (let top = 0; top < rows; top += slab) {
			const bottom = Math.min(rows, top + slab);
			copyRowsIn(base + atRows, x, top, bottom);
			rms_norm(base + atRows, bottom - top, columns, base + atWeight, columns, eps);
			copyRowsOut(base + atRows, y, top, bottom);
		}
	}
};

// src/kernel/routines/rotary.ts
/** As exports/forward.rs reads them. */
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
	describe: ({ scaling, size }) => `${scaling.kind} rotary tables for heads of ${size}`,
	check({ size, cosines, sines }, fail) {
		if (size < 2 || size % 2 !== 0) fail("a head should have an even number of channels");
		if (cosines.length !== sines.length || cosines.length % (size / 2) !== 0) fail("tables that do not fit");
	},
	run({ base: wavelength, size, scaling, cosines, sines }) {
		const layout = new Layout();
		const [atNumbers, atCosines] = [layout.place(72), layout.place(cosines.byteLength)];
		const atSines = layout.place(sines.byteLength);
		const base = layout.claim();
		new Float64Array(memory.buffer, base + atNumbers, 9).fill(0);
		new Float64Array(memory.buffer, base + atNumbers, 9).set(numbersOf$1(scaling));
		const positions = cosines.length / (size / 2);
		rotary$1(wavelength, size, positions, base + atNumbers, base + atCosines, base + atSines);
		copyOut(base + atCosines, bytesOf(cosines), 0, cosines.byteLength);
		copyOut(base + atSines, bytesOf(sines), 0, sines.byteLength);
	}
};

// src/kernel/routines/route.ts
const route = {
	describe: ({ scores }) => `routes of ${scores.rows} tokens to ${scores.columns} experts`,
	check({ scores, rules, experts, selection, weights, forced }, fail) {
		const { routed, visited, kept, groups, openGroups, correction } = rules;
		checkMatrix("the scores", scores, scores.rows, routed, fail);
		if (visited < 1 || kept < visited || kept > routed) fail(`${visited} experts visited and ${kept} kept`);
		if (routed % groups !== 0 || openGroups < 1 || openGroups > groups) fail(`${openGroups} of ${groups} groups`);
		if (correction && correction.length !== routed) fail(`${correction.length} corrections`);
		if (experts.length !== scores.rows * kept || selection.length !== experts.length) fail("no room for the ranks");
		if (weights.length !== scores.rows * visited) fail("no room for the weights");
		if (forced && experts.some((expert) => expert >= routed)) fail("a forced expert that does not exist");
	},
	run({ scores, rules, experts, selection, weights, forced }) {
		const { routed, visited, kept } = rules;
		const slab = rowsOfSlab(scores.rows, 4 * (routed + 2 * kept + visited));
		const layout = new Layout();
		const [atNumbers, atCorrection] = [layout.place(28), layout.place(4 * routed)];
		const place = (columns) => layout.place(4 * slab * columns);
		const [atScores, atExperts, atSelection, atWeights] = [
			routed,
			kept,
			kept,
			visited
		].map(place);
		const base = layout.claim();
		new Uint32Array(memory.buffer, base + atNumbers, 7).set(numbersOf(rules));
		if (rules.correction) copyIn(base + atCorrection, bytesOf(rules.correction), 0, 4 * routed);
		const correction = rules.correction ? base + atCorrection : 0;
		for (let top = 0; top < scores.rows; top += slab) {
			const rows = Math.min(slab, scores.rows - top);
			const move = (copy, offset, array, n) => copy(base + offset, bytesOf(array), 4 * top * n, 4 * (top + rows) * n);
			move(copyIn, atScores, scores.data, routed);
			const scale = Math.fround(rules.scale);
			if (forced) {
				move(copyIn, atExperts, experts, kept);
				weigh$1(base + atNumbers, scale, rows, base + atScores, base + atExperts, base + atWeights);
			} else {
				const outputs = [
					base + atExperts,
					base + atSelection,
					base + atWeights
				];
				route$1(base + atNumbers, correction, scale, rows, base + atScores, ...outputs);
				move(copyOut, atScores, scores.data, routed);
				move(copyOut, atExperts, experts, kept);
				move(copyOut, atSelection, selection, kept);
			}
			move(copyOut, atWeights, weights, visited);
		}
	}
};
/** As exports/forward.rs reads them. */
function numbersOf({ score, routed, visited, kept, groups, openGroups, normalized }) {
	return [
		Number(score === "softmax"),
		routed,
		visited,
		kept,
		groups,
		openGroups,
		Number(normalized)
	];
}

// src/kernel/routines/scale.ts
const scale = {
	describe: ({ x }) => `scaling of ${x.rows}x${x.columns}`,
	check({ x, factors }, fail) {
		if (factors.length !== x.columns) fail(`${factors.length} factors`);
	},
	run({ x: { data, rows, columns }, factors }) {
		for (let row = 0; row < rows; row++) for (let i = 0; i < columns; i++) data[row * columns + i] *= factors[i];
	}
};
/** Gives the sums of the weights and of their squares. */
const weigh = {
	describe: ({ x }) => `weighing of ${x.rows}x${x.columns}`,
	check({ x, weights, kind, y }, fail) {
		if (weights.rows !== x.rows || (kind ?? 0) >= weights.columns) fail(`weights are ${weights.rows}x${weights.columns}`);
		if (y.rows !== x.rows || y.columns !== x.columns) fail(`room for ${y.rows}x${y.columns}`);
	},
	run({ x: { data, rows, columns }, weights, kind, y }) {
		let [sum, squares] = [0, 0];
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
		if (x.data.length !== x.rows * x.columns) fail(`${x.data.length} elements`);
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

// src/kernel/routines/solve.ts
const solve = {
	describe: ({ b }) => `solution for ${b.rows}x${b.columns}`,
	check({ factor, order, b }, fail) {
		const d = order.length;
		checkMatrix("b", b, b.rows, d, fail);
		if (factor.length !== d * d) fail(`the factor has ${factor.length} elements`);
		if (new Set(order).size !== d || order.some((column) => column >= d)) fail("the order is no permutation");
	},
	run({ factor, order, b: { data, rows } }) {
		const d = order.length;
		const layout = new Layout();
		const [offsetOfFactor, offsetOfB] = [layout.place(4 * d * d), layout.place(4 * d * rows)];
		const base = layout.claim();
		const [atFactor, atB] = [base + offsetOfFactor, base + offsetOfB];
		const columns = new Float32Array(memory.buffer, atB, d * rows);
		for (let p = 0; p < d; p++) for (let row = 0; row < rows; row++) columns[p * rows + row] = data[row * d + order[p]];
		copyRectangleIn(atFactor, {
			data: factor,
			columns: d,
			top: 0,
			bottom: d,
			left: 0,
			right: d
		});
		solve$1(d, rows, atFactor, atB);
		reverseRows(columns, d, rows);
		const backwards = new Float32Array(memory.buffer, atFactor, d * d);
		for (let i = 0; i < d; i++) for (let j = i; j < d; j++) backwards[i * d + j] = factor[(d - 1 - j) * d + d - 1 - i];
		solve$1(d, rows, atFactor, atB);
		const solved = new Float32Array(memory.buffer, atB, d * rows);
		for (let p = 0; p < d; p++) for (let row = 0; row < rows; row++) data[row * d + order[p]] = solved[(d - 1 - p) * rows + row];
	}
};
function reverseRows(values, count, length) {
	for (let low = 0, high = count - 1; low < high; low++, high--) {
		const row = values.slice(low * length, (low + 1) * length);
		values.copyWithin(low * length, high * length, (high + 1) * length);
		values.set(row, high * length);
	}
}

// src/kernel/routines/stakes.ts
/** Positions in the arena at once. */
const slab = 16;
const stakes = {
	describe: ({ logits }) => `stakes of ${logits.rows}x${logits.columns} logits`,
	check({ logits, groups, stakes: out }, fail) {
		if (groups.length !== logits.columns) fail(`${groups.length} tokens have a group`);
		if (out.rows !== logits.rows) fail(`room for ${out.rows} positions`);
		if (groups.some((group) => group >= out.columns)) fail("a group that has no column");
	},
	run({ logits, groups, stakes: out }) {
		const layout = new Layout();
		const [rows, sums] = [layout.place(64 * logits.columns), layout.place(64 * out.columns)];
		const numbers = layout.place(4 * groups.length);
		const base = layout.claim();
		copyIn(base + numbers, bytesOf(groups), 0, 4 * groups.length);
		for (let top = 0; top < logits.rows; top += slab) {
			const bottom = Math.min(logits.rows, top + slab);
			copyRowsIn(base + rows, logits, top, bottom);
			new Float32Array(memory.buffer, base + sums, slab * out.columns).fill(0);
			add_stakes(base + rows, bottom - top, logits.columns, base + numbers, base + sums, out.columns);
			copyRowsOut(base + sums, out, top, bottom);
		}
	}
};
const contexts = {
	describe: ({ logits }) => `contexts of ${logits.rows}x${logits.columns} logits`,
	check({ logits, z, contexts: out }, fail) {
		if (z.rows !== logits.rows) fail(`${z.rows} positions have a place`);
		if (out.rows !== logits.columns || out.columns !== z.columns) fail(`room for ${out.rows}x${out.columns}`);
	},
	run({ logits, z, contexts: out }) {
		const layout = new Layout();
		const [rows, places] = [layout.place(64 * logits.columns), layout.place(64 * z.columns)];
		const sums = layout.place(4 * out.rows * out.columns);
		const base = layout.claim();
		copyIn(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
		for (let top = 0; top < logits.rows; top += slab) {
			const bottom = Math.min(logits.rows, top + slab);
			copyRowsIn(base + rows, logits, top, bottom);
			copyRowsIn(base + places, z, top, bottom);
			add_contexts(base + rows, bottom - top, logits.columns, base + places, z.columns, base + sums);
		}
		copyOut(base + sums, bytesOf(out.data), 0, 4 * out.data.length);
	}
};

// src/kernel/routines/subtract.ts
/** Gives the sum of the differences' squares, in float64. */
const subtract = {
	describe: ({ x }) => `difference of ${x.rows}x${x.columns}`,
	check({ x, from }, fail) {
		checkMatrix("x", x, x.rows, x.columns, fail);
		checkMatrix("the other", from, x.rows, x.columns, fail);
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

// src/kernel/routines.ts
/** Every routine that `Kernel.run` knows, one file each in routines/. */
const routines = {
	accumulate,
	attention,
	carry,
	center,
	compare,
	condition,
	cross,
	distances,
	factorTile,
	elementwise,
	embed,
	forecast,
	gather,
	gram,
	linear,
	mamba,
	rmsNorm,
	rotary,
	route,
	scale,
	solve,
	subtract,
	stakes,
	weigh,
	cluster,
	contexts,
	screen,
	tune
};

// src/kernel/job.ts
/** Bytes of one element. */
const elementBytes = {
	BF16: 2,
	F16: 2,
	F32: 4
};
/** The routine of a name that `Kernel.run` got. */
function routineOf(name) {
	return routines[name];
}
/** How errors call a task. */
function nameTask(task) {
	if (task.kind === "routine") return routineOf(task.name).describe(task.job);
	const { kind, job } = task;
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
	if (task.kind === "routine") {
		routineOf(task.name).check(task.job, fail);
		return;
	}
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

export { OqeError as A, collect as C, quantize as D, dequantize as E, bytesPerElement as O, bytesIn as S, cast as T, rowsOf as _, mostRows as a, sharedIntegers as b, copyIn as c, instantiate as d, memory as f, newMatrix as g, floatsOf as h, routineOf as i, describeFailure as j, isFloat as k, copyOut as l, bytesOf as m, elementBytes as n, tileBounds as o, asWeight as p, nameTask as r, Layout as s, checkTask as t, dtypeCode as u, sharedBytes as v, countShared as w, weightRows as x, sharedFloats as y };