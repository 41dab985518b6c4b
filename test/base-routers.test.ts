import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { Kernel } from "../src/kernel/kernel-types.ts";
import { sharedIntegers } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { Ops } from "../src/models/ops.ts";
import { rideAll } from "../src/models/rider.ts";
import type { Routing } from "../src/models/routing.ts";
import type { Model } from "../src/models/run.ts";
import { BaseRouters } from "../src/quantize/base-routers.ts";
import { smallest } from "./support/models.ts";
import { runModel } from "./support/run-model.ts";

let kernel: Kernel;
let model: Model;
let close: () => Promise<void>;
beforeAll(async () => {
  kernel = await openKernel({ workers: 2 });
  const base = await readBase(await openFolder(smallest.nemotron_h!), { allowHeaderOnly: false });
  const { architecture, config } = base;
  model = { architecture, config, weights: baseWeights(base, kernel), ops: new Ops(kernel) };
  close = () => base.checkpoint.close();
});
afterAll(async () => {
  await close();
  await kernel.close();
});

const pick = ({ experts, weights }: Routing) => ({ experts, weights });

describe("the base's routers, on some of many calibration rows", () => {
  test("are the same from a run over all rows and from one over these rows", async () => {
    const [samples, length] = [100, 16];
    const ids = sharedIntegers(samples * length);
    for (let i = 0; i < ids.length; i++) ids[i] = (i * i + 7 * i) % 500;
    const calibration = { ids, samples, length };
    const [ofAll, ofSome] = [0, 1].map(() => new BaseRouters(model.ops, calibration, 1, 40)) as [
      BaseRouters,
      BaseRouters,
    ];
    expect(ofAll.rows.samples).toBe(40);
    await runModel(model, ids, { length, ...ofAll.recorders(model.weights) });
    await rideAll([{ model, riders: [ofSome.rider(model.weights)] }]);
    const layers = model.architecture.layers(model.config);
    const routed = [...layers.keys()].filter((layer) => layers[layer]!.mlp === "moe");
    expect(routed.length).toBeGreaterThan(0);
    for (const layer of routed) {
      expect(ofAll.logits(layer).data).toEqual(ofSome.logits(layer).data);
      const { tokens, experts, weights } = ofAll.choice(layer);
      expect(tokens).toBe(ofAll.rows.ids.length);
      expect({ experts, weights }).toEqual(pick(ofSome.choice(layer)));
      expect([ofAll.logits(layer), ofAll.choice(layer)]).toEqual([undefined, undefined]);
    }
  });
});
