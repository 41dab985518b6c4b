//! Steps of forward passes. The caller is responsible for addresses and lengths, as everywhere in
//! `exports`. Float32 operands are aligned to 4, float64 ones to 8; 0 stands for an absent operand.

use std::slice::from_raw_parts_mut;

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, dtype, floats, floats_mut, with_scratch};
use crate::convolution::Convolution;
use crate::delta;
use crate::mamba::{mix, Mixer};
use crate::norm::{rms_norm as norm_rows, Norm};
use crate::{activate, half, rows};

/// `rows` rows of `columns` values, to be normed in groups of `width`.
#[repr(C)]
pub struct NormCall {
    data: usize,
    rows: usize,
    columns: usize,
    weight: usize,
    width: usize,
    eps: f32,
}

/// Norms the rows of a [`NormCall`] in place.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn rms_norm(call: usize) {
    let &NormCall { data, rows, columns, weight, width, eps } = &*(call as *const NormCall);
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

/// `gate` = (u + 1) · g · sigmoid(1.702 g), with both operands clamped.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn clamped_swiglu(gate: usize, up: usize, count: usize) {
    activate::clamped_swiglu(floats_mut(gate, count), floats(up, count));
}

/// `y += x`
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn add(y: usize, x: usize, count: usize) {
    rows::add(floats_mut(y, count), floats(x, count));
}

/// Row r of `data` times sigmoid(gates[r]).
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn gate_rows(data: usize, gates: usize, rows: usize, columns: usize) {
    activate::gate_rows(floats_mut(data, rows * columns), floats(gates, rows), columns);
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

/// Sizes, tensors and limits of a Mamba-2 mixer, and one sequence of `tokens` tokens.
#[repr(C)]
pub struct MambaCall {
    heads: usize,
    head: usize,
    groups: usize,
    state: usize,
    taps: usize,
    convolution: usize,
    convolution_bias: usize,
    step_bias: usize,
    decay_log: usize,
    skip: usize,
    norm: usize,
    least: f32,
    most: f32,
    eps: f32,
    tokens: usize,
    z: usize,
    y: usize,
}

/// The sequence of a [`MambaCall`] through its mixer.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn mamba(call: usize) {
    let call = &*(call as *const MambaCall);
    let &MambaCall { heads, head, groups, state, taps, tokens, .. } = call;
    let inner = heads * head;
    let channels = inner + 2 * groups * state;
    let mixer = Mixer {
        heads,
        head,
        groups,
        state,
        taps,
        convolution: floats(call.convolution, channels * taps),
        convolution_bias: floats(call.convolution_bias, channels),
        step_bias: floats(call.step_bias, heads),
        decay_log: floats(call.decay_log, heads),
        skip: floats(call.skip, heads),
        limits: [call.least, call.most],
        norm: Norm { weight: floats(call.norm, inner), width: inner / groups, eps: call.eps },
    };
    mix(&mixer, floats(call.z, tokens * mixer.columns()), floats_mut(call.y, tokens * inner));
}

/// Sizes and tensors of a gated DeltaNet mixer, and one sequence of `tokens` tokens.
#[repr(C)]
pub struct DeltaCall {
    keys: usize,
    key: usize,
    values: usize,
    value: usize,
    by_head: usize,
    taps: usize,
    convolution: usize,
    step_bias: usize,
    decay_log: usize,
    norm: usize,
    eps: f32,
    tokens: usize,
    x: usize,
    y: usize,
}

/// The sequence of a [`DeltaCall`] through its mixer.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn gated_delta(call: usize) {
    let call = &*(call as *const DeltaCall);
    let &DeltaCall { keys, key, values, value, taps, tokens, .. } = call;
    let weights = floats(call.convolution, (2 * keys * key + values * value) * taps);
    let mixer = delta::Mixer {
        keys,
        key,
        values,
        value,
        by_head: call.by_head != 0,
        convolution: Convolution { weights, taps, bias: None },
        step_bias: floats(call.step_bias, values),
        decay_log: floats(call.decay_log, values),
        norm: Norm { weight: floats(call.norm, value), width: value, eps: call.eps },
    };
    let x = floats(call.x, tokens * mixer.columns());
    let y = floats_mut(call.y, tokens * mixer.inner());
    with_scratch(|scratch| delta::mix(&mixer, x, y, scratch));
}
