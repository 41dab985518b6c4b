/** Calibration rows: `samples` sequences of `length` token ids, one after the other. */
export interface CalibrationIds {
  readonly ids: Uint32Array<SharedArrayBuffer>;
  readonly samples: number;
  readonly length: number;
}
