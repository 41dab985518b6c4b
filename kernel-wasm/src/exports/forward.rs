//! The routines of forward passes. Addresses and lengths are the caller's word, as everywhere in `exports`; float32 operands are
//! aligned to 4, float64 ones to 8, an address of 0 stands for an absent operand.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, dtype, floats_mut, with_scratch};
use crate::attention::{attend as attend_sequence, Heads, Rotary, Sequence};
use crate::gemm::{gemm, View};
use crate::mamba::{mix, Mixer};
use crate::norm::{rms_norm as norm_rows, Norm};
use crate::rotary::{table, Scaling};
use crate::route::{route as route_tokens, weigh as weigh_experts, Rules, Score};
use crate::{activate, half, rows};

unsafe fn floats<'a>(address: usize, count: usize) -> &'a [f32] {
    if address == 0 {
        return &[];
    }
    from_raw_parts(address as *const f32, count)
}

/// Norms `rows` rows of `columns` values in place, in groups of `width`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn rms_norm(
    data: usize,
    rows: usize,
    columns: usize,
    weight: usize,
    width: usize,
    eps: f32,
) {
    norm_rows(
        &Norm { weight: floats(weight, columns), width, eps },
        floats_mut(data, rows * columns),
    );
}

/// max(x, 0)² of `count` values, in place.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn relu_squared(data: usize, count: usize) {
    activate::relu_squared(floats_mut(data, count));
}

/// `gate` = SiLU(gate) · up.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn swiglu(gate: usize, up: usize, count: usize) {
    activate::swiglu(floats_mut(gate, count), floats(up, count));
}

/// `y += x`
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn add(y: usize, x: usize, count: usize) {
    rows::add(floats_mut(y, count), floats(x, count));
}

/// Σ (x - y)² of each row, float64 into `out`; both given.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn distances(x: usize, y: usize, rows: usize, columns: usize, out: usize) {
    let out = from_raw_parts_mut(out as *mut f64, rows);
    rows::distances(floats(x, rows * columns), floats(y, rows * columns), columns, out);
}

/// Row r of `y` += weights[r] · row r of `x`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn add_weighted(y: usize, x: usize, weights: usize, rows: usize, columns: usize) {
    let count = rows * columns;
    rows::add_weighted(floats_mut(y, count), floats(x, count), floats(weights, rows), columns);
}

/// `count` elements of dtype `from` as float32.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn widen(elements: usize, from: usize, count: usize, out: usize) {
    let from = dtype(from);
    half::widen(from, bytes(elements, count * from.bytes()), floats_mut(out, count));
}

/// One sequence through a Mamba-2 mixer. `sizes` = u32 `[heads, head, groups, state, taps]`; `tensors` = addresses of
/// `[convolution, convolution bias, step bias, decay log, skip, norm]`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn mamba(
    sizes: usize,
    tensors: usize,
    least: f32,
    most: f32,
    eps: f32,
    tokens: usize,
    z: usize,
    y: usize,
) {
    let word = |base: usize, i: usize| *(base as *const u32).add(i) as usize;
    let [heads, head, groups, state, taps] = [0, 1, 2, 3, 4].map(|i| word(sizes, i));
    let inner = heads * head;
    let channels = inner + 2 * groups * state;
    let tensor = |i: usize, count: usize| floats(word(tensors, i), count);
    let mixer = Mixer {
        heads,
        head,
        groups,
        state,
        taps,
        convolution: tensor(0, channels * taps),
        convolution_bias: tensor(1, channels),
        step_bias: tensor(2, heads),
        decay_log: tensor(3, heads),
        skip: tensor(4, heads),
        limits: [least, most],
        norm: Norm { weight: tensor(5, inner), width: inner / groups, eps },
    };
    mix(&mixer, floats(z, tokens * mixer.columns()), floats_mut(y, tokens * inner));
}

/// Addresses and sizes of one sequence. 0 stands for an absent table, window or cap, and for the
/// default scale.
#[repr(C)]
pub struct AttentionCall {
    tokens: usize,
    queries: usize,
    keys: usize,
    size: usize,
    value_size: usize,
    query_norm: usize,
    key_norm: usize,
    eps: f32,
    cosines: usize,
    sines: usize,
    rotary_part: usize,
    scale: f32,
    window: usize,
    softcap: f32,
    sinks: usize,
    q: usize,
    k: usize,
    v: usize,
    y: usize,
}

/// Causal attention of one sequence, an [`AttentionCall`]; changes `q` and `k`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn attend(call: usize) {
    let call = &*(call as *const AttentionCall);
    let &AttentionCall { tokens, queries, keys, size, value_size, rotary_part: part, .. } = call;
    let table = |address: usize| floats(address, tokens * (part / 2));
    let norm = |address: usize| floats(address, size);
    let given = |number: f32| (number != 0.0).then_some(number);
    let heads = Heads {
        queries,
        keys,
        size,
        value_size,
        norms: (call.query_norm != 0).then(|| [norm(call.query_norm), norm(call.key_norm)]),
        eps: call.eps,
        rotary: (call.cosines != 0).then(|| Rotary {
            cosines: table(call.cosines),
            sines: table(call.sines),
            part,
        }),
        scale: given(call.scale),
        window: (call.window != 0).then_some(call.window),
        softcap: given(call.softcap),
        sinks: (call.sinks != 0).then(|| floats(call.sinks, queries)),
    };
    let sequence = Sequence {
        q: floats_mut(call.q, tokens * queries * size),
        k: floats_mut(call.k, tokens * keys * size),
        v: floats(call.v, tokens * keys * value_size),
        y: floats_mut(call.y, tokens * queries * value_size),
    };
    with_scratch(|scratch| attend_sequence(&heads, sequence, scratch));
}

/// Tables `[positions, size / 2]`. `scaling` = float64 `[kind, factor, …]`: 0 default; 1 linear; 2 Llama 3 `low, high, original`;
/// 3 YaRN `fast, slow, original, whole, attention, mscale, mscale of all dimensions`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn rotary(
    base: f64,
    size: usize,
    positions: usize,
    scaling: usize,
    cosines: usize,
    sines: usize,
) {
    let [kind, factor, a, b, c, d, e, f, g] = *(scaling as *const [f64; 9]);
    let scaling = match kind as u32 {
        0 => Scaling::Default,
        1 => Scaling::Linear { factor },
        2 => Scaling::Llama3 { factor, low: a, high: b, original: c },
        _ => Scaling::Yarn {
            factor,
            fast: a,
            slow: b,
            original: c,
            whole: d != 0.0,
            attention: e,
            mscales: [f, g],
        },
    };
    let count = positions * (size / 2);
    table(base, size, scaling, floats_mut(cosines, count), floats_mut(sines, count));
}

/// `numbers` = u32 `[softmax, routed, visited, kept, groups, open groups, normalized]`.
unsafe fn rules<'a>(numbers: usize, correction: usize, scale: f32) -> Rules<'a> {
    let [softmax, routed, visited, kept, groups, open_groups, normalized] =
        *(numbers as *const [u32; 7]);
    Rules {
        score: if softmax == 1 { Score::Softmax } else { Score::Sigmoid },
        routed: routed as usize,
        visited: visited as usize,
        kept: kept as usize,
        groups: groups as usize,
        open_groups: open_groups as usize,
        correction: floats(correction, routed as usize),
        normalized: normalized == 1,
        scale,
    }
}

/// Chooses experts for `tokens` rows of logits, which become scores.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn route(
    numbers: usize,
    correction: usize,
    scale: f32,
    tokens: usize,
    logits: usize,
    experts: usize,
    selection: usize,
    weights: usize,
) {
    let rules = rules(numbers, correction, scale);
    route_tokens(
        &rules,
        floats_mut(logits, tokens * rules.routed),
        from_raw_parts_mut(experts as *mut u32, tokens * rules.kept),
        floats_mut(selection, tokens * rules.kept),
        floats_mut(weights, tokens * rules.visited),
    );
}

/// Weights of chosen experts, `[tokens, kept]`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn weigh(
    numbers: usize,
    scale: f32,
    tokens: usize,
    scores: usize,
    experts: usize,
    weights: usize,
) {
    let rules = rules(numbers, 0, scale);
    weigh_experts(
        &rules,
        floats(scores, tokens * rules.routed),
        from_raw_parts(experts as *const u32, tokens * rules.kept),
        floats_mut(weights, tokens * rules.visited),
    );
}

/// Adds what the tokens of each group have at stake: `logits` float32 `[rows, vocabulary]`, overwritten; `groups` uint32 `[vocabulary]`;
/// `stakes` float32 `[rows, count]`.
///
/// # Safety
/// As [`super::quantize`]; every group is below `count`.
#[wasm_bindgen]
pub unsafe fn add_stakes(
    logits: usize,
    rows: usize,
    vocabulary: usize,
    groups: usize,
    stakes: usize,
    count: usize,
) {
    let groups = from_raw_parts(groups as *const u32, vocabulary);
    let rows = floats_mut(logits, rows * vocabulary)
        .chunks_exact_mut(vocabulary)
        .zip(floats_mut(stakes, rows * count).chunks_exact_mut(count));
    for (logits, stakes) in rows {
        crate::stakes::add(logits, groups, stakes);
    }
}

/// Adds to each token's context: `contexts` float32 `[vocabulary, width]` += Σ over positions of p_v (1 - p_v) · z. `logits` float32
/// `[rows, vocabulary]`, overwritten; `z` `[rows, width]`.
///
/// # Safety
/// As [`super::quantize`].
#[wasm_bindgen]
pub unsafe fn add_contexts(
    logits: usize,
    rows: usize,
    vocabulary: usize,
    z: usize,
    width: usize,
    contexts: usize,
) {
    for row in floats_mut(logits, rows * vocabulary).chunks_exact_mut(vocabulary) {
        crate::stakes::variances(row);
    }
    let v = View::of_rows(logits as *const f32, vocabulary).transposed();
    let z = View::of_rows(z as *const f32, width);
    with_scratch(|scratch| {
        gemm(vocabulary, width, rows, 1.0, v, z, contexts as *mut f32, width, scratch)
    });
}
