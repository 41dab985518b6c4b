const units = { GB: 1e9, GiB: 2 ** 30, MB: 1e6, MiB: 2 ** 20 } as const;

export type SizeUnit = keyof typeof units;
export const sizeUnits = Object.keys(units) as readonly SizeUnit[];

/** Number and unit of `18GB` or `1.5 GiB`, in any case; null for other text. */
export function splitSize(text: string): { count: number; unit: SizeUnit } | null {
  const [, digits, word] = /^(\d{1,5}(?:\.\d{1,3})?)\s*([GM]i?B)$/i.exec(text) ?? [];
  const unit = sizeUnits.find((name) => name.toLowerCase() === word?.toLowerCase());
  return unit === undefined ? null : { count: Number(digits), unit };
}

/** Bytes of `18GB`; null for text that is not a size. */
export function parseSize(text: string): number | null {
  const size = splitSize(text);
  return size && Math.floor(size.count * units[size.unit]);
}

/** `33,559,877,504`. Not toLocaleString: its answer depends on the machine's language data. */
export function grouped(count: number): string {
  return count.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `42 s`, `12 min`, `3 h 5 min`. */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `640 bytes`, `12.3 kB`, `40.1 MB`, `63.2 GB`. */
export function byteSize(bytes: number): string {
  if (bytes < 1e3) return `${bytes.toFixed(0)} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Three significant digits, `0.0144`, `0.00110`. Below a millionth as a power of ten. */
export function threeDigits(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) < 1e-6 ? value.toExponential(1) : decimal(value, 3);
}

/** A number of significant digits, never as a power of ten, for values from 1e-6 on. */
export function decimal(value: number, digits: number): string {
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(12, places));
}
