import { Leases } from "../kernel/lease.ts";
import { type Matrix, newMatrix, type Weight, weightRows } from "../kernel/matrix.ts";
import { modulePath } from "../mlx/format.ts";
import type { PlannedTensor } from "../models/architecture.ts";
import type { LayerKind } from "../models/layer-kind.ts";
import { Ops } from "../models/ops.ts";
import { headRole, type Model, outerRole, plainContext } from "../models/run.ts";
import { isQuantizable } from "../plan/plan.ts";
import type { LayerExperts } from "../plan/sensitivity-types.ts";
import { tuneHeadRows } from "../quantize/head-tuner.ts";
import { tableHessian } from "../quantize/table-hessian.ts";
import { decodeRows, type TunedRows } from "../quantize/tuned-rows.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import { BlockMeter, type MeterWalk, measureMatrix } from "./block-meter.ts";
import type { Outcome } from "./costs.ts";
import { expertDamage, type Passage, pass } from "./damage.ts";
import { LossTable } from "./loss-table.ts";
import { type Boundary, boundaryOf } from "./margins.ts";
import type { ProbeRows } from "./probe-rows.ts";
import { probeWidth, widths } from "./probe-width.ts";
import { advance, divergences, type Probe, squaredDistances, withNoise } from "./probes.ts";
import type { MeasureRequest } from "./sensitivity-request.ts";

/** Depths that noise is injected at, and its power relative to the hidden states'. */
const noiseDepths = 9;
const noisePower = 1e-3;

/** One pass over the blocks for the Hessians, the probes beside it. */
export class MeasuringWalk {
  readonly #request: MeasureRequest;
  readonly #probe: ProbeRows;
  readonly #walk: MeterWalk;
  readonly #model: Model;
  readonly #quantizable: readonly PlannedTensor[];
  readonly #kinds: readonly LayerKind[];
  /** Beside the base: one probe a tensor, and noise at some depths. */
  readonly #probes: Probe[] = [];
  /** Everything at the probe's width, once behind the base's choice of experts and once free. */
  #together: Probe[] = [];
  readonly #blockErrors = new Map<string, number>();
  readonly #experts: LayerExperts[] = [];
  /** Modules of the glue at the probe's width. */
  readonly #glue = new Map<string, Weight>();

  constructor(request: MeasureRequest, probe: ProbeRows) {
    const { model, rows, kernel, settings = tuningSettings } = request;
    const ops = new Ops(kernel);
    this.#request = request;
    this.#probe = probe;
    this.#model = { ...model, ops };
    this.#quantizable = model.tensors.filter(isQuantizable);
    this.#kinds = model.architecture.layers(model.config);
    this.#walk = {
      kernel,
      ops,
      config: model.config,
      weights: model.weights,
      settings,
      storage: model.storage,
      sequenceLength: rows.length,
      losses: new LossTable(model.ownBits),
      hessianBuffers: new Leases(),
      resultBuffers: new Leases(),
      isSampled: sampleOf(this.#quantizable),
    };
  }

  async run(progress: (done: number, total: number) => void): Promise<Outcome> {
    const { rows, model } = this.#request;
    const { forward } = model.architecture;
    const layers = this.#kinds.length;
    const glue = plainContext(this.#model, null, { length: rows.length });
    let x = await forward.embed(glue, this.#probe.others);
    let reference = (await this.#start("base", this.#model, rows.length)).x;
    await this.#probeTable();
    const depths = spread(layers, noiseDepths);
    for (const [layer, kind] of this.#kinds.entries()) {
      if (depths.includes(layer)) {
        const noisy = await withNoise(this.#walk.ops, reference, noisePower, layer);
        this.#probes.push({ name: noiseName(layer), x: noisy, flipPower: 0 });
      }
      const tensors = this.#quantizable.filter((tensor) => tensor.layer === layer);
      const meter = new BlockMeter(this.#walk, tensors, { layer, kind });
      x = await forward.block(meter, x);
      const passage = await pass(this.#model, meter, reference, rows.length);
      await this.#probeBlock(meter, tensors, reference, passage);
      await meter.close();
      reference = passage.y;
      progress(layer + 1, layers + 1);
    }
    const outcome = await this.#finish(x, reference, depths);
    progress(layers + 1, layers + 1);
    return outcome;
  }

  /** The embeddings at the probe's width: their error is in every hidden state from the start. */
  async #probeTable(): Promise<void> {
    const { model, rows } = this.#request;
    const start = (name: string, own: Model) => this.#start(name, own, rows.length);
    const name = outerRole(model.architecture, "embeddings");
    const table = this.#quantizable.find(({ layer, role }) => layer === null && role.role === name);
    if (table !== undefined) {
      const { kernel, hessianBuffers: buffers, settings } = this.#walk;
      const { tensors, weights } = model;
      const hessian = await tableHessian({ tensors, weights, kernel, settings, buffers });
      const whole = await weights.matrix(null, name);
      const parts = await measureMatrix(this.#walk, table, undefined, whole, hessian);
      hessian?.release();
      this.#glue.set(name, await this.#decode(parts, whole));
      this.#probes.push(await start(modulePath(table), this.#replaced(name)));
    }
    const all = this.#replaced(name);
    this.#together = [await start("forced", all), await start("free", all)];
  }

  async #start(name: string, model: Model, length: number): Promise<Probe> {
    const { ids } = this.#probe;
    const x = await model.architecture.forward.embed(plainContext(model, null, { length }), ids);
    return { name, x, flipPower: 0 };
  }

  /** The model with a matrix of the glue at the probe's width. */
  #replaced(role: string): Model {
    const { weights } = this.#model;
    const matrix: typeof weights.matrix = async (layer, asked, expert, range) => {
      const own = layer === null && asked === role ? this.#glue.get(role) : undefined;
      if (own === undefined) return weights.matrix(layer, asked, expert, range);
      return range === undefined ? own : weightRows(own, ...range);
    };
    return { ...this.#model, weights: { ...weights, matrix } };
  }

  /** The model with some roles of a block at the probe's width. */
  #probed(meter: BlockMeter, isProbed: (role: string) => boolean): Model {
    const { weights } = this.#model;
    const matrix: typeof weights.matrix = async (layer, role, expert, range) => {
      const own = layer === meter.layer && isProbed(role) ? await meter.probe(role, expert) : null;
      return own ?? weights.matrix(layer, role, expert, range);
    };
    return { ...this.#model, weights: { ...weights, matrix } };
  }

  /** Takes the probes through a block that the meter went through, and starts those of its tensors. */
  async #probeBlock(
    meter: BlockMeter,
    tensors: readonly PlannedTensor[],
    before: Matrix,
    { y: after, routing, outputs: plain }: Passage,
  ): Promise<void> {
    const { length } = this.#request.rows;
    const { weights, domainOf, domains } = this.#probe;
    const boundary: Boundary | null = routing === null ? null : boundaryOf(routing, weights);
    const reference = { length, boundary };
    await advance(this.#model, meter, this.#probes, reference);
    const all = this.#probed(meter, () => true);
    await advance(all, meter, this.#together, reference, [this.#together[1]!]);
    const zero = newMatrix(after.rows, after.columns);
    const power = sum(await squaredDistances(this.#walk.ops, after, zero));
    for (const tensor of tensors) {
      const started: Probe = { name: modulePath(tensor), x: before, flipPower: 0 };
      await advance(
        this.#probed(meter, (role) => role === tensor.role.role),
        meter,
        [started],
        reference,
      );
      const error = sum(await squaredDistances(this.#walk.ops, started.x, after));
      this.#blockErrors.set(started.name, power > 0 ? error / power : 0);
      this.#probes.push(started);
    }
    if (routing === null) return;
    const { outputs: probed } = await pass(all, meter, before, length, routing);
    const { layer } = meter;
    const experts = {
      layer,
      routing,
      before,
      after,
      plain,
      probed,
      domainOf,
      domains: domains.length,
    };
    this.#experts.push(await expertDamage({ ops: this.#walk.ops, ...experts }));
  }

  /** The head at every width, and what all probes come to. `x`: hidden states of all rows. */
  async #finish(x: Matrix, reference: Matrix, depths: readonly number[]): Promise<Outcome> {
    const { rows, model } = this.#request;
    const { architecture, config } = model;
    const role = headRole(architecture, config);
    const head = this.#quantizable.find(
      (tensor) => tensor.layer === null && tensor.role.role === role,
    );
    const { ops } = this.#walk;
    const judgedRows = this.#probe.judged;
    const judged: { x: Matrix; head: Model }[] = [];
    for (const { x } of this.#probes)
      judged.push({ x: await ops.gather(x, judgedRows), head: this.#model });
    const own = await ops.gather(reference, judgedRows);
    let together = this.#model;
    if (head !== undefined) {
      const last = await architecture.forward.finish(
        plainContext(this.#model, null, { length: rows.length }),
        x,
      );
      await this.#tuneHead(head, last);
      together = this.#replaced(role);
      judged.push({ x: own, head: together });
    }
    for (const { x } of this.#together)
      judged.push({ x: await ops.gather(x, judgedRows), head: together });
    const found = await divergences(this.#model, own, judged, rows.length);
    const named = new Map(
      this.#probes.map((probe, i) => [
        probe.name,
        { divergence: found[i]!, flipPower: probe.flipPower },
      ]),
    );
    if (head !== undefined) addHead(named, modulePath(head), found[this.#probes.length]!);
    const [forced, free] = found.slice(-2) as [Float64Array, Float64Array];
    return {
      tensors: this.#quantizable,
      storage: model.storage,
      losses: this.#walk.losses,
      blockErrors: this.#blockErrors,
      probes: named,
      noise: depths.map((depth) => ({
        depth,
        relative: noisePower,
        divergence: named.get(noiseName(depth))!.divergence,
      })),
      forced,
      free,
      experts: this.#experts,
    };
  }

  async #tuneHead(head: PlannedTensor, x: Matrix): Promise<void> {
    const { kernel, settings, storage, ops, hessianBuffers, resultBuffers, weights, losses } =
      this.#walk;
    const whole = await weights.matrix(null, head.role.role);
    const walk = { request: { kernel, settings, storage }, ops, hessianBuffers, resultBuffers };
    const { parts, sums } = await tuneHeadRows(walk, whole, x, widths);
    // Tuned at every width, it needs no forecast. Its energy is that of the weights: a Hessian for each group of rows has no common one.
    const relative =
      sums[0]!.weightEnergy > 0 ? sums.map((width) => width.squaredError / width.weightEnergy) : [];
    const energy = relative.length > 0 ? sums[0]!.loss / relative[0]! : 0;
    losses.addTuned(modulePath(head), energy, sums);
    const probe = parts.find(({ width }) => width === probeWidth)!;
    this.#glue.set(head.role.role, await this.#decode([probe], whole));
  }

  #decode(parts: readonly TunedRows[], { rows, columns }: Weight): Promise<Weight> {
    const { kernel, storage: store } = this.#walk;
    return decodeRows(kernel, parts, { rows, columns, store });
  }
}

/** A tied table is probed twice, as what is looked up and as what makes logits: what it costs is the sum. */
function addHead(
  named: Map<string, { divergence: Float64Array; flipPower: number }>,
  name: string,
  own: Float64Array,
): void {
  const table = named.get(name);
  const divergence =
    table === undefined ? own : own.map((value, i) => value + table.divergence[i]!);
  named.set(name, { divergence, flipPower: table?.flipPower ?? 0 });
}

const noiseName = (depth: number) => `noise before layer ${depth}`;

/** `count` of the numbers below `layers`, first and last among them. */
function spread(layers: number, count: number): readonly number[] {
  if (layers <= count) return Array.from({ length: layers }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (layers - 1)) / (count - 1)));
}

/** Of every role one tensor, of the layer in the middle; of a stack two experts. */
function sampleOf(
  tensors: readonly PlannedTensor[],
): (tensor: PlannedTensor, expert: number) => boolean {
  const byRole = new Map<string, PlannedTensor[]>();
  for (const tensor of tensors)
    byRole.set(tensor.role.role, [...(byRole.get(tensor.role.role) ?? []), tensor]);
  const chosen = new Set([...byRole.values()].map((all) => all[Math.floor(all.length / 2)]!));
  return (tensor, expert) =>
    chosen.has(tensor) && (expert === 0 || expert === Math.floor(tensor.sources.length / 2));
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
