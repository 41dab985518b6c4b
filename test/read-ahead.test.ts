import { afterAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { finiteWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { keepWeights } from "../src/models/kept-weights.ts";
import { Ops } from "../src/models/ops.ts";
import { withReadAhead } from "../src/models/read-ahead.ts";
import { rideAll, TextRider } from "../src/models/rider.ts";
import type { Model, WeightSource } from "../src/models/run.ts";
import { someIds } from "./support/forward-run.ts";
import { smallest } from "./support/models.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());
const [ids, length] = [someIds(36, 100), 12];

/** Takes two riders through a model, twice. Gives their last hidden states. */
async function walk(model: Model): Promise<Buffer> {
  const riders = [0, 1].map(() => new TextRider({ ids, length }));
  for (let time = 0; time < 2; time++) await rideAll([{ model, riders }]);
  const { data } = await riders[1]!.finish(model, 0, ids.length);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

describe("a walk that reads ahead", () => {
  test.each(Object.keys(smallest))(
    "reads each weight of %s as often, for the same states",
    async (name) => {
      const base = await readBase(await openFolder(smallest[name]!), { allowHeaderOnly: false });
      const open = () => {
        const plain = finiteWeights(base, kernel);
        const reads: string[] = [];
        const weights: WeightSource = {
          unquantized(layer, role) {
            reads.push(`${layer} ${role}`);
            return plain.unquantized(layer, role);
          },
          matrix(layer, role, expert = 0, range) {
            reads.push(`${layer} ${role} ${expert} ${range ?? ""}`);
            return plain.matrix(layer, role, expert, range);
          },
        };
        return {
          reads,
          model: { ...base, ops: new Ops(kernel), weights: keepWeights({ ...base, weights }) },
        };
      };
      const [plain, ahead] = [open(), open()];
      const states = await walk(plain.model);
      const own = await withReadAhead(
        { weights: ahead.model.weights, tensors: base.tensors },
        (weights) => walk({ ...ahead.model, weights }),
      );
      expect(own.equals(states)).toBe(true);
      expect(ahead.reads.toSorted()).toEqual(plain.reads.toSorted());
      expect(ahead.reads).not.toEqual(plain.reads);
      await base.checkpoint.close();
    },
  );
});
