import { describe, test } from "vitest";
import { change, codingScene, type DamagedCase, q, weights } from "../support/damaged-coding.ts";

/** Bases whose codes, scales and zero points do not fit each other or what is declared. */

const { scene, damaged } = codingScene();
const scales = `${q}_scale_inv`;

/** Replaces one scale (F32). */
const scaleOf = (value: number) =>
  change(scales, ({ bytes }) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setFloat32(4, value, true);
    return { bytes: copy };
  });

const cases: Record<string, DamagedCase> = {
  "codes without scales": [
    "blocks",
    { tensors: (all) => all.delete(scales) },
    "BAD_CHECKPOINT",
    /"model\.layers\.0\.self_attn\.q_proj\.weight_scale_inv" is missing/,
  ],
  "scales without codes": [
    "blocks",
    { tensors: (all) => all.delete(q) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" belongs to no codes: "model\.layers\.0\.self_attn\.q_proj\.weight" is missing/,
  ],
  "scales beside floats": [
    "blocks",
    {
      tensors: change(q, ({ shape }) => {
        return { dtype: "BF16", bytes: new Uint8Array(2 * shape[0]! * shape[1]!) };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" belongs to no codes: ".*q_proj\.weight" is BF16, no codes/,
  ],
  "scales of a shape that fits no block": [
    "blocks",
    { tensors: change(scales, ({ shape }) => ({ shape: [shape[1]!, shape[0]!] })) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" is F32 of shape \[\d, \d\], which fits no block of .* expected/,
  ],
  "a scale that is NaN": [
    "blocks",
    { tensors: scaleOf(Number.NaN) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is NaN or infinite, at \[0, 1\]/,
  ],
  "a scale that is infinite": [
    "blocks",
    { tensors: scaleOf(Number.POSITIVE_INFINITY) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is NaN or infinite, at \[0, 1\]/,
  ],
  "a scale that is zero": [
    "blocks",
    { tensors: scaleOf(0) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale_inv" holds a scale that is zero, at \[0, 1\]/,
  ],
  "a code that is NaN": [
    "blocks",
    {
      tensors: change(q, ({ shape, bytes }) => {
        const copy = bytes.slice();
        copy[37 * shape[1]! + 5] = 0x7f;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" with scales ".*_scale_inv" holds 1 NaN or infinite values.* \[37, 5\]/,
  ],
  "codes of a tensor that is never coded": [
    "blocks",
    {
      tensors: change("model.norm.weight", ({ bytes }) => {
        return { dtype: "F8_E4M3", bytes: bytes.subarray(0, bytes.length / 2) };
      }),
    },
    "BAD_CHECKPOINT",
    /"model\.norm\.weight/,
  ],
  "groups that do not divide a row": [
    "int4",
    {
      settings: weights({ group_size: 24 }),
      tensors: (all) => {
        for (const [name, { shape }] of all)
          if (name.endsWith("_scale")) {
            const own = [shape[0]!, Math.ceil((shape[1]! * 32) / 24)] as const;
            const bytes = new Uint8Array(2 * own[0] * own[1]);
            all.set(name, { dtype: "BF16", shape: own, bytes });
          }
      },
    },
    "BAD_CHECKPOINT",
    /has rows of \d+ values, which do not fill whole groups of 24/,
  ],
  "a shape beside the codes that contradicts them": [
    "int4",
    {
      tensors: change(`${q}_shape`, ({ bytes }) => {
        const copy = bytes.slice();
        copy[0]! ^= 1;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight_shape" says that ".*q_proj\.weight" has shape \[\d+, \d+\], but its codes/,
  ],
  "codes beside the floats that they stand for": [
    "int4",
    {
      tensors: (all) => {
        const { shape } = all.get(`${q}_scale`)!;
        const bytes = new Uint8Array(2 * shape[0]! * shape[1]! * 32);
        all.set(q, { dtype: "BF16", shape: [shape[0]!, shape[1]! * 32], bytes });
      },
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" is there twice: as floats, and in ".*q_proj\.weight_packed"/,
  ],
  "packed codes without scales": [
    "int4",
    { tensors: (all) => all.delete(`${q}_scale`) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale" is missing/,
  ],
  "columns in an order of their own": [
    "int4",
    {
      tensors: (all) => {
        all.set(`${q}_g_idx`, { dtype: "I32", shape: [128], bytes: new Uint8Array(512) });
      },
    },
    "ALREADY_QUANTIZED",
    /q_proj\.weight_g_idx" gives the columns of codes an order of their own/,
  ],
  "a NaN of the other sign": [
    "modelopt",
    {
      tensors: change(q, ({ shape, bytes }) => {
        const copy = bytes.slice();
        copy[shape[1]! + 2] = 0xff;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" with scales ".*_scale" holds 1 NaN or infinite values.* \[1, 2\]/,
  ],
  "infinite values of the wider format": [
    "modelopt",
    {
      tensors: change(q, ({ bytes }) => {
        const copy = bytes.slice().fill(0x3c);
        copy[3] = 0x7c;
        return { dtype: "F8_E5M2", bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight" with scales ".*_scale" holds 1 NaN or infinite values.* \[0, 3\]/,
  ],
  "a power of two that is NaN": [
    "mixed",
    {
      tensors: change("model.layers.1.self_attn.q_proj.weight_scale", ({ bytes }) => {
        const copy = bytes.slice();
        copy[5] = 255;
        return { bytes: copy };
      }),
    },
    "BAD_CHECKPOINT",
    /1\.self_attn\.q_proj\.weight_scale" holds a scale that is NaN or infinite, at \[1, 1\]/,
  ],
  "a scale of another dtype": [
    "modelopt",
    {
      tensors: change(`${q}_scale`, () => {
        return { dtype: "F64", bytes: new Uint8Array(Float64Array.of(1).buffer) };
      }),
    },
    "BAD_CHECKPOINT",
    /q_proj\.weight_scale" is F64; expected F32, BF16, F16/,
  ],
  "zero points that are missing": [
    "zeros",
    { tensors: (all) => all.delete(`${q}_zero_point`) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_packed" has no zero points, but its codes are declared as asymmetric/,
  ],
  "zero points of another shape": [
    "zeros",
    { tensors: change(`${q}_zero_point`, ({ shape }) => ({ shape: shape.toReversed() })) },
    "BAD_CHECKPOINT",
    /q_proj\.weight_zero_point" has shape/,
  ],
};

describe("a coded base is refused", () => {
  test.each(Object.entries(cases))("for %s", async (_, [way, damage, code, says]) => {
    await scene.expectRefused({ base: damaged(way, damage), code, says });
  });
});
