/** The files of a tier while they are made. */
export interface TierSink {
  write(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Whether an earlier run finished the tensor. What is written of it is then not needed. */
  has(tensor: string): boolean;
  /** Bytes from `byteOffset` on, as they were written. */
  read(tensor: string, byteOffset: number, into: Uint8Array): Promise<void>;
}
