import { describe, expect, test } from "vitest";
import { evaluatedReceipt } from "../../test/support/receipts.ts";
import { compareEvaluations } from "./verify-checks.ts";

const receipt = evaluatedReceipt();
const evaluation = receipt.evaluation!;

describe("a new evaluation against the receipt", () => {
  test("agrees with itself, and within two per cent", () => {
    expect(compareEvaluations(receipt, evaluation)).toEqual([]);
    const near = { ...evaluation, meanKl: 1.01 * evaluation.meanKl };
    expect(compareEvaluations(receipt, near)).toEqual([]);
  });

  test.each(["meanKl", "sameTop", "perplexity"] as const)("differs in its %s", (figure) => {
    const other = { ...evaluation, [figure]: 0.9 * evaluation[figure] };
    expect(compareEvaluations(receipt, other)).toEqual([
      `${figure} is ${other[figure]}, oqe-receipt.json says ${evaluation[figure]}`,
    ]);
  });

  test.each(["bytes", "meanKl", "sameTop", "perplexity"] as const)(
    "differs in the %s of the stock quant",
    (figure) => {
      const stock = { ...evaluation.stock!, [figure]: 0.9 * evaluation.stock![figure] };
      expect(compareEvaluations(receipt, { ...evaluation, stock })).toEqual([
        `${figure} of mlx_lm.convert -q is ${stock[figure]}, ` +
          `oqe-receipt.json says ${evaluation.stock![figure]}`,
      ]);
    },
  );

  test("a receipt of an earlier version has no stock quant", () => {
    const earlier = { ...receipt, evaluation: { ...evaluation, stock: null } };
    expect(compareEvaluations(earlier, evaluation)).toEqual([]);
  });
});
