import { Pending } from "../ground/pending.ts";
import type { Matrix } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { BlockPlace, Rider } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import { type Model, plainContext } from "../models/run.ts";
import type { LayerExperts } from "../plan/sensitivity-types.ts";
import type { BlockCodes } from "./block-codes.ts";
import { type BlockPass, passBlock } from "./block-pass.ts";
import type { Outcome } from "./costs.ts";
import { type ExpertScale, expertDamage } from "./damage.ts";
import { type Boundary, boundaryOf } from "./margins.ts";
import type { ReadProbed } from "./measure-matrix.ts";
import { rowPowers, squaredDistances, sum } from "./powers.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { type BlockPart, exemplaryLayers, type PartErrors, sharesOf } from "./probe-shares.ts";
import {
  type AdvanceOptions,
  advance,
  divergences,
  type Judged,
  type Probe,
  type ProbeResult,
} from "./probes.ts";

/** A matrix outside the blocks (embeddings or head) at the probe's width. */
export interface ProbedTensor {
  readonly module: string;
  readonly role: string;
  readonly read: ReadProbed;
}

/** The parts of a block that have quantizable tensors. */
export function partsOf(layer: number, tensors: readonly PlannedTensor[]): readonly BlockPart[] {
  const isMixer = ({ role }: PlannedTensor) => role.part === "mamba" || role.part === "attention";
  return [
    { name: `layer ${layer}, mixer`, tensors: tensors.filter(isMixer) },
    { name: `layer ${layer}, mlp`, tensors: tensors.filter((tensor) => !isMixer(tensor)) },
  ].filter((part) => part.tensors.length > 0);
}

/** How often a block's matrix is asked for by the riders of a ProbeWalk. */
export function usersOf(parts: readonly BlockPart[]): (role: string) => number {
  const alone = new Set(
    parts.flatMap(({ tensors }) => (tensors.length === 1 ? [tensors[0]!.role.role] : [])),
  );
  return (role) => (alone.has(role) ? 2 : 3);
}

/** Results of one block. */
interface BlockResults {
  readonly base: Pending<BlockPass>;
  /** Probes that start in this block, by part, and the outputs of their experts. */
  readonly started: Map<BlockPart, { probe: Probe; outputs: BlockPass["outputs"] }>;
  /** Probes in which one tensor of a part alone has its codes. */
  readonly alone: Map<PlannedTensor, Probe>;
}

/**
 * Runs the probe rows through the model, block by block: the base's states, and all probes beside
 * them.
 */
export class ProbeWalk {
  readonly #model: Model;
  readonly rows: ProbeRows;
  /** The base's hidden states before the next block. */
  #x: Matrix | null = null;
  /**
   * One for each part of each block, one for the embeddings, and one for each tensor of the
   * `exemplary` blocks.
   */
  readonly #probes: Probe[] = [];
  readonly #exemplary: ReadonlySet<number>;
  /** All tensors at the probe's width: with forced routes, and with free ones. */
  #together: readonly Probe[] = [];
  readonly #blockErrors = new Map<string, number>();
  readonly #errors: PartErrors[] = [];
  readonly #experts: LayerExperts[] = [];

  constructor(model: Model, rows: ProbeRows) {
    this.#model = model;
    this.rows = rows;
    this.#exemplary = exemplaryLayers(model.architecture.layers(model.config));
  }

  /**
   * Looks the embeddings of `model` up. `table`: those at the probe's width; null if they are
   * unquantized.
   */
  async start(model: Model, table: ProbedTensor | null): Promise<void> {
    const probed = replaceOuter(model, table);
    this.#x = (await this.#embed("base", model)).x;
    if (table !== null) this.#probes.push(await this.#embed(table.module, probed));
    this.#together = [await this.#embed("forced", probed), await this.#embed("free", probed)];
  }

  async #embed(name: string, model: Model): Promise<Probe> {
    const outer = plainContext(model, null, { length: this.rows.length });
    const x = await model.architecture.forward.embed(outer, this.rows.ids);
    return { name, x, flipPower: 0 };
  }

  /**
   * The riders of one block: the base, the probes of earlier blocks, one probe for each part, one
   * pass for each tensor, and all tensors together. `finish` takes their results.
   */
  openBlock(
    place: BlockPlace,
    parts: readonly BlockPart[],
    codes: BlockCodes,
  ): { readonly riders: readonly Rider[]; finish(scale: ExpertScale): Promise<void> } {
    const results: BlockResults = { base: new Pending(), started: new Map(), alone: new Map() };
    const routed = new Pending<Boundary>();
    const options = { length: this.rows.length, boundary: () => routed.promise };
    const among = (tensors: readonly PlannedTensor[]) => {
      const roles = new Set(tensors.map(({ role }) => role.role));
      return (model: Model) => codes.replaceIn(model, place, (role) => roles.has(role));
    };
    const changeAll = among(parts.flatMap(({ tensors }) => tensors));
    const free = [this.#together[1]!];
    const passes: readonly ((model: Model) => Promise<unknown>)[] = [
      (model) => this.#passBase(model, place, { routed, base: results.base }),
      (model) => advance(model, place, this.#probes, options),
      (model) => advance(changeAll(model), place, this.#together, { ...options, free }),
      ...parts.map((part) => (model: Model) => {
        const changed = among(part.tensors)(model);
        return this.#startProbe(changed, place, part, { ...options, results });
      }),
      ...parts
        .flatMap(({ tensors }) => (tensors.length === 1 ? [] : tensors))
        .map((tensor) => async (model: Model) => {
          const probe = { name: modulePath(tensor), x: this.#x!, flipPower: 0 };
          await advance(among([tensor])(model), place, [probe], options);
          results.alone.set(tensor, probe);
        }),
    ];
    const embed = () => Promise.resolve();
    const riders = passes.map((pass) => {
      return { embed, pass: async (model: Model) => void (await pass(model)) };
    });
    return { riders, finish: (scale) => this.#finishBlock(place.layer, parts, results, scale) };
  }

  async #passBase(
    model: Model,
    place: BlockPlace,
    { routed, base }: { readonly routed: Pending<Boundary>; readonly base: Pending<BlockPass> },
  ): Promise<void> {
    const { length, weights } = this.rows;
    const routes = (own: Routing) => {
      routed.resolve(boundaryOf(own, weights));
      return own;
    };
    try {
      const options = { length, routes, wantsOutputs: true };
      base.resolve(await passBlock(model, place, this.#x!, options));
    } catch (error) {
      routed.reject(error);
      throw error;
    }
  }

  async #startProbe(
    model: Model,
    place: BlockPlace,
    part: BlockPart,
    { results, ...options }: AdvanceOptions & { readonly results: BlockResults },
  ): Promise<void> {
    const probe: Probe = { name: part.name, x: this.#x!, flipPower: 0 };
    const wantsOutputs = part.tensors.some(({ role }) => role.routed === true);
    const outputs = await advance(model, place, [probe], { ...options, wantsOutputs });
    results.started.set(part, { probe, outputs });
  }

  async #finishBlock(
    layer: number,
    parts: readonly BlockPart[],
    { base, started, alone }: BlockResults,
    scale: ExpertScale,
  ): Promise<void> {
    const { ops } = this.#model;
    const { after, routing, outputs: plain } = await base.promise;
    const power = sum(await rowPowers(ops, after));
    const before = this.#x!;
    for (const part of parts) {
      const { probe, outputs } = started.get(part)!;
      this.#probes.push(probe);
      const errors: number[] = [];
      for (const tensor of part.tensors)
        errors.push(sum(await squaredDistances(ops, (alone.get(tensor) ?? probe).x, after)));
      this.#errors.push({ part, errors });
      for (const [i, tensor] of part.tensors.entries())
        this.#blockErrors.set(modulePath(tensor), power > 0 ? errors[i]! / power : 0);
      if (routing === null || outputs.size === 0) continue;
      const { domainOf, domains } = this.rows;
      const states = { before, after, plain, probed: outputs };
      const request = { ops, layer, routing, ...states, domainOf, domains: domains.length, scale };
      this.#experts.push(await expertDamage(request));
    }
    if (this.#exemplary.has(layer)) this.#probes.push(...alone.values());
    this.#x = after;
  }

  /** Compares all probes with the base. `head`: that at the probe's width; null: unquantized. */
  async finish(
    head: ProbedTensor | null,
  ): Promise<Omit<Outcome, "tensors" | "storage" | "losses" | "tied">> {
    const together = replaceOuter(this.#model, head);
    const own = await this.#judge(this.#x!, this.#model);
    const judged: Judged[] = [];
    for (const { x } of this.#probes) judged.push(await this.#judge(x, this.#model));
    for (const { x } of this.#together) judged.push(await this.#judge(x, together));
    // A tied table is probed in both uses when the walk is over (tied-probes.ts).
    const isOwn = head !== null && this.#probes.every(({ name }) => name !== head.module);
    if (isOwn) judged.push({ ...own, head: together });
    const found = await divergences(own, judged, this.rows.length);
    const probes = new Map<string, ProbeResult>(
      this.#probes.map(({ name, flipPower }, i) => [name, { divergence: found[i]!, flipPower }]),
    );
    if (isOwn) probes.set(head.module, { divergence: found.at(-1)!, flipPower: 0 });
    const [forced, free] = found.slice(this.#probes.length) as [Float64Array, Float64Array];
    const shares = sharesOf(this.#errors, probes);
    const blockErrors = this.#blockErrors;
    return { blockErrors, shares, probes, forced, free, experts: this.#experts };
  }

  /** The positions of a probe that are compared. */
  async #judge(x: Matrix, head: Model): Promise<Judged> {
    return { x: await this.#model.ops.gather(x, this.rows.judged), head };
  }
}

/** The model with a matrix outside the blocks at the probe's width. */
function replaceOuter(model: Model, tensor: ProbedTensor | null): Model {
  if (tensor === null) return model;
  const { weights } = model;
  const matrix: typeof weights.matrix = (layer, role, expert, range) =>
    layer === null && role === tensor.role
      ? tensor.read(range)
      : weights.matrix(layer, role, expert, range);
  return { ...model, weights: { ...weights, matrix } };
}
