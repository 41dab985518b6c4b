/** A series file with this many tiers, of models of 250 tiers each. */
export function seriesOf(tiers: number): string {
  const size = 250;
  const models = Array.from({ length: Math.ceil(tiers / size) }, (_, k) => {
    const targets = Array.from(
      { length: Math.min(size, tiers - k * size) },
      (_, i) => `${i + 1}MB`,
    );
    return `  - { base-model: base/none-${k}, namespace: acme, target-size: [${targets.join(", ")}] }\n`;
  });
  return `models:\n${models.join("")}`;
}
