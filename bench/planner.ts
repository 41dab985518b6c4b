import { fillKnapsack, type Option, smallestBytes } from "../src/plan/knapsack.ts";
import { findLeastLoss } from "../src/plan/least-loss.ts";

/** CPU seconds of an exact plan for 10,000 tensors × 5 widths, on easy and on hard inputs. */
const count = 10_000;
const bits = [3, 4, 5, 6, 8] as const;

let state = 1;
/** 0 … 1 from a fixed seed (linear congruence). */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
const byWidth = (size: number, cost: (width: number) => number): Option[] =>
  bits.map((width) => ({ bytes: (size * width) / 8 + size / 16, cost: cost(width) }));
const noisy = (scale: number) => (width: number) => scale * 4 ** -width * (0.9 + 0.2 * random());

const inputs: Record<string, () => Option[]> = {
  "matrices of a model: few shapes, any cost": () =>
    byWidth(
      [2 ** 14, 2 ** 20, 3 * 2 ** 18, 2688 * 1856, 128 * 2688 * 1856][whole(0, 4)]!,
      noisy(random() ** 4),
    ),
  "every size different": () => byWidth(64 * whole(1, 2 ** 20), noisy(random() ** 4)),
  "all sizes equal": () => byWidth(2 ** 20, noisy(random() ** 4)),
  "all items alike": () => byWidth(2 ** 20, (width) => 4 ** -width),
  "two kinds of items": () =>
    byWidth(random() < 0.5 ? 2 ** 20 : 5 * 2 ** 18, (width) => 4 ** -width),
  "cost by size alone": () => {
    const size = 64 * whole(1, 2 ** 20);
    return byWidth(size, (width) => size * 4 ** -width);
  },
  "strongly correlated": () => {
    const size = whole(1, 10_000);
    return [0, 1, 2, 3, 4].map((step) => ({
      bytes: size * step,
      cost: 1e9 - size * step - 500 * step,
    }));
  },
  "cost linear in size, odd sizes": () =>
    [0, 1, 2, 3, 4].map(() => {
      const bytes = 2 * whole(1, 2 ** 30) + 1;
      return { bytes, cost: 1e10 - bytes };
    }),
  "cost linear in size, one odd size": () => {
    const sizes = [0, 1, 2, 3, 4].map(() => 2 * whole(1, 2 ** 20) + Number(random() < 1e-5));
    return sizes.map((bytes) => ({ bytes, cost: 1e7 - bytes }));
  },
};

/**
 * Runs `solve` and prints a row: seconds, gap to the optimum as a share of the cost, memory still
 * in use.
 */
function report(name: string, solve: () => { readonly gap: number; readonly cost: number }): void {
  const before = process.memoryUsage().arrayBuffers;
  const started = process.cpuUsage();
  const { gap, cost } = solve();
  const { user, system } = process.cpuUsage(started);
  const seconds = (user + system) / 1e6;
  const megabytes = Math.max(0, process.memoryUsage().arrayBuffers - before) / 1e6;
  console.log(
    `| ${name} | ${seconds.toFixed(2)} | ${(gap / Math.abs(cost)).toExponential(1)} | ${megabytes.toFixed(0)} |`,
  );
}

const budgetOf = (items: readonly (readonly { readonly bytes: number }[])[]) => {
  const most = items.reduce(
    (sum, options) => sum + Math.max(...options.map((option) => option.bytes)),
    0,
  );
  // Odd, so that even sizes never fill it and the bound cannot be reached.
  return 2 * Math.floor((smallestBytes(items) + 0.3 * (most - smallestBytes(items))) / 2) + 1;
};

console.log("| input | seconds | gap / cost | memory, MB |\n|---|---|---|---|");
for (const [name, draw] of Object.entries(inputs)) {
  state = 1;
  const items = Array.from({ length: count }, draw);
  report(name, () => fillKnapsack(items, budgetOf(items))!);
}
for (const name of ["matrices of a model: few shapes, any cost", "every size different"]) {
  state = 1;
  const costed = Array.from({ length: count }, () => {
    const [size, forcedKl, flipPower] = [inputs[name]!(), random() ** 4, random() ** 4];
    return size.map(({ bytes }, i) => {
      const error = 4 ** -bits[i]! * (0.9 + 0.2 * random());
      return { bytes, forcedKl: forcedKl * error, flipPower: flipPower * error };
    });
  });
  report(`${name}; with flips`, () => {
    const { gap, total } = findLeastLoss(costed, budgetOf(costed), 1)!;
    return { gap, cost: total };
  });
}
