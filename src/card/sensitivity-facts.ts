import type { Receipt } from "../receipt/receipt.ts";
import { namedExperts, type SensitivityRecord } from "../receipt/sensitivity-record.ts";
import { table } from "../template/template-shapes.ts";
import { domainName, domainOrder } from "./domains.ts";
import { grouped, percentage, plural } from "./figures.ts";
import { code, inline } from "./markdown.ts";
import { nats, share, smallShare } from "./measured-figures.ts";

const mostModules = 8;

/**
 * Facts about the sensitivity behind the plan. Without it, the same names with empty values: the
 * template asks first.
 */
export function sensitivityFacts({ sensitivity }: Receipt) {
  return {
    measured: sensitivity !== null,
    hasExperts: (sensitivity?.experts.length ?? 0) > 0,
    source: sourceWords(sensitivity),
    rows: rowWords(sensitivity?.calibration),
    proxy: proxyWords(sensitivity),
    probe: rowWords(sensitivity?.probe),
    bits: String(sensitivity?.probe.bits ?? 0),
    domains: (sensitivity?.domains ?? []).map((domain) => inline(domainName(domain))).join(", "),
    weights: weightWords(sensitivity),
    togetherForced: nats(sensitivity?.together.forcedKl ?? 0),
    togetherFree: nats(sensitivity?.together.freeKl ?? 0),
    depths: depthWords(sensitivity),
    check: checkWords(sensitivity),
    hasCheck: (sensitivity?.check.length ?? 0) > 0,
    mostSensitive: mostSensitiveRows(sensitivity),
    critical: criticalRows(sensitivity),
  };
}

function sourceWords(sensitivity: SensitivityRecord | null): string {
  const proxy = sensitivity?.proxy ?? null;
  return proxy === null
    ? "the base model itself"
    : `a proxy: the quantized ${code(proxy)}, read instead of the base`;
}

/** What was measured, under the name that cards of such series give it. */
function proxyWords(sensitivity: SensitivityRecord | null): string {
  const proxy = sensitivity?.proxy ?? null;
  return proxy === null
    ? "none, the base itself was measured"
    : `${code(proxy)}, measured instead of the base`;
}

function rowWords(rows: { readonly samples: number; readonly length: number } | undefined): string {
  return rows === undefined
    ? ""
    : `${plural(rows.samples, "row")} of ${plural(rows.length, "token")}`;
}

/** Empty if all domains have the same weight. */
function weightWords(sensitivity: SensitivityRecord | null): string {
  const { domains, domainWeights } = sensitivity ?? { domains: [], domainWeights: [] };
  if (new Set(domainWeights).size <= 1) return "";
  return domains
    .map((domain, at) => `${inline(domainName(domain))} ${nats(domainWeights[at]!)}`)
    .join(", ");
}

/** Depths that are named, evenly spaced. */
const mostDepths = 9;

function depthWords(sensitivity: SensitivityRecord | null): string {
  const all = sensitivity?.depthGain ?? [];
  const step = Math.max(1, Math.ceil(all.length / mostDepths));
  return all
    .filter((_, at) => at % step === 0)
    .map(({ depth, gain }) => `${grouped(depth)}: ${nats(gain)}`)
    .join(", ");
}

/** Forecast error divided by the error after tuning, over the samples. */
function checkWords(sensitivity: SensitivityRecord | null): string {
  const ratios = (sensitivity?.check ?? []).flatMap(({ predicted, tuned }) =>
    tuned > 0 ? [predicted / tuned] : [],
  );
  if (ratios.length === 0) return "";
  ratios.sort((a, b) => a - b);
  const middle = (ratios[(ratios.length - 1) >> 1]! + ratios[ratios.length >> 1]!) / 2;
  const ends = `range ${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)}`;
  return `${middle.toFixed(2)} as the median of ${plural(ratios.length, "sample")} (${ends})`;
}

/** The modules with the highest cost. */
function mostSensitiveRows(sensitivity: SensitivityRecord | null) {
  const costs = Object.entries(sensitivity?.costs ?? {});
  const flips = costs.reduce((sum, [, { flipPower }]) => sum + flipPower, 0);
  costs.sort(([a, left], [b, right]) => right.forcedKl - left.forcedKl || (a < b ? -1 : 1));
  return table(
    ["module", "smooth", "flip"],
    costs.slice(0, mostModules).map(([module, { forcedKl, flipPower }]) => ({
      module: code(module),
      smooth: nats(forcedKl),
      flip: flips === 0 ? "–" : share(flipPower / flips),
    })),
  );
}

function criticalRows(sensitivity: SensitivityRecord | null) {
  const { domains, critical } = sensitivity ?? { domains: [], critical: [] };
  return table(
    ["domain", "experts"],
    domainOrder(domains).flatMap((at) => {
      const own = critical.filter(({ domain }) => domain === domains[at]).slice(0, namedExperts);
      if (own.length === 0) return [];
      const named = own.map((expert) => {
        const where = `layer ${grouped(expert.layer)}, expert ${grouped(expert.expert)}`;
        return (
          `${where} (${percentage(expert.share, 1)} of choices, damage ` +
          `${smallShare(expert.damage)})`
        );
      });
      return [{ domain: inline(domainName(domains[at]!)), experts: named.join("; ") }];
    }),
  );
}
