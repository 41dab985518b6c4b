import type { Figures, Proof } from "../evaluation/evaluation-types.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { domainName, domainOrder } from "./domains.ts";
import { grouped, percentage, plural } from "./figures.ts";
import { code, inline, shellWord } from "./markdown.ts";
import { estimate, nats, ratio, share } from "./measured-figures.ts";

const gateWords: Readonly<Record<Proof["gates"][number]["gate"], string>> = {
  "max-kl": "mean KL, at most",
  "min-same-top": "same most likely token, at least",
  "min-router-agreement": "router agreement, at least",
};

/** What the card says of the proof. Without one the same names, empty: the template asks `proven` first. */
export function proofFacts(receipt: Receipt) {
  const { proof } = receipt;
  return {
    positions: grouped(proof?.positions ?? 0),
    rows:
      proof === null
        ? ""
        : `${plural(proof.rows.samples, "row")} of ${plural(proof.rows.length, "token")}`,
    sha256: code(proof?.rows.sha256 ?? ""),
    figures: figureRows(proof),
    ...routingFacts(proof),
    domains: domainRows(proof),
    layers: layerRows(proof),
    predictions: predictionRows(proof),
    hasPredictions: proof !== null && proof.predicted !== null,
    gates: gateRows(proof),
    command: verifyCommand(receipt),
  };
}

/** The command that measures all of it again, from the repository's own bytes. */
function verifyCommand({ repository, base }: Receipt): string {
  const tier = repository.includes("/") ? repository : `./${repository}`;
  const model = base.id === null ? `./${base.name}` : `${base.id}@${base.revision}`;
  return `oqe verify ${shellWord(tier)} --base ${shellWord(model)}`;
}

function figureRows(proof: Proof | null) {
  const { rounded } = proof ?? { rounded: null };
  const row = (
    label: string,
    own: string,
    plain: (of: NonNullable<Proof["rounded"]>) => string | null,
  ) => ({
    label,
    own,
    rounded: rounded === null ? "–" : (plain(rounded) ?? "–"),
  });
  if (proof === null) return table(["label", "own", "rounded"], []);
  return table(
    ["label", "own", "rounded"],
    [
      row("Mean KL", estimate(proof.meanKl, proof.meanKlError), (of) =>
        estimate(of.meanKl, of.meanKlError),
      ),
      row(
        "KL: median, 99 %, 99.9 %, greatest",
        [proof.medianKl, proof.p99Kl, proof.p999Kl, proof.maxKl].map(nats).join(", "),
        () => null,
      ),
      row("Same most likely token", share(proof.sameTop), (of) => share(of.sameTop)),
      row(
        "Perplexity (base: " + proof.basePerplexity.toFixed(3) + ")",
        proof.perplexity.toFixed(3),
        (of) => of.perplexity.toFixed(3),
      ),
      row(
        "Perplexity over the base's",
        ratio(proof.perplexityRatio, proof.perplexityRatioError),
        (of) => ratio(of.perplexityRatio, of.perplexityRatioError),
      ),
      ...(proof.routerAgreement === null || proof.exactRoutes === null
        ? []
        : [
            row("Experts chosen as the base chooses", share(proof.routerAgreement), (of) =>
              nullableShare(of.routerAgreement),
            ),
            row("Whole sets of experts the same", share(proof.exactRoutes), (of) =>
              nullableShare(of.exactRoutes),
            ),
          ]),
    ],
  );
}

function nullableShare(value: number | null): string | null {
  return value === null ? null : share(value);
}

/** How much of the loss is arithmetic, and how much the routers' choosing other experts. */
function routingFacts(proof: Proof | null) {
  const { meanKl, forcedMeanKl, forcedMeanKlError } = proof ?? {
    meanKl: 0,
    forcedMeanKl: 0,
    forcedMeanKlError: 0,
  };
  const flipped = Math.max(0, meanKl - forcedMeanKl);
  return {
    meanKl: nats(meanKl),
    forcedKl: estimate(forcedMeanKl, forcedMeanKlError),
    flippedKl: nats(flipped),
    forcedShare: percentage(meanKl - flipped, meanKl),
    flippedShare: percentage(flipped, meanKl),
    flipsCost: flipped > 0,
  };
}

const domainKeys = [
  "domain",
  "positions",
  "meanKl",
  "sameTop",
  "basePerplexity",
  "perplexity",
  "ratio",
] as const;

function domainRows(proof: Proof | null) {
  if (proof === null) return table(domainKeys, []);
  const names = proof.byDomain.map(({ domain }) => domain);
  const row = (name: string, of: Figures) => ({
    domain: name,
    positions: grouped(of.positions),
    meanKl: estimate(of.meanKl, of.meanKlError),
    sameTop: share(of.sameTop),
    basePerplexity: of.basePerplexity.toFixed(3),
    perplexity: of.perplexity.toFixed(3),
    ratio: ratio(of.perplexityRatio, of.perplexityRatioError),
  });
  const parts = domainOrder(names).map((at) =>
    row(inline(domainName(names[at]!)), proof.byDomain[at]!),
  );
  return table(domainKeys, [...parts, row("**all**", proof)]);
}

function layerRows(proof: Proof | null) {
  return table(
    ["layer", "agreement", "exact"],
    (proof?.byLayer ?? []).map(({ layer, routerAgreement, exactRoutes }) => ({
      layer: grouped(layer),
      agreement: share(routerAgreement),
      exact: share(exactRoutes),
    })),
  );
}

function predictionRows(proof: Proof | null) {
  const keys = ["what", "predicted", "measured", "ratio"] as const;
  if (proof === null || proof.predicted === null) return table(keys, []);
  const { forcedKl, kl } = proof.predicted;
  const row = (what: string, predicted: number, measured: number) => ({
    what,
    predicted: nats(predicted),
    measured: nats(measured),
    ratio: measured > 0 ? (predicted / measured).toFixed(2) : "–",
  });
  return table(keys, [
    row(
      proof.routerAgreement === null ? "Mean KL" : "Mean KL, the base's routes forced",
      forcedKl,
      proof.forcedMeanKl,
    ),
    ...(proof.routerAgreement === null ? [] : [row("Mean KL, routes free", kl, proof.meanKl)]),
  ]);
}

function gateRows(proof: Proof | null) {
  return table(
    ["gate", "limit", "value", "outcome"],
    (proof?.gates ?? []).map(({ gate, limit, value, passed }) => ({
      gate: gateWords[gate],
      limit: gate === "max-kl" ? nats(limit) : share(limit),
      value: gate === "max-kl" ? nats(value) : share(value),
      outcome: passed ? "passed" : "**failed**",
    })),
  );
}
