/* @ts-self-types="./oqe_kernel.d.ts" */

/**
 * `y += x`
 *
 * # Safety
 * As the module says.
 * @param {number} y
 * @param {number} x
 * @param {number} count
 */
export function add(y, x, count) {
    wasm.add(y, x, count);
}

/**
 * Adds Σ p_v (1 - p_v) · z over positions to the context of each token v of a [`ContextsCall`].
 *
 * # Safety
 * As [`super::quantize`].
 * @param {number} call
 */
export function add_contexts(call) {
    wasm.add_contexts(call);
}

/**
 * Adds the Fisher weights of each group of tokens to the sums of a [`FisherCall`].
 *
 * # Safety
 * As [`super::quantize`].
 * @param {number} call
 */
export function add_fisher_weights(call) {
    wasm.add_fisher_weights(call);
}

/**
 * `tile` += alpha·`left`ᵀ·`right` of a [`ProductCall`].
 *
 * # Safety
 * As [`linear`].
 * @param {number} call
 */
export function add_product(call) {
    wasm.add_product(call);
}

/**
 * Row r of `y` += weights[r] · row r of `x`.
 *
 * # Safety
 * As the module says.
 * @param {number} y
 * @param {number} x
 * @param {number} weights
 * @param {number} rows
 * @param {number} columns
 */
export function add_weighted(y, x, weights, rows, columns) {
    wasm.add_weighted(y, x, weights, rows, columns);
}

/**
 * Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and
 * loses its contents.
 * @param {number} bytes
 * @returns {number}
 */
export function arena(bytes) {
    const ret = wasm.arena(bytes);
    return ret >>> 0;
}

/**
 * Causal attention of one sequence, an [`AttentionCall`]; changes `q` and `k`.
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function attend(call) {
    wasm.attend(call);
}

/**
 * Changes the dtype of the elements of a [`CastCall`]. Returns how many are NaN or infinite then.
 *
 * # Safety
 * As [`quantize`].
 * @param {number} call
 * @returns {number}
 */
export function cast(call) {
    const ret = wasm.cast(call);
    return ret;
}

/**
 * Replaces the upper triangle of H `[n, n]` by R with H = RᵀR. Gives the index of the first pivot
 * that is not positive and finite, or -1. Values below the diagonal have no meaning.
 *
 * # Safety
 * As [`linear`].
 * @param {number} n
 * @param {number} h
 * @returns {number}
 */
export function cholesky(n, h) {
    const ret = wasm.cholesky(n, h);
    return ret;
}

/**
 * `gate` = (u + 1) · g · sigmoid(1.702 g), with both operands clamped.
 *
 * # Safety
 * As the module says.
 * @param {number} gate
 * @param {number} up
 * @param {number} count
 */
export function clamped_swiglu(gate, up, count) {
    wasm.clamped_swiglu(gate, up, count);
}

/**
 * Compares the logits of a [`CompareCall`].
 *
 * # Safety
 * As [`super::quantize`]; `positions` and `shares` are aligned to 8.
 * @param {number} call
 */
export function compare(call) {
    wasm.compare(call);
}

/**
 * Decodes the rows of a [`DecodeCall`]. Returns how many results are NaN or infinite.
 *
 * # Safety
 * As [`super::quantize`]; `values` is aligned to 4.
 * @param {number} call
 * @returns {number}
 */
export function decode(call) {
    const ret = wasm.decode(call);
    return ret;
}

/**
 * Decodes the elements of a [`DequantizeCall`] into float32.
 *
 * # Safety
 * As [`quantize`]; `out` is aligned to 4.
 * @param {number} call
 */
export function dequantize(call) {
    wasm.dequantize(call);
}

/**
 * Σ (x - y)² of each row, float64 into `out`; both given.
 *
 * # Safety
 * As the module says.
 * @param {number} x
 * @param {number} y
 * @param {number} rows
 * @param {number} columns
 * @param {number} out
 */
export function distances(x, y, rows, columns, out) {
    wasm.distances(x, y, rows, columns, out);
}

/**
 * Index of the first scale of a [`DecodeCall`] that is NaN, infinite or zero; -1: there is none.
 *
 * # Safety
 * As [`super::quantize`].
 * @param {number} call
 * @returns {number}
 */
export function first_bad_scale(call) {
    const ret = wasm.first_bad_scale(call);
    return ret;
}

/**
 * Runs `steps` steps of 96 float32 operations each on registers alone: the maximum rate of this
 * processor. For benchmarks.
 * @param {number} steps
 * @param {number} factor
 * @returns {number}
 */
export function fma_peak(steps, factor) {
    const ret = wasm.fma_peak(steps, factor);
    return ret;
}

/**
 * Visits blocks as [`tune_block`] does. Returns tr(W H Wᵀ) so far.
 *
 * # Safety
 * As [`tune_block`].
 * @param {number} call
 * @param {number} start
 * @param {number} end
 * @param {number} factor
 * @returns {number}
 */
export function forecast_energy_block(call, start, end, factor) {
    const ret = wasm.forecast_energy_block(call, start, end, factor);
    return ret;
}

/**
 * Prepares `forecast_energy_block`, after `tune_prepare`. It uses the memory of task 0.
 *
 * # Safety
 * As [`tune_prepare`].
 * @param {number} call
 */
export function forecast_energy_start(call) {
    wasm.forecast_energy_start(call);
}

/**
 * The expected loss of a task, after `tune_prepare`. `pivots` are float32 in natural order.
 *
 * # Safety
 * As [`tune_prepare`].
 * @param {number} call
 * @param {number} index
 * @param {number} pivots
 * @returns {number}
 */
export function forecast_loss(call, index, pivots) {
    const ret = wasm.forecast_loss(call, index, pivots);
    return ret;
}

/**
 * Row r of `data` times sigmoid(gates[r]).
 *
 * # Safety
 * As the module says.
 * @param {number} data
 * @param {number} gates
 * @param {number} rows
 * @param {number} columns
 */
export function gate_rows(data, gates, rows, columns) {
    wasm.gate_rows(data, gates, rows, columns);
}

/**
 * The sequence of a [`DeltaCall`] through its mixer.
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function gated_delta(call) {
    wasm.gated_delta(call);
}

/**
 * `y` = `x`·Wᵀ + `bias` of a [`LinearCall`].
 *
 * # Safety
 * As [`super::quantize`]; float32 operands are aligned to 4.
 * @param {number} call
 */
export function linear(call) {
    wasm.linear(call);
}

/**
 * The sequence of a [`MambaCall`] through its mixer.
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function mamba(call) {
    wasm.mamba(call);
}

/**
 * Quantizes the rows of a [`QuantizeCall`].
 *
 * # Safety
 * Every address lies in the arena with the memory that its operand needs; they do not overlap.
 * @param {number} call
 */
export function quantize(call) {
    wasm.quantize(call);
}

/**
 * max(x, 0)² of `count` values, in place.
 *
 * # Safety
 * As the module says.
 * @param {number} data
 * @param {number} count
 */
export function relu_squared(data, count) {
    wasm.relu_squared(data, count);
}

/**
 * Norms the rows of a [`NormCall`] in place.
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function rms_norm(call) {
    wasm.rms_norm(call);
}

/**
 * Computes the tables of a [`RotaryCall`].
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function rotary(call) {
    wasm.rotary(call);
}

/**
 * Chooses experts for the logits in `scores` of a [`RouteCall`], which become scores.
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function route(call) {
    wasm.route(call);
}

/**
 * Replaces B `[n, m]` by X with RᵀX = B, for R upper triangular `[n, n]`.
 *
 * # Safety
 * As [`linear`].
 * @param {number} n
 * @param {number} m
 * @param {number} r
 * @param {number} b
 */
export function solve(n, m, r, b) {
    wasm.solve(n, m, r, b);
}

/**
 * `gate` = SiLU(gate) · up.
 *
 * # Safety
 * As the module says.
 * @param {number} gate
 * @param {number} up
 * @param {number} count
 */
export function swiglu(gate, up, count) {
    wasm.swiglu(gate, up, count);
}

/**
 * Tunes positions `[start, end)`. `factor` = R `[end - start, columns - start]`: their rows from
 * column `start` on.
 *
 * # Safety
 * As [`tune_prepare`].
 * @param {number} call
 * @param {number} start
 * @param {number} end
 * @param {number} factor
 */
export function tune_block(call, start, end, factor) {
    wasm.tune_block(call, start, end, factor);
}

/**
 * Maximum number of positions in a block.
 * @returns {number}
 */
export function tune_block_size() {
    const ret = wasm.tune_block_size();
    return ret >>> 0;
}

/**
 * Makes a sampled job ready for [`tune_rounded_block`], after the last [`tune_block`].
 *
 * # Safety
 * As [`tune_prepare`].
 * @param {number} call
 */
export function tune_compare(call) {
    wasm.tune_compare(call);
}

/**
 * Writes the stored bytes and the sums of all rows.
 *
 * # Safety
 * As [`tune_prepare`].
 * @param {number} call
 */
export function tune_finish(call) {
    wasm.tune_finish(call);
}

/**
 * Writes the number of NaN and infinities among the weights of each task. If there are any, the
 * job ends here.
 *
 * # Safety
 * Every address of the [`TuneCall`] lies in the arena with the memory that its operand needs,
 * aligned to 8.
 * @param {number} call
 */
export function tune_prepare(call) {
    wasm.tune_prepare(call);
}

/**
 * Adds up the loss of plain rounding. Visits all blocks before the first [`tune_block`]; in a
 * sampled job, after the last one and [`tune_compare`].
 *
 * # Safety
 * As [`tune_block`].
 * @param {number} call
 * @param {number} start
 * @param {number} end
 * @param {number} factor
 */
export function tune_rounded_block(call, start, end, factor) {
    wasm.tune_rounded_block(call, start, end, factor);
}

/**
 * How many float64 of workspace a [`TuneCall`] needs. Of its addresses, only `tasks` must be set.
 * `order` is only compared with 0.
 *
 * # Safety
 * `call` is the address of a [`TuneCall`].
 * @param {number} call
 * @returns {number}
 */
export function tune_workspace(call) {
    const ret = wasm.tune_workspace(call);
    return ret >>> 0;
}

/**
 * Computes the weights of the given experts of a [`RouteCall`].
 *
 * # Safety
 * As the module says.
 * @param {number} call
 */
export function weigh(call) {
    wasm.weigh(call);
}

/**
 * `count` elements of dtype `from` as float32.
 *
 * # Safety
 * As the module says.
 * @param {number} elements
 * @param {number} from
 * @param {number} count
 * @param {number} out
 */
export function widen(elements, from, count, out) {
    wasm.widen(elements, from, count, out);
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./oqe_kernel_bg.js": import0,
    };
}

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('oqe_kernel_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
