/* tslint:disable */
/* eslint-disable */

/**
 * `y += x`
 *
 * # Safety
 * As the module says.
 */
export function add(y: number, x: number, count: number): void;

/**
 * Adds Σ p_v (1 - p_v) · z over positions to the context of each token v of a [`ContextsCall`].
 *
 * # Safety
 * As [`super::quantize`].
 */
export function add_contexts(call: number): void;

/**
 * Adds the Fisher weights of each group of tokens to the sums of a [`FisherCall`].
 *
 * # Safety
 * As [`super::quantize`].
 */
export function add_fisher_weights(call: number): void;

/**
 * `tile` += alpha·`left`ᵀ·`right` of a [`ProductCall`].
 *
 * # Safety
 * As [`linear`].
 */
export function add_product(call: number): void;

/**
 * Row r of `y` += weights[r] · row r of `x`.
 *
 * # Safety
 * As the module says.
 */
export function add_weighted(y: number, x: number, weights: number, rows: number, columns: number): void;

/**
 * Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and
 * loses its contents.
 */
export function arena(bytes: number): number;

/**
 * Causal attention of one sequence, an [`AttentionCall`]; changes `q` and `k`.
 *
 * # Safety
 * As the module says.
 */
export function attend(call: number): void;

/**
 * Changes the dtype of the elements of a [`CastCall`]. Returns how many are NaN or infinite then.
 *
 * # Safety
 * As [`quantize`].
 */
export function cast(call: number): number;

/**
 * Replaces the upper triangle of H `[n, n]` by R with H = RᵀR. Gives the index of the first pivot
 * that is not positive and finite, or -1. Values below the diagonal have no meaning.
 *
 * # Safety
 * As [`linear`].
 */
export function cholesky(n: number, h: number): number;

/**
 * `gate` = (u + 1) · g · sigmoid(1.702 g), with both operands clamped.
 *
 * # Safety
 * As the module says.
 */
export function clamped_swiglu(gate: number, up: number, count: number): void;

/**
 * Compares the logits of a [`CompareCall`].
 *
 * # Safety
 * As [`super::quantize`]; `positions` and `shares` are aligned to 8.
 */
export function compare(call: number): void;

/**
 * Decodes the rows of a [`DecodeCall`]. Returns how many results are NaN or infinite.
 *
 * # Safety
 * As [`super::quantize`]; `values` is aligned to 4.
 */
export function decode(call: number): number;

/**
 * Decodes the elements of a [`DequantizeCall`] into float32.
 *
 * # Safety
 * As [`quantize`]; `out` is aligned to 4.
 */
export function dequantize(call: number): void;

/**
 * Σ (x - y)² of each row, float64 into `out`; both given.
 *
 * # Safety
 * As the module says.
 */
export function distances(x: number, y: number, rows: number, columns: number, out: number): void;

/**
 * Index of the first scale of a [`DecodeCall`] that is NaN, infinite or zero; -1: there is none.
 *
 * # Safety
 * As [`super::quantize`].
 */
export function first_bad_scale(call: number): number;

/**
 * Runs `steps` steps of 96 float32 operations each on registers alone: the maximum rate of this
 * processor. For benchmarks.
 */
export function fma_peak(steps: number, factor: number): number;

/**
 * Visits blocks as [`tune_block`] does. Returns tr(W H Wᵀ) so far.
 *
 * # Safety
 * As [`tune_block`].
 */
export function forecast_energy_block(call: number, start: number, end: number, factor: number): number;

/**
 * Prepares `forecast_energy_block`, after `tune_prepare`. It uses the memory of task 0.
 *
 * # Safety
 * As [`tune_prepare`].
 */
export function forecast_energy_start(call: number): void;

/**
 * The expected loss of a task, after `tune_prepare`. `pivots` are float32 in natural order.
 *
 * # Safety
 * As [`tune_prepare`].
 */
export function forecast_loss(call: number, index: number, pivots: number): number;

/**
 * Row r of `data` times sigmoid(gates[r]).
 *
 * # Safety
 * As the module says.
 */
export function gate_rows(data: number, gates: number, rows: number, columns: number): void;

/**
 * The sequence of a [`DeltaCall`] through its mixer.
 *
 * # Safety
 * As the module says.
 */
export function gated_delta(call: number): void;

/**
 * `y` = `x`·Wᵀ + `bias` of a [`LinearCall`].
 *
 * # Safety
 * As [`super::quantize`]; float32 operands are aligned to 4.
 */
export function linear(call: number): void;

/**
 * The sequence of a [`MambaCall`] through its mixer.
 *
 * # Safety
 * As the module says.
 */
export function mamba(call: number): void;

/**
 * Quantizes the rows of a [`QuantizeCall`].
 *
 * # Safety
 * Every address lies in the arena with the memory that its operand needs; they do not overlap.
 */
export function quantize(call: number): void;

/**
 * max(x, 0)² of `count` values, in place.
 *
 * # Safety
 * As the module says.
 */
export function relu_squared(data: number, count: number): void;

/**
 * Norms the rows of a [`NormCall`] in place.
 *
 * # Safety
 * As the module says.
 */
export function rms_norm(call: number): void;

/**
 * Computes the tables of a [`RotaryCall`].
 *
 * # Safety
 * As the module says.
 */
export function rotary(call: number): void;

/**
 * Chooses experts for the logits in `scores` of a [`RouteCall`], which become scores.
 *
 * # Safety
 * As the module says.
 */
export function route(call: number): void;

/**
 * Replaces B `[n, m]` by X with RᵀX = B, for R upper triangular `[n, n]`.
 *
 * # Safety
 * As [`linear`].
 */
export function solve(n: number, m: number, r: number, b: number): void;

/**
 * `gate` = SiLU(gate) · up.
 *
 * # Safety
 * As the module says.
 */
export function swiglu(gate: number, up: number, count: number): void;

/**
 * Tunes positions `[start, end)`. `factor` = R `[end - start, columns - start]`: their rows from
 * column `start` on.
 *
 * # Safety
 * As [`tune_prepare`].
 */
export function tune_block(call: number, start: number, end: number, factor: number): void;

/**
 * Maximum number of positions in a block.
 */
export function tune_block_size(): number;

/**
 * Makes a sampled job ready for [`tune_rounded_block`], after the last [`tune_block`].
 *
 * # Safety
 * As [`tune_prepare`].
 */
export function tune_compare(call: number): void;

/**
 * Writes the stored bytes and the sums of all rows.
 *
 * # Safety
 * As [`tune_prepare`].
 */
export function tune_finish(call: number): void;

/**
 * Writes the number of NaN and infinities among the weights of each task. If there are any, the
 * job ends here.
 *
 * # Safety
 * Every address of the [`TuneCall`] lies in the arena with the memory that its operand needs,
 * aligned to 8.
 */
export function tune_prepare(call: number): void;

/**
 * Adds up the loss of plain rounding. Visits all blocks before the first [`tune_block`]; in a
 * sampled job, after the last one and [`tune_compare`].
 *
 * # Safety
 * As [`tune_block`].
 */
export function tune_rounded_block(call: number, start: number, end: number, factor: number): void;

/**
 * How many float64 of workspace a [`TuneCall`] needs. Of its addresses, only `tasks` must be set.
 * `order` is only compared with 0.
 *
 * # Safety
 * `call` is the address of a [`TuneCall`].
 */
export function tune_workspace(call: number): number;

/**
 * Computes the weights of the given experts of a [`RouteCall`].
 *
 * # Safety
 * As the module says.
 */
export function weigh(call: number): void;

/**
 * `count` elements of dtype `from` as float32.
 *
 * # Safety
 * As the module says.
 */
export function widen(elements: number, from: number, count: number, out: number): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly add: (a: number, b: number, c: number) => void;
    readonly add_contexts: (a: number) => void;
    readonly add_fisher_weights: (a: number) => void;
    readonly add_product: (a: number) => void;
    readonly add_weighted: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly arena: (a: number) => number;
    readonly attend: (a: number) => void;
    readonly cast: (a: number) => number;
    readonly cholesky: (a: number, b: number) => number;
    readonly clamped_swiglu: (a: number, b: number, c: number) => void;
    readonly compare: (a: number) => void;
    readonly decode: (a: number) => number;
    readonly dequantize: (a: number) => void;
    readonly distances: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly first_bad_scale: (a: number) => number;
    readonly fma_peak: (a: number, b: number) => number;
    readonly forecast_energy_block: (a: number, b: number, c: number, d: number) => number;
    readonly forecast_energy_start: (a: number) => void;
    readonly forecast_loss: (a: number, b: number, c: number) => number;
    readonly gate_rows: (a: number, b: number, c: number, d: number) => void;
    readonly gated_delta: (a: number) => void;
    readonly linear: (a: number) => void;
    readonly mamba: (a: number) => void;
    readonly quantize: (a: number) => void;
    readonly relu_squared: (a: number, b: number) => void;
    readonly rms_norm: (a: number) => void;
    readonly rotary: (a: number) => void;
    readonly route: (a: number) => void;
    readonly solve: (a: number, b: number, c: number, d: number) => void;
    readonly swiglu: (a: number, b: number, c: number) => void;
    readonly tune_block: (a: number, b: number, c: number, d: number) => void;
    readonly tune_block_size: () => number;
    readonly tune_compare: (a: number) => void;
    readonly tune_finish: (a: number) => void;
    readonly tune_prepare: (a: number) => void;
    readonly tune_rounded_block: (a: number, b: number, c: number, d: number) => void;
    readonly tune_workspace: (a: number) => number;
    readonly weigh: (a: number) => void;
    readonly widen: (a: number, b: number, c: number, d: number) => void;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
