/** Sum of some numbers, in their order. */
export function total(values: ArrayLike<number>): number {
  let all = 0;
  for (let at = 0; at < values.length; at++) all += values[at]!;
  return all;
}

/** Sum of one number of each item, in their order. */
export function sum<T>(items: readonly T[], value: (item: T, at: number) => number): number {
  return items.reduce((all, item, at) => all + value(item, at), 0);
}
