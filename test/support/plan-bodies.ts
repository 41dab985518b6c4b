import { OqeError } from "../../src/ground/errors.ts";
import type { TierLook } from "../../src/series/look.ts";
import type { Checked } from "../../src/upkeep/check-models.ts";
import { stateTable } from "../../src/upkeep/check-tables.ts";
import { planText } from "../../src/upkeep/plan-comment.ts";
import { measuredSeries } from "./measured-receipts.ts";

const [eight, six, five, four] = measuredSeries;

const tier = (receipt: typeof eight, more: Partial<TierLook> = {}): TierLook => ({
  ...{ tier: receipt!.plan.tier, repository: receipt!.repository, plan: receipt!.plan },
  ...{
    published: receipt!,
    proposedAt: null,
    pending: [],
    isStaged: false,
    isHeldBack: false,
    isCardStale: false,
  },
  ...more,
});

/** Three models: one to be made in part, one with a faulty entry, one as it should be. */
const checked = (fault: string): readonly Checked[] => {
  const of = (name: string, more: Partial<Checked>) =>
    ({
      ...{ model: { name, place: "series.yml:12:3" }, look: null, failure: null },
      ...{ hasOldCards: false, ...more },
    }) as Checked; // only what the tables read
  const base = { id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", revision: "c".repeat(40) };
  const moved = "base moved 0123456789ab → ba9876543210";
  const needs = {
    reads: [{ name: "tuning", bytes: 63.2e9 }],
    ...{ writes: 44e9, onDisk: [3.1e9], stages: [] },
  } as unknown as NonNullable<NonNullable<Checked["look"]>["needs"]>;
  const tiers = [
    tier(eight),
    tier(six, { pending: [moved, "calibration-samples 128 → 256"], isStaged: true }),
    tier(five, { pending: ["not published yet"] }),
    tier(four, { isCardStale: true }),
  ];
  const failure = new OqeError("NOT_FOUND", fault, "");
  return [
    of("nano", { look: { base, tiers, needs } }),
    of("gone", { failure }),
    of("same", { look: { base, tiers: [tier(eight)], needs: null } }),
  ];
};

/** The comment with a plan, that of a plan without work, and the table of a job summary. */
export function planBodies(fault: string) {
  const all = checked(fault);
  return {
    plan: planText("series.yml", all),
    nothing: planText("series.yml", all.slice(2)),
    states: stateTable(all),
  };
}
