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
