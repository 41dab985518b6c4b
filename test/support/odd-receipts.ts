import type { Receipt } from "../../src/receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../../src/receipt/receipt-file.ts";
import { measuredSeries } from "./measured-receipts.ts";

const own = measuredSeries.at(-1)!;
const evaluation = own.evaluation!;

/** A receipt as it reads back: what cannot be written is no receipt. */
const whole = (receipt: Receipt) => parseReceipt(writeReceipt(receipt), receipt.name);

/** The same under another name of the model. */
function named(model: string): Receipt {
  const name = `${model}-${own.plan.tier}`;
  return whole({ ...own, name, repository: `acme/${name}` });
}

const failed = evaluation.gates.map((gate) =>
  gate.gate === "max-kl" ? { ...gate, limit: 0.001, passed: false } : gate,
);
const custom = { ...own.plan, tier: "oQ4.25e", targetBpw: 4.25, budgetBpw: 4.25 };
const { modules: _, ...customRow } = custom;

/** Receipts of runs that are not like the others. Each has to give a card without a hole. */
export const oddReceipts: Readonly<Record<string, Receipt>> = {
  "a receipt without proof": whole({
    ...own,
    ...{ evaluation: null, evaluationRows: null, otherTiers: [] },
  }),
  "one tier": whole({ ...own, series: [own.series.at(-1)!], otherTiers: [] }),
  "a tier that failed its gate": whole({ ...own, evaluation: { ...evaluation, gates: failed } }),
  "another tier that failed its gate": whole({
    ...own,
    otherTiers: own.otherTiers.map((tier, at) => ({ ...tier, heldBack: at === 0 })),
  }),
  "a base without licence": whole({ ...own, base: { ...own.base, inherited: {} } }),
  "a name of 96 characters": named(`${"Long-Name-".repeat(9)}A`),
  "zero experts": whole({
    ...own,
    model: { ...own.model, experts: null },
    sensitivity: { ...own.sensitivity!, experts: [], critical: [] },
    options: { ...own.options, repair: [] },
    tuning: {
      ...own.tuning!,
      experts: null,
      repair: { routers: null, routerAware: null, moved: null },
    },
    evaluation: {
      ...evaluation,
      ...{ routerAgreement: null, exactRoutes: null, byLayer: [] },
      forcedPositions: evaluation.positions,
      rounded: { ...evaluation.rounded!, routerAgreement: null, exactRoutes: null },
      stock: { ...evaluation.stock!, routerAgreement: null, exactRoutes: null },
      gates: evaluation.gates.slice(0, 2),
    },
  }),
  "a custom tier beside the series": whole({
    ...own,
    ...{ plan: custom, name: own.name.replace("oQ4e", "oQ4.25e") },
    repository: own.repository.replace("oQ4e", "oQ4.25e"),
    series: [...own.series, customRow],
  }),
  "a receipt of an earlier version": whole({
    ...own,
    ...{ usage: null, model: { ...own.model, cache: null } },
    engine: { ...own.engine, repository: null },
    series: own.series.map((row) => ({ ...row, budgetBpw: null })),
    evaluation: { ...evaluation, stock: null },
  }),
  "a right-to-left name": whole({
    ...own,
    base: { ...own.base, id: null, name: "نموذج‮ לשון", revision: "sha256:ab" },
    ...{ name: "نموذج-oQ4e", repository: "نموذج-oQ4e", verifiedBase: null },
  }),
};
