import { expect, test } from "vitest";
import type { Receipt } from "../receipt/receipt.ts";
import { gateFailure } from "./gate-failures.ts";

/** What the message reads of a receipt. */
function receiptOf(tier: string, kl: number, floorCosts: Record<string, number>): Receipt {
  const gates = [{ gate: "max-kl", value: kl, limit: 0.2, passed: kl <= 0.2 }];
  return { plan: { tier, floorCosts }, evaluation: { gates } } as unknown as Receipt;
}

test("a tier that failed its gate is told which floors cost it much", () => {
  const failed = receiptOf("oQ4e", 0.286, { attention: 0.49, "first-mamba": 0.02 });
  const passed = receiptOf("oQ5e", 0.1, { attention: 0.3 });
  expect(gateFailure([passed])).toBeNull();
  const hint = gateFailure([passed, failed])!.hint;
  expect(hint).toMatch(
    /false\. In oQ4e, the floor of attention costs 49\.0 % of the predicted KL\. To plan without /,
  );
  expect(hint).toMatch(/: --floors none\.$/);
  expect(gateFailure([receiptOf("oQ4e", 0.3, { attention: 0.05 })])!.hint).not.toMatch(/floor/);
});
