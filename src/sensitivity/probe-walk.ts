import type { Weight } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { Routing } from "../models/routing.ts";
import { type Model, plainContext } from "../models/run.ts";
import type { LayerExperts } from "../plan/sensitivity-types.ts";
import { type Replacement, replaceMatrices } from "../quantize/replace-matrices.ts";
import type { BlockCodes } from "./block-codes.ts";
import { type BlockPass, passBlock } from "./block-pass.ts";
import type { Outcome, ProbeResult } from "./costs.ts";
import { expertDamage } from "./damage.ts";
import { boundaryOf } from "./margins.ts";
import { rowPowers, squaredDistances, sum, withNoise } from "./noise.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { advance, type BlockPlace, divergences, type Judged, type Probe } from "./probes.ts";

/** Power of the noise, relative to that of the hidden states. */
const noisePower = 1e-3;

/** A matrix outside the blocks (embeddings or head) at the probe's width. */
export interface ProbedTensor {
  readonly module: string;
  readonly role: string;
  readonly weight: Weight;
}

/**
 * Runs the probe rows through the model, block by block: the base's states, and all probes beside
 * them.
 */
export class ProbeWalk {
  readonly #model: Model;
  readonly #rows: ProbeRows;
  /** Tokens of a sequence. */
  readonly #length: number;
  /** The base's hidden states. */
  #reference: Probe | null = null;
  /** One probe for each tensor, and noise at some depths. */
  readonly #probes: Probe[] = [];
  /** All tensors at the probe's width: with forced routes, and with free ones. */
  #together: readonly Probe[] = [];
  readonly #depths: number[] = [];
  readonly #blockErrors = new Map<string, number>();
  readonly #experts: LayerExperts[] = [];

  constructor(given: {
    readonly model: Model;
    readonly rows: ProbeRows;
    readonly length: number;
  }) {
    this.#model = given.model;
    this.#rows = given.rows;
    this.#length = given.length;
  }

  /** Looks the embeddings up. `table`: those at the probe's width; null if they are unquantized. */
  async start(table: ProbedTensor | null): Promise<void> {
    this.#reference = await this.#embed("base", this.#model);
    const probed = replaceOuter(this.#model, table);
    if (table !== null) this.#probes.push(await this.#embed(table.module, probed));
    this.#together = [await this.#embed("forced", probed), await this.#embed("free", probed)];
  }

  async #embed(name: string, model: Model): Promise<Probe> {
    const outer = plainContext(model, null, { length: this.#length });
    const x = await model.architecture.forward.embed(outer, this.#rows.ids);
    return { name, x, flipPower: 0 };
  }

  /** Starts a probe with noise before a layer. */
  async addNoise(layer: number): Promise<void> {
    const x = await withNoise(this.#model.ops, this.#reference!.x, noisePower, layer);
    this.#probes.push({ name: noiseName(layer), x, flipPower: 0 });
    this.#depths.push(layer);
  }

  /** Runs a block on all probes, and starts one for each of its quantizable tensors. */
  async throughBlock(
    place: BlockPlace,
    tensors: readonly PlannedTensor[],
    codes: BlockCodes,
  ): Promise<void> {
    const length = this.#length;
    const before = this.#reference!.x;
    const own = await passBlock(this.#model, place, before, { length });
    const { after, routing } = own;
    const boundary = routing && boundaryOf(routing, this.#rows.weights);
    const options = { length, boundary };
    await advance(this.#model, place, this.#probes, options);
    const all = replaceInBlock(this.#model, place, codes);
    const free = [this.#together[1]!];
    await advance(all, place, this.#together, { ...options, free });
    const power = sum(await rowPowers(this.#model.ops, after));
    for (const tensor of tensors) {
      const probe = { name: modulePath(tensor), x: before, flipPower: 0 };
      const model = replaceInBlock(this.#model, place, codes, tensor.role.role);
      await advance(model, place, [probe], options);
      const error = sum(await squaredDistances(this.#model.ops, probe.x, after));
      this.#blockErrors.set(probe.name, power > 0 ? error / power : 0);
      this.#probes.push(probe);
    }
    if (routing !== null) {
      const { outputs: probed } = await passBlock(all, place, before, { length, forced: routing });
      await this.#addDamage(place.layer, { ...own, routing }, probed);
    }
    this.#reference!.x = after;
  }

  async #addDamage(
    layer: number,
    { routing, after, outputs: plain }: BlockPass & { readonly routing: Routing },
    probed: BlockPass["outputs"],
  ): Promise<void> {
    const { ops } = this.#model;
    const { domainOf, domains } = this.#rows;
    const before = this.#reference!.x;
    const states = { before, after, plain, probed, domainOf, domains: domains.length };
    this.#experts.push(await expertDamage({ ops, layer, routing, ...states }));
  }

  /** Compares all probes with the base. `head`: that at the probe's width; null: unquantized. */
  async finish(
    head: ProbedTensor | null,
  ): Promise<Omit<Outcome, "tensors" | "storage" | "losses">> {
    const together = replaceOuter(this.#model, head);
    const own = await this.#judge(this.#reference!, this.#model);
    const judged: Judged[] = [];
    for (const probe of this.#probes) judged.push(await this.#judge(probe, this.#model));
    for (const probe of this.#together) judged.push(await this.#judge(probe, together));
    if (head !== null) judged.push({ ...own, head: together });
    const found = await divergences(own, judged, this.#length);
    const probes = new Map<string, ProbeResult>(
      this.#probes.map(({ name, flipPower }, i) => [name, { divergence: found[i]!, flipPower }]),
    );
    if (head !== null) addHead(probes, head.module, found.at(-1)!);
    const noise = this.#depths.map((depth) => {
      const { divergence } = probes.get(noiseName(depth))!;
      return { depth, relative: noisePower, divergence };
    });
    const [forced, free] = found.slice(this.#probes.length) as [Float64Array, Float64Array];
    return { blockErrors: this.#blockErrors, probes, noise, forced, free, experts: this.#experts };
  }

  /** The positions of a probe that are compared. */
  async #judge({ x }: Probe, head: Model): Promise<Judged> {
    return { x: await this.#model.ops.gather(x, this.#rows.judged), head };
  }
}

const noiseName = (depth: number) => `noise before layer ${depth}`;

/** The model with a matrix outside the blocks at the probe's width. */
function replaceOuter(model: Model, tensor: ProbedTensor | null): Model {
  if (tensor === null) return model;
  return replaced(model, (layer, role) =>
    layer === null && role === tensor.role ? tensor.weight : null,
  );
}

/** The model with a block's tensors at the probe's width. `only`: just the one of this role. */
function replaceInBlock(model: Model, place: BlockPlace, codes: BlockCodes, only?: string): Model {
  return replaced(model, (layer, role, expert) =>
    layer === place.layer && (only ?? role) === role ? codes.matrix(role, expert) : null,
  );
}

function replaced(model: Model, replacement: Replacement): Model {
  return { ...model, weights: replaceMatrices(model.weights, replacement) };
}

/** A tied table is probed twice: when it is looked up, and as the head. Its KL is the sum. */
function addHead(probes: Map<string, ProbeResult>, module: string, own: Float64Array): void {
  const table = probes.get(module);
  const divergence =
    table === undefined ? own : own.map((value, i) => value + table.divergence[i]!);
  probes.set(module, { divergence, flipPower: table?.flipPower ?? 0 });
}
