import { Pending } from "../ground/pending.ts";
import type { Floats } from "../kernel/matrix.ts";
import { bytesOf, type Matrix } from "../kernel/matrix.ts";
import { toFloats } from "../kernel/to-floats.ts";
import { unquantizedDtype } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import { byRole } from "../models/by-role.ts";
import { type BlockPlace, type KeepStates, type Rider, TextRider } from "../models/rider.ts";
import type { Model, WeightSource } from "../models/run.ts";
import type { BaseRouters } from "./base-routers.ts";
import { GateFit } from "./gate-fit.ts";
import { noResults } from "./part-record.ts";
import { weightsOfTier } from "./stored-tier.ts";
import type { TierTarget } from "./tier-writer.ts";
import type { RouterRecord } from "./tuning-record.ts";
import type { TuningTools } from "./tuning-tools.ts";

export interface RouterRepairRequest {
  readonly base: Model;
  readonly tensors: readonly PlannedTensor[];
  /** Its sink gets the gates; they are the only tensors that it lacks when a block is passed. */
  readonly tier: TierTarget;
  readonly routers: BaseRouters;
  readonly tools: TuningTools;
  readonly keep?: KeepStates | undefined;
}

/**
 * Goes through a tier as stored, with calibration rows. At each router it fits the gate G to
 * the base's logits L, given the router's inputs X: G' = G + (L - X·Gᵀ)ᵀX (XᵀX + damping)⁻¹. It
 * writes G', or G if G' is no better on the held-out rows. Later blocks see the written gate. The
 * tier follows the base's choice of experts, because no gate can foresee the error of an expert
 * that only the tier chose.
 */
export class RouterRepair implements Rider {
  readonly records: RouterRecord[] = [];
  readonly #request: RouterRepairRequest;
  readonly #rider: TextRider;
  /** Layer -> its gate as stored. */
  readonly #gates = new Map<number, Pending<Floats>>();

  constructor(request: RouterRepairRequest) {
    const { routers, keep } = request;
    this.#request = request;
    this.#rider = new TextRider({
      ...routers.rows,
      ...(keep && { keep }),
      routes: (layer) => routers.choice(layer),
      router: (layer, role, x) => this.#repair(layer, role, x),
    });
  }

  /** The tier's weights for other riders: a gate is there as soon as it is repaired. */
  weights(stored: WeightSource): WeightSource {
    const routers = this.#request.tensors.filter(({ role }) => role.kind === "router");
    const known = byRole(routers);
    return {
      ...stored,
      unquantized: (layer, role) =>
        layer !== null && known.find(layer, role) !== undefined
          ? this.#gate(layer).promise
          : stored.unquantized(layer, role),
    };
  }

  embed(model: Model): Promise<void> {
    return this.#rider.embed(model);
  }

  async pass(model: Model, place: BlockPlace): Promise<void> {
    try {
      await this.#rider.pass(model, place);
    } catch (error) {
      this.#gate(place.layer).reject(error); // another rider may wait for it
      throw error;
    }
  }

  #gate(layer: number): Pending<Floats> {
    const gate = this.#gates.get(layer) ?? new Pending<Floats>();
    this.#gates.set(layer, gate);
    return gate;
  }

  async #repair(layer: number, role: string, x: Matrix): Promise<Floats> {
    const { tier, tensors, tools } = this.#request;
    const name = `router ${layer}`;
    const known = tier.log.recall(name)?.router ?? null;
    const { gate, ...found } =
      known === null
        ? await repairRouter(this.#request, layer, role, x)
        : {
            ...known,
            gate: (await weightsOfTier(tensors, tier, tools).unquantized(layer, role))!,
          };
    const router = { layer, repaired: found.repaired, ratio: found.ratio };
    const stored = [byRole(tensors).get(layer, role).name];
    if (known === null) tier.log.record({ name, tensors: stored, ...noResults, router });
    this.records.push(router);
    this.#gate(layer).resolve(gate);
    return gate;
  }
}

/** Fits one gate and writes it, or the base's own. Returns the gate as stored. */
async function repairRouter(
  request: RouterRepairRequest,
  layer: number,
  role: string,
  x: Matrix,
): Promise<Omit<RouterRecord, "layer"> & { readonly gate: Floats }> {
  const { base, tensors, tier, routers, tools } = request;
  const tensor = byRole(tensors).get(layer, role);
  const store = async (gate: Floats) => {
    const dtype = unquantizedDtype(tensor, tools.storage);
    const job = { weights: bytesOf(gate), from: "F32", to: dtype } as const;
    const bytes = (await tools.kernel.cast(job)).bytes as Uint8Array<SharedArrayBuffer>;
    return { bytes, gate: await toFloats(bytes, dtype, tools.kernel) };
  };
  const own = await store((await base.weights.unquantized(layer, role))!);
  const fit = new GateFit(tools, routers.rows, { x, logits: routers.logits(layer) });
  const before = await fit.residualOf(own.gate);
  const change = await fit.solve(before.residual);
  let stored = own;
  let ratio: number | null = null;
  if (change !== null) {
    await base.ops.add(change, { ...change, data: own.gate });
    const fitted = await store(change.data);
    ratio = (await fit.residualOf(fitted.gate)).heldOut / before.heldOut;
    if (ratio < 1) stored = fitted;
  }
  await tier.sink.write(tensor.name, 0, stored.bytes);
  const known = ratio !== null && Number.isFinite(ratio) ? ratio : null;
  return { repaired: stored !== own, ratio: known, gate: stored.gate };
}
