import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { assets } from "../ground/assets.ts";
import type { Kernel, QuantizeResult } from "./kernel-types.ts";
import { openKernel } from "./pool.ts";
import type { QuantizeRows } from "./routines/quantize.ts";

const open: Kernel[] = [];
afterEach(() => Promise.all(open.splice(0).map((kernel) => kernel.close())));

async function kernelOf(workers: number): Promise<Kernel> {
  const kernel = await openKernel({ workers });
  open.push(kernel);
  return kernel;
}

/** A matrix of float32 `[rows, 384]`, at several widths. */
function jobOf(rows: number, from = 0): QuantizeRows {
  const columns = 384;
  const values = Float32Array.from({ length: rows * columns }, (_, k) =>
    Math.sin((from * columns + k) ** 1.1),
  );
  const widths = [
    { bits: 4, groupSize: 64 },
    { bits: 8, groupSize: 32 },
    { bits: 3, groupSize: 128 },
  ] as const;
  const weights = new Uint8Array(values.buffer);
  return { weights, from: "F32", rows, columns, store: "BF16", rounding: "stored", widths };
}

/** An answer without its function, for comparing. */
const plain = ({ byWidth, energy, nonFinite }: QuantizeResult) => ({ byWidth, energy, nonFinite });

/**
 * A row whose operands exceed the memory of an instance, so the job traps. The memory is reserved
 * but never touched.
 */
function trap(): QuantizeRows {
  const weights = new Uint8Array(new SharedArrayBuffer(1.92e9));
  const shape = {
    rows: 1,
    columns: weights.length / 2,
    from: "BF16",
    store: "BF16",
    rounding: "stored",
  } as const;
  return { weights, ...shape, widths: [{ bits: 4, groupSize: 64 }] };
}

test("bytes do not depend on the number of workers or on how the rows are divided", async () => {
  const rows = 130;
  const whole = await (await kernelOf(1)).quantize(jobOf(rows));
  for (const [workers, step] of [
    [1, 1],
    [2, 3],
    [3, 63],
    [1, 64],
    [2, 65],
    [3, 127],
    [3, 130],
  ] as const) {
    const kernel = await kernelOf(workers);
    expect(kernel.workers).toBe(workers);
    const starts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);
    const parts = await Promise.all(
      starts.map((at) => kernel.quantize(jobOf(Math.min(step, rows - at), at))),
    );
    for (const [i, one] of whole.byWidth.entries()) {
      for (const part of ["words", "scales", "biases"] as const) {
        expect(Buffer.concat(parts.map(({ byWidth }) => byWidth[i]![part])).equals(one[part])).toBe(
          true,
        );
      }
    }
    if (step === rows) expect(parts.map(plain)).toEqual([plain(whole)]);
  }
});

test("rows beyond an arena slab give the same bytes as its parts", async () => {
  const kernel = await kernelOf(2);
  const [whole, ...parts] = await Promise.all(
    [jobOf(900), jobOf(450), jobOf(450, 450)].map((job) => kernel.quantize(job)),
  );
  for (const [i, one] of whole!.byWidth.entries()) {
    expect(Buffer.concat(parts.map(({ byWidth }) => byWidth[i]!.words)).equals(one.words)).toBe(
      true,
    );
    const sum = parts.reduce((total, { byWidth }) => total + byWidth[i]!.squaredError, 0);
    expect(Math.abs(sum - one.squaredError)).toBeLessThan(1e-12 * sum);
  }
});

test("answers are exact views over shared memory, and operands at odd offsets work", async () => {
  const kernel = await kernelOf(1);
  const job = jobOf(3);
  const odd = new Uint8Array(new SharedArrayBuffer(job.weights.length + 3), 3);
  odd.set(job.weights);
  const [{ byWidth }, again] = await Promise.all([
    kernel.quantize(job),
    kernel.quantize({ ...job, weights: odd }),
  ]);
  expect(again.byWidth).toEqual(byWidth);
  for (const one of byWidth) {
    for (const bytes of [one.words, one.scales, one.biases]) {
      expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
    const values = await kernel.dequantize({ ...one, store: "BF16", rows: 3, columns: 384 });
    expect([values.buffer.constructor, values.length]).toEqual([SharedArrayBuffer, 3 * 384]);
  }
});

test("later jobs reuse released buffers, and old contents do not affect them", async () => {
  const kernel = await kernelOf(2);
  const fresh = await kernel.quantize(jobOf(64));
  const kept = structuredClone(plain(fresh).byWidth.map(({ words }) => Array.from(words)));
  const first = fresh.byWidth[0]!.words.buffer;
  fresh.release();
  const other = await kernel.quantize(jobOf(60, 1000));
  expect(other.byWidth[0]!.words.buffer).toBe(first);
  other.release();
  const again = await kernel.quantize(jobOf(64));
  expect(again.byWidth.map(({ words }) => Array.from(words))).toEqual(kept);
});

test("a trap rejects only its own job and names it", async () => {
  const kernel = await kernelOf(2);
  const jobs = [jobOf(5), trap(), jobOf(64), trap(), trap(), jobOf(5), jobOf(64)];
  const settled = await Promise.allSettled(jobs.map((job) => kernel.quantize(job)));
  expect(settled.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  expect(settled[1]).toMatchObject({
    reason: {
      code: "KERNEL",
      message: expect.stringContaining("1x960000000 BF16 at 4 bits g64: "),
    },
  });
  const answers = settled.map((one) => (one.status === "fulfilled" ? plain(one.value) : null));
  expect(answers[5]).toEqual(answers[0]);
  expect(answers[6]).toEqual(answers[2]);
});

test("a job with contradicting operands is refused before it reaches a worker", async () => {
  const kernel = await kernelOf(1);
  const job = jobOf(2);
  const width = { bits: 4, groupSize: 64 } as const;
  const bad: [Partial<Record<keyof QuantizeRows, unknown>>, string][] = [
    [{ columns: 96, rows: 8 }, "96 columns are not a multiple of the group of 64"],
    [{ rows: 3 }, "3072 bytes, expected 4608"],
    [{ rows: 0 }, "above 0"],
    [{ rows: 1.5 }, "above 0"],
    [{ widths: [{ ...width, bits: 7 }] }, "no 7-bit format"],
    [{ widths: [{ ...width, groupSize: 16 }] }, "no groups of 16"],
    [{ from: "F64" }, "F64 is not a float dtype"],
    [{ store: "I8" }, "I8 is not a float dtype"],
  ];
  for (const [change, message] of bad) {
    const answer = kernel.quantize({ ...job, ...change } as QuantizeRows);
    await expect(answer).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining(message),
    });
  }
  const { byWidth } = await kernel.quantize(job);
  const back = { ...byWidth[0]!, store: "BF16", rows: 2, columns: 384 } as const;
  for (const part of ["words", "scales", "biases"] as const) {
    const short = kernel.dequantize({ ...back, [part]: back[part].subarray(1) });
    await expect(short).rejects.toMatchObject({
      code: "INTERNAL",
      message: expect.stringContaining(part),
    });
  }
  const half = kernel.cast({ weights: new Uint8Array(3), from: "F16", to: "F32" });
  await expect(half).rejects.toMatchObject({ code: "INTERNAL" });
});

test("closing rejects running and later jobs", async () => {
  const kernel = await openKernel({ workers: 1 });
  const jobs = [jobOf(64), jobOf(64), jobOf(64)].map((job) => kernel.quantize(job));
  const settled = Promise.allSettled(jobs);
  await kernel.close();
  for (const outcome of await settled)
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "KERNEL" } });
  await expect(kernel.quantize(jobOf(1))).rejects.toMatchObject({ code: "KERNEL" });
  await kernel.close();
});

test("a kernel knows its hash; a number of workers out of range is refused", async () => {
  const kernel = await openKernel();
  open.push(kernel);
  expect(kernel.sha256).toBe(
    createHash("sha256").update(readFileSync(assets.kernel)).digest("hex"),
  );
  expect(kernel.workers).toBeGreaterThan(0);
  for (const workers of [0, -1, 1.5, 65, Number.NaN]) {
    await expect(openKernel({ workers })).rejects.toMatchObject({ code: "BAD_INPUT" });
  }
});
