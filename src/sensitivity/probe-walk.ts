import { Pending } from "../ground/pending.ts";
import { type Matrix, rowsOf } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { BlockPlace, Rider } from "../models/rider.ts";
import type { Routing } from "../models/routing.ts";
import { type Model, plainContext } from "../models/run.ts";
import type { LayerExperts } from "../plan/sensitivity-types.ts";
import type { BlockCodes } from "./block-codes.ts";
import type { BlockPart } from "./block-parts.ts";
import { type BlockPass, passBlock } from "./block-pass.ts";
import type { BlockResults } from "./block-results.ts";
import type { WalkResults } from "./costs.ts";
import { type ExpertScale, expertDamage } from "./damage.ts";
import { JointProbes, type Pass } from "./joint-probes.ts";
import { type Boundary, boundaryOf, firstOf } from "./margins.ts";
import { powerOf, squaredDistance } from "./powers.ts";
import { type PartError, withUnprobed } from "./probe-gains.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { type PartErrors, probedLayers, sampledLayers, sharesOf } from "./probe-shares.ts";
import { type ProbedTensor, replaceOuter } from "./probed-outer.ts";
import {
  type AdvanceOptions,
  advance,
  type ComparedStates,
  divergences,
  groupsOf,
  type Probe,
  type ProbeResult,
  resultsOf,
  withoutStates,
} from "./probes.ts";
import type { SavedProbe, SavedProbes } from "./saved-walk.ts";

/** Share of the probe rows on which tensors are changed alone: only ratios within a part count. */
export const aloneShare = 1 / 3;

/**
 * Runs the probe rows through the model, block by block: the base's states, and all probes beside
 * them.
 */
export class ProbeWalk {
  readonly #model: Model;
  readonly rows: ProbeRows;
  /** The base's hidden states before the next block. */
  #x: Matrix | null = null;
  /** One for each part of the `probed` blocks, and one for the embeddings. */
  readonly #probes: Probe[] = [];
  /** One for each tensor of the sampled blocks, on the first rows. */
  readonly #alone: Probe[] = [];
  readonly #probed: ReadonlySet<number>;
  readonly #sampled: ReadonlySet<number>;
  readonly #joint: JointProbes;
  readonly #blockErrors = new Map<string, number>();
  readonly #errors: PartErrors[] = [];
  readonly #partErrors: PartError[] = [];
  readonly #experts: LayerExperts[] = [];

  /** `mostProbed`: blocks of a kind whose parts have probes that run to the end. */
  constructor(model: Model, rows: ProbeRows, mostProbed: number) {
    this.#model = model;
    this.rows = rows;
    this.#joint = new JointProbes(model, rows);
    const kinds = model.architecture.layers(model.config);
    this.#probed = probedLayers(kinds, mostProbed);
    this.#sampled = sampledLayers(kinds);
  }

  /**
   * Looks the embeddings of `model` up. `tables`: those at the probe's width, of which all tensors
   * together have the first; none if they are unquantized.
   */
  async start(model: Model, tables: readonly ProbedTensor[]): Promise<void> {
    this.#x = (await this.#embed("base", model)).x;
    for (const table of tables)
      this.#probes.push(await this.#embed(table.name, replaceOuter(model, table)));
    await this.#joint.start(model, replaceOuter(model, tables[0] ?? null));
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
    const tokens = this.#tokensAlone;
    const alone = { ...options, boundary: async () => firstOf(await routed.promise, tokens) };
    const among = (tensors: readonly PlannedTensor[]) => {
      const roles = new Set(tensors.map(({ role }) => role.role));
      return (model: Model) => codes.replaceIn(model, place, (role) => roles.has(role));
    };
    const changeAll = among(parts.flatMap(({ tensors }) => tensors));
    const passes: readonly Pass[] = [
      (model) => this.#passBase(model, place, { routed, base: results.base }),
      ...groupsOf(this.#probes, this.rows.ids.length, place).map((probes) => (model: Model) => {
        return advance(model, place, probes, options);
      }),
      ...groupsOf(this.#alone, tokens, place).map((probes) => (model: Model) => {
        return advance(model, place, probes, alone);
      }),
      ...this.#joint.passes(place, changeAll, options.boundary),
      ...parts.map((part) => (model: Model) => {
        const changed = among(part.tensors)(model);
        return this.#startProbe(changed, place, part, { ...options, results });
      }),
      ...parts
        .flatMap(({ tensors }) => (tensors.length === 1 ? [] : tensors))
        .map((tensor) => async (model: Model) => {
          const x = rowsOf(this.#x!, 0, tokens);
          const probe = { name: modulePath(tensor), x, flipPower: 0 };
          await advance(among([tensor])(model), place, [probe], alone);
          results.alone.set(tensor, probe);
        }),
    ];
    const embed = () => Promise.resolve();
    const riders = passes.map((pass) => {
      return { embed, pass: async (model: Model) => void (await pass(model)) };
    });
    return { riders, finish: (scale) => this.#finishBlock(place, parts, results, scale) };
  }

  /** Tokens of the probe rows, of those on which tensors are changed alone, and of further rows. */
  get tokens(): Readonly<Record<"probes" | "alone" | "more", number>> {
    const { ids, more } = this.rows;
    return { probes: ids.length, alone: this.#tokensAlone, more: more.length };
  }

  get #tokensAlone(): number {
    return this.rows.length * Math.ceil(this.rows.samples * aloneShare);
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
    place: BlockPlace,
    parts: readonly BlockPart[],
    { base, started, alone }: BlockResults,
    scale: ExpertScale,
  ): Promise<void> {
    const { ops } = this.#model;
    const { layer } = place;
    const { after, routing, outputs: plain, behind } = await base.promise;
    const tokens = this.#tokensAlone;
    const first = rowsOf(after, 0, tokens);
    const [whole, power] = [await powerOf(ops, after), await powerOf(ops, first)];
    const before = this.#x!;
    for (const [number, part] of parts.entries()) {
      const { probe, outputs } = started.get(part)!;
      if (this.#probed.has(layer)) this.#probes.push(probe);
      const joint = await squaredDistance(ops, probe.x, after);
      const kind = `${place.kind.mixer} ${place.kind.mlp} ${number}`;
      this.#partErrors.push({ part, layer, kind, error: whole > 0 ? joint / whole : 0 });
      const errors: number[] = [];
      for (const tensor of part.tensors) {
        const { x } = alone.get(tensor) ?? probe;
        errors.push(await squaredDistance(ops, rowsOf(x, 0, tokens), first));
      }
      this.#errors.push({ part, errors });
      for (const [i, tensor] of part.tensors.entries())
        this.#blockErrors.set(modulePath(tensor), power > 0 ? errors[i]! / power : 0);
      if (routing === null || outputs.size === 0) continue;
      const { domainOf, domains } = this.rows;
      const states = { before, after, plain, probed: outputs, behind };
      const request = { ops, layer, routing, ...states, domainOf, domains: domains.length, scale };
      this.#experts.push(await expertDamage(request));
    }
    if (this.#sampled.has(layer)) this.#alone.push(...alone.values());
    this.#x = after;
  }

  /** What was found so far, and the hidden states. */
  save(): { readonly values: SavedProbes; readonly states: readonly Matrix[] } {
    const { probes: joint, more } = this.#joint.save();
    const all = [...this.#probes, ...this.#alone, ...joint];
    return {
      values: {
        probes: this.#probes.map(withoutStates),
        alone: this.#alone.map(withoutStates),
        joint: joint.map(withoutStates),
        hasMore: more !== null,
        blockErrors: [...this.#blockErrors],
        errors: this.#errors.map(({ part, errors }) => ({ part: part.name, errors })),
        partErrors: this.#partErrors.map((one) => ({ ...one, part: one.part.name })),
        experts: this.#experts,
      },
      states: [this.#x!, ...all.map(({ x }) => x), ...(more === null ? [] : [more])],
    };
  }

  /** Takes over what an earlier run saved. `parts`: those of all blocks, by name. */
  restore(
    { values, states }: ReturnType<ProbeWalk["save"]>,
    parts: ReadonlyMap<string, BlockPart>,
  ): void {
    const left = [...states];
    const withStates = (saved: SavedProbe): Probe => ({ ...saved, x: left.shift()! });
    this.#x = left.shift()!;
    this.#probes.splice(0, this.#probes.length, ...values.probes.map(withStates));
    this.#alone.push(...values.alone.map(withStates));
    const joint = values.joint.map(withStates);
    this.#joint.restore({ probes: joint, more: values.hasMore ? left.shift()! : null });
    for (const [module, error] of values.blockErrors) this.#blockErrors.set(module, error);
    for (const { part, errors } of values.errors)
      this.#errors.push({ part: parts.get(part)!, errors });
    for (const one of values.partErrors)
      this.#partErrors.push({ ...one, part: parts.get(one.part)! });
    this.#experts.push(...values.experts);
  }

  /** Forgets the hidden states that are not compared. Called behind the last block. */
  async leaveBlocks(): Promise<void> {
    const { ops } = this.#model;
    const { compared } = this.rows;
    const first = compared.subarray(
      0,
      compared.filter((token) => token < this.#tokensAlone).length,
    );
    for (const probe of this.#probes) probe.x = await ops.gather(probe.x, compared);
    for (const probe of this.#alone) probe.x = await ops.gather(probe.x, first);
  }

  /**
   * Compares all probes with the base. `heads`: those at the probe's width, of which all tensors
   * together have the first; none if it is unquantized. Each has a probe of its own.
   */
  async finish(
    heads: readonly ProbedTensor[],
  ): Promise<Omit<WalkResults, "tensors" | "storage" | "losses" | "mostExperts" | "tied">> {
    const model = this.#model;
    const replaced = heads.map((head) => replaceOuter(model, head));
    const own = { x: await model.ops.gather(this.#x!, this.rows.compared), head: model };
    const compared: readonly ComparedStates[] = [
      ...this.#probes.map(({ x }) => ({ x, head: model })),
      ...replaced.map((head) => ({ ...own, head })),
    ];
    const { length } = this.rows;
    const found = await divergences(own, compared, length);
    const unrouted = heads.map(({ name }) => ({ name, flipPower: 0 }));
    const probes = resultsOf([...this.#probes, ...unrouted], found);
    const joint = await this.#joint.compare(this.#x!, replaced[0] ?? model);
    const withJoint = withUnprobed(probes, this.#partErrors);
    const shares = sharesOf(
      this.#errors,
      new Map([...withJoint, ...(await this.#compareAlone(own))]),
    );
    const [blockErrors, experts] = [this.#blockErrors, this.#experts];
    return { blockErrors, shares, probes: withJoint, ...joint, experts };
  }

  /** Results of the probes of single tensors. `own`: the base's compared positions. */
  async #compareAlone(own: ComparedStates): Promise<ReadonlyMap<string, ProbeResult>> {
    const compared = this.#alone.map(({ x }) => ({ ...own, x }));
    const first = { ...own, x: rowsOf(own.x, 0, compared[0]?.x.rows ?? 0) };
    return resultsOf(this.#alone, await divergences(first, compared, this.rows.length));
  }
}
