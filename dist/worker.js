import { C as collect, D as quantize$1, E as dequantize$1, S as bytesIn, T as cast$1, c as copyIn, d as instantiate, f as memory, i as routineOf, l as copyOut, n as elementBytes, s as Layout, u as dtypeCode, w as countShared } from "./job.js";
import { parentPort, workerData } from "node:worker_threads";

// src/kernel/kernel.ts
/**
* The packing half of the boundary to WebAssembly (routines/ is the other). It trusts its jobs (job.ts has checked them).
* A tile passes through the arena in slabs of rows that fit a core's second-level cache, so its size is no matter, and each
* copy in and out costs little more than the memory traffic that the job needs anyway.
*/
const slabBytes = 131072;
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
		case "routine": return routineOf(task.name).run(task.job);
	}
}
instantiate(workerData);
parentPort.on("message", (task) => {
	parentPort.postMessage(run(task));
	if (countShared(bytesIn(task.job))) setImmediate(collect);
});

export {  };