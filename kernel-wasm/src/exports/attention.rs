//! Attention and its rotary tables; operands as in [`super::forward`].

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats, floats_mut, with_scratch};
use crate::attention::{attend as attend_sequence, attend_gated, Heads, Rotary, Sequence};
use crate::rotary::{table, Scaling};

/// Addresses and sizes of one sequence. 0 stands for an absent table, window or cap, and for the
/// default scale. If `gated`, each query head is followed by its gate.
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
    gated: usize,
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
    let gates = if call.gated == 0 { 0 } else { value_size };
    let sequence = Sequence {
        q: floats_mut(call.q, tokens * queries * (size + gates)),
        k: floats_mut(call.k, tokens * keys * size),
        v: floats(call.v, tokens * keys * value_size),
        y: floats_mut(call.y, tokens * queries * value_size),
    };
    let attend = if call.gated == 0 { attend_sequence } else { attend_gated };
    with_scratch(|scratch| attend(&heads, sequence, scratch));
}

/// Tables `[positions, size / 2]`. `scaling` = float64 `[kind, factor, …]`: 0 default; 1 linear; 2
/// Llama 3 `low, high, original`; 3 YaRN `fast, slow, original, whole, attention, mscale, mscale of
/// all dimensions`.
#[repr(C)]
pub struct RotaryCall {
    base: f64,
    size: usize,
    positions: usize,
    scaling: usize,
    cosines: usize,
    sines: usize,
}

/// Computes the tables of a [`RotaryCall`].
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn rotary(call: usize) {
    let &RotaryCall { base, size, positions, scaling, cosines, sines } =
        &*(call as *const RotaryCall);
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
