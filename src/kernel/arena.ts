import * as wasm from "../../kernel-wasm/pkg/oqe_kernel.js";

/**
 * This thread's WebAssembly memory. Routines copy their operands from host memory into the arena, call the kernel with
 * addresses, and copy results out; nothing outside of this file, kernel.ts and routines/ knows an address.
 */
export let memory: WebAssembly.Memory;

/** Gives this thread its private instance. Call once, before any job. */
export function instantiate(module: WebAssembly.Module): void {
  memory = wasm.initSync({ module }).memory;
}

/** Offsets of a job's operands within the arena, each at its own cache line. */
export class Layout {
  size = 0;

  place(bytes: number): number {
    const offset = this.size;
    this.size = Math.ceil((offset + bytes) / 64) * 64;
    return offset;
  }

  /** Address of the arena, which from now on holds this layout. Views of the memory made before are void. */
  claim(): number {
    if (this.size > 0xffff_0000) throw new RangeError(`${this.size} bytes for one row exceed WebAssembly's 4 GiB`);
    return wasm.arena(this.size) >>> 0;
  }
}

/** Bytes `[start, end)` of host memory into the arena. */
export function copyIn(address: number, from: Uint8Array, start: number, end: number): void {
  asBuffer(from).copy(Buffer.from(memory.buffer, address, end - start), 0, start, end);
}

/** From the arena to bytes `[start, end)` of host memory. */
export function copyOut(address: number, into: Uint8Array, start: number, end: number): void {
  Buffer.from(memory.buffer, address, end - start).copy(asBuffer(into), start);
}

/** The same memory: a Buffer's copy moves it in bulk, where a typed array's `set` goes word by word as soon as memory is shared. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
