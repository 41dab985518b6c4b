import type { Tensors } from "./base-layouts.ts";
import type { StoredBytes } from "./safetensors.ts";

/** Multi-token prediction as Qwen publishes it, made of a small hybrid's own blocks. */

/** Zeros of a BF16 tensor. */
export const zeros = (...shape: number[]): StoredBytes => {
  const bytes = new Uint8Array(2 * shape.reduce((all, size) => all * size, 1));
  return { dtype: "BF16", shape, bytes };
};

/** Adds one MTP block that has the tensors of the base's full attention block. */
export function addMtp(tensors: Tensors): void {
  const block = /^model\.(?:language_model\.)?layers\.2\./;
  for (const [name, tensor] of [...tensors])
    if (block.test(name)) tensors.set(name.replace(block, "mtp.layers.0."), tensor);
  tensors.set("mtp.fc.weight", zeros(64, 128));
  for (const norm of ["norm", "pre_fc_norm_hidden", "pre_fc_norm_embedding"])
    tensors.set(`mtp.${norm}.weight`, zeros(64));
}

/** The stacked experts of all blocks below a prefix as one tensor a matrix and expert. */
export function unstackExperts(tensors: Tensors, prefix: string): void {
  for (const [name, stack] of [...tensors]) {
    const [, path, leaf] = /^(.*\.experts)\.(gate_up|down)_proj$/.exec(name) ?? [];
    if (!name.startsWith(prefix) || path === undefined) continue;
    tensors.delete(name);
    const matrices = leaf === "down" ? ["down"] : ["gate", "up"];
    const [experts, rows, columns] = stack.shape as [number, number, number];
    const [shape, size] = [[rows / matrices.length, columns], stack.bytes.length / experts];
    for (let expert = 0; expert < experts; expert++)
      for (const [i, matrix] of matrices.entries()) {
        const start = expert * size + (i * size) / matrices.length;
        const bytes = stack.bytes.slice(start, start + size / matrices.length);
        tensors.set(`${path}.${expert}.${matrix}_proj.weight`, { ...stack, shape, bytes });
      }
  }
}
