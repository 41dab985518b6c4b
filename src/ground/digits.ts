/** `33,559,877,504`. Not toLocaleString: its answer depends on the machine's language data. */
export function grouped(count: number): string {
  return count.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
}
