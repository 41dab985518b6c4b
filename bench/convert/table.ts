import { median } from "../../src/evaluation/statistics.ts";
import type { Usage } from "./usage.ts";

/** Both programs once, one after the other. */
export interface Pair {
  readonly own: Usage;
  readonly other: Usage;
  /** CPU seconds that hashing takes of ours. */
  readonly hashing: number;
}

const quantities = [
  ["wall, s", 1, 1, ({ wall }: Usage) => wall],
  ["CPU, s", 1, 1, ({ cpu }: Usage) => cpu],
  ["peak RSS, MB", 1e6, 0, ({ peak }: Usage) => peak],
] as const;

/** Medians of some pairs as a table. Ratios are ours to the peer's, of each pair. */
export function tableOf(title: string, pairs: readonly Pair[]): string {
  const rows = quantities.map(([what, unit, digits, of]) => {
    const middle = (which: "own" | "other") =>
      (median(pairs.map((pair) => of(pair[which]))) / unit).toFixed(digits);
    const ratio = median(pairs.map(({ own, other }) => of(own) / of(other))).toFixed(2);
    return `| ${what} | ${middle("own")} | ${middle("other")} | ${ratio} |`;
  });
  // The peer proves nothing, so ours is shown without the proof too.
  const rest = median(pairs.map(({ own, hashing }) => own.cpu - hashing)).toFixed(1);
  const peer = median(pairs.map(({ other }) => other.cpu)).toFixed(1);
  const ratio = median(pairs.map(({ own, other, hashing }) => (own.cpu - hashing) / other.cpu));
  rows.splice(2, 0, `| CPU without hashing, s | ${rest} | ${peer} | ${ratio.toFixed(2)} |`);
  const head = `| ${title} | oqe | \`mlx_lm.convert\` | ratio |\n|---|---:|---:|---:|`;
  return [head, ...rows, "", `CPU s of our threads: ${threadsOf(pairs)}`].join("\n");
}

function threadsOf(pairs: readonly Pair[]): string {
  const names = [...new Set(pairs.flatMap(({ own }) => Object.keys(own.threads)))];
  const seconds = names.map(
    (name) => [name, median(pairs.map(({ own }) => own.threads[name] ?? 0))] as const,
  );
  const seen = seconds.filter(([, time]) => time >= 0.05).map(([n, time]) => [n, time.toFixed(1)]);
  const hashing = median(pairs.map((pair) => pair.hashing)).toFixed(1);
  return `${seen.map(([name, time]) => `${name} ${time}`).join(", ")}; hashing of it ${hashing}`;
}
