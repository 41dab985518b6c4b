/**
 * The part of the WebAssembly global that this project uses. TypeScript declares it only in the
 * library for browsers, which Node code must not include.
 */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: "WebAssembly.Module";
  }
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module;
  interface Memory {
    /** Detached and replaced when the memory grows. */
    readonly buffer: ArrayBuffer;
  }
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
}
