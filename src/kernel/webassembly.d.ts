/**
 * What we use of the WebAssembly global: TypeScript has its types only in the browser's library,
 * which Node code must not see.
 */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: "WebAssembly.Module";
  }
  interface Memory {
    /** Detached and replaced when the memory grows. */
    readonly buffer: ArrayBuffer;
  }
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
}
