/** The files of a tier while they are made. */
export interface TierSink {
  write(tensor: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Bytes from `byteOffset` on, as they were written. */
  read(tensor: string, byteOffset: number, into: Uint8Array): Promise<void>;
}
