/** Where a tier's tensors go: positional writes, in any order. */
export interface TierSink {
  write(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Bytes from `byteOffset` on, as they were written. */
  read(tensor: string, byteOffset: number, into: Uint8Array): Promise<void>;
}
