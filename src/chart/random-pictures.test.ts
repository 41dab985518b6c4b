import { describe, expect, test } from "vitest";
import { drawBits, drawDivergence, drawExperts, drawLanguages } from "../../test/support/drawn.ts";
import type { RoleWidths } from "./bits-picture.ts";
import type { TierPoint } from "./divergence-picture.ts";

/** Numbers in [0, 1) that are the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Random figures of a legal receipt, extremes among them. */
class Figures {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  /** One of `values`. */
  of<T>(...values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }

  many<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }

  /** Spread over `decades` powers of ten from `least` on. */
  spread(least: number, decades: number): number {
    return least * 10 ** (this.random() * decades);
  }

  name(): string {
    return this.of("a", "W", "字", "<x> ").repeat(this.of(1, 8, 300));
  }

  divergence(): string | null {
    const size = this.spread(1e5, 7);
    const shared = this.of(null, 0.1, 1e-9);
    const kl = () =>
      shared ?? this.of(0, -1e-12, 1e-300, 1e-9, 1e3, 1e300, this.spread(1e-6, 8), 1 / 3);
    const error = () => this.of(null, 0, this.spread(1e-6, 6), 1e300);
    const point = (index: number): TierPoint => ({
      tier: this.name(),
      bytes: Math.round(size * (1 + this.random())),
      own: index === 0,
      measured: this.of(null, { mean: kl(), error: error() }),
      rounded: this.of(null, { mean: kl(), error: error() }),
      predicted: this.of(null, kl()),
    });
    return drawDivergence(this.many(this.of(1, 2, 4, 32), point), this.of(1, 4096));
  }

  languages(): string | null {
    const ratio = () => this.of(1, 1 + this.random() / 100, this.spread(1e-3, 6), 0, 1e-9, 1e300);
    const error = () => this.of(null, 0, this.random() / 10, 1e300);
    const domain = (index: number) => {
      return { name: this.name(), ratio: ratio(), error: error(), whole: index === 0 };
    };
    return drawLanguages(this.many(this.of(1, 2, 6, 40), domain));
  }

  bits(): string | null {
    const layers = this.of(1, 2, 33, 1000);
    const width = () => this.of(2, 3, 4, 5, 6, 8);
    const role = (): RoleWidths => ({
      role: this.name(),
      layers: new Map(this.many(layers, (layer) => [layer, width()])),
      outside: this.of(null, 8),
    });
    return drawBits(this.many(this.of(1, 5, 20), role), layers);
  }

  experts(): string | null {
    const [count, domains] = [this.of(1, 2, 8, 128, 512), this.of(1, 2, 8)];
    const damage = () => {
      const idle = this.random() < 0.2;
      return this.many(count, () => (idle ? 0 : this.of(0, 1e-300, this.random(), 1e6, 1e300)));
    };
    const layer = (index: number) => ({
      layer: index,
      share: this.many(count, () => this.of(0, 1, 1 / count, this.random())),
      damage: this.many(domains, damage),
    });
    return drawExperts(
      this.many(this.of(1, 2, 20), layer),
      this.many(domains, () => this.name()),
      [{ layer: 0, expert: 0 }],
      this.of(2, 8),
    );
  }
}

const kinds = [
  ["divergence", 150],
  ["languages", 150],
  ["bits", 25],
  ["experts", 25],
] as const;

describe.each(kinds)("pictures of %s", (kind, count) => {
  test("are drawn from any legal figures, within the frame of numbers", () => {
    for (let seed = 1; seed <= count; seed++) {
      const svg = new Figures(seed)[kind]();
      expect(svg ?? "", `seed ${seed}`).not.toMatch(/NaN|Infinity|undefined/);
      for (const [, place] of (svg ?? "").matchAll(/ (?:x|y|d|transform)="([^"]*)"/g))
        expect(place, `seed ${seed}`).not.toMatch(/\d{6}|e[+-]?\d/);
    }
  });
});
