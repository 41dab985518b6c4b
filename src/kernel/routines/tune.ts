import type { FloatDtype } from "../dtype.ts";
import type { Routine } from "../routine.ts";
import type { Bits, GroupSize, Rounding } from "../width.ts";

export interface TuneJob {
  readonly weights: Uint8Array<SharedArrayBuffer>;
  readonly from: FloatDtype;
  readonly rows: number;
  readonly columns: number;
  readonly store: FloatDtype;
  readonly rounding: Rounding;
  readonly factor: Float32Array<SharedArrayBuffer> | null;
  readonly order: Uint32Array<SharedArrayBuffer> | null;
  readonly diagonal: Float32Array<SharedArrayBuffer> | null;
  readonly bits: Bits;
  readonly groupSize: GroupSize;
  readonly sweeps: number;
  readonly words: Uint8Array<SharedArrayBuffer>;
  readonly scales: Uint8Array<SharedArrayBuffer>;
  readonly biases: Uint8Array<SharedArrayBuffer>;
}
export interface TuneAnswer {
  readonly loss: number;
  readonly roundedLoss: number;
  readonly roundedRows: number;
  readonly squaredError: number;
  readonly weightEnergy: number;
  readonly nonFinite: number;
}
const f = new Float32Array(1);
const u = new Uint32Array(f.buffer);
const bf = (x: number) => {
  f[0] = x;
  u[0] = ((u[0]! + 0x7fff + ((u[0]! >> 16) & 1)) & 0xffff0000) >>> 0;
  return f[0]!;
};
const rint = (x: number) => {
  const r = Math.round(x);
  return Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : r;
};
export const tune: Routine<TuneJob, TuneAnswer> = {
  describe: ({ rows, columns, bits }) => `tuning of ${rows}x${columns} at ${bits} bits`,
  check() {},
  run(job) {
    const { rows, columns: d, bits, groupSize: gs, factor, order } = job;
    const n = 2 ** bits - 1;
    const h = job.diagonal ?? new Float32Array(d).fill(1);
    const w = new Float64Array(d);
    const words = new Uint8Array(job.words.length);
    const dv = new DataView(job.weights.buffer, job.weights.byteOffset);
    const [S, B] = [new Float64Array(d / gs), new Float64Array(d / gs)];
    const [S0, B0] = [new Float64Array(d / gs), new Float64Array(d / gs)];
    let [loss, roundedLoss, roundedRows, squaredError, weightEnergy] = [0, 0, 0, 0, 0];
    const codes = new Uint8Array(d);
    const rcodes = new Uint8Array(d);
    const E = new Float64Array(d);
    const lossOf = (c: Uint8Array, s: Float64Array, b: Float64Array) => {
      let sum = 0;
      if (factor === null || order === null) {
        for (let k = 0; k < d; k++) {
          const g = Math.floor(k / gs);
          const e = w[k]! - (c[k]! * s[g]! + b[g]!);
          sum += h[k]! * e * e;
        }
        return sum;
      }
      for (let p = 0; p < d; p++) {
        const k = order[p]!;
        const g = Math.floor(k / gs);
        E[p] = w[k]! - (c[k]! * s[g]! + b[g]!);
      }
      for (let p = 0; p < d; p++) {
        let t = 0;
        for (let q = p; q < d; q++) t += E[q]! * factor[p * d + q]!;
        sum += t * t;
      }
      return sum;
    };
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < d; k++) {
        if (job.from === "BF16") {
          u[0] = (dv.getUint16((row * d + k) * 2, true) << 16) >>> 0;
          w[k] = f[0]!;
        } else w[k] = dv.getFloat32((row * d + k) * 4, true);
        weightEnergy += w[k]! ** 2;
      }
      for (let g = 0; g < d / gs; g++) {
        let [lo, hi] = [Infinity, -Infinity];
        for (let k = g * gs; k < (g + 1) * gs; k++) {
          lo = Math.min(lo, w[k]!);
          hi = Math.max(hi, w[k]!);
        }
        let [best, bs, bb] = [Infinity, 0, 0];
        const consider = (s0: number, b0: number) => {
          const s = bf(s0) || 1e-7;
          const b = bf(b0);
          let e = 0;
          for (let k = g * gs; k < (g + 1) * gs; k++) {
            const x = w[k]! - b - s * Math.min(n, Math.max(0, Math.round((w[k]! - b) / s)));
            e += h[k]! * x * x;
          }
          if (e < best) [best, bs, bb] = [e, s, b];
        };
        let s = Math.max((hi - lo) / n, 1e-7);
        const neg = Math.abs(lo) > Math.abs(hi);
        if (!neg) s = -s;
        const edge = neg ? lo : hi;
        const q0 = rint(edge / s);
        if (q0 !== 0) consider(edge / q0, edge);
        else consider(s, 0);
        [S0[g], B0[g]] = [bs, bb];
        for (let a = 0; a < 7; a++)
          for (let c = 0; c < 7; c++) {
            const [p, q] = [1 - 0.05 * a, 1 - 0.05 * c];
            consider((hi * p - lo * q) / n, lo * q);
          }
        [S[g], B[g]] = [bs, bb];
      }
      for (let k = 0; k < d; k++) {
        const g = Math.floor(k / gs);
        rcodes[k] = Math.min(n, Math.max(0, rint((w[k]! - B0[g]!) / S0[g]!)));
        codes[k] = Math.min(n, Math.max(0, rint((w[k]! - B[g]!) / S[g]!)));
      }
      if (factor !== null && order !== null) {
        for (let p = d - 1; p >= 0; p--) {
          let t = 0;
          for (let q = p + 1; q < d; q++) t += E[q]! * factor[p * d + q]!;
          const k = order[p]!;
          const g = Math.floor(k / gs);
          const target = w[k]! + t / factor[p * d + p]!;
          codes[k] = Math.min(n, Math.max(0, rint((target - B[g]!) / S[g]!)));
          E[p] = w[k]! - (codes[k]! * S[g]! + B[g]!);
        }
      }
      const own = lossOf(codes, S, B);
      const plain = lossOf(rcodes, S0, B0);
      const keep = plain <= own;
      const [c, s, b] = keep ? [rcodes, S0, B0] : [codes, S, B];
      if (keep) roundedRows++;
      loss += Math.min(own, plain);
      roundedLoss += plain;
      for (let k = 0; k < d; k++) {
        const g = Math.floor(k / gs);
        squaredError += (w[k]! - (c[k]! * s[g]! + b[g]!)) ** 2;
        for (let i = 0; i < bits; i++) {
          const at = row * d * bits + k * bits + i;
          words[at >> 3]! |= ((c[k]! >> i) & 1) << (at & 7);
        }
      }
      for (let g = 0; g < d / gs; g++) {
        for (const [bytes, value] of [
          [job.scales, s[g]!],
          [job.biases, b[g]!],
        ] as const) {
          f[0] = value;
          const at = (row * (d / gs) + g) * 2;
          bytes[at] = (u[0]! >> 16) & 255;
          bytes[at + 1] = u[0]! >>> 24;
        }
      }
    }
    job.words.set(words);
    return { loss, roundedLoss, roundedRows, squaredError, weightEnergy, nonFinite: 0 };
  },
};
