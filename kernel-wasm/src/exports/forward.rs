//! Steps of forward passes. The caller is responsible for addresses and lengths, as everywhere in
//! `exports`. Float32 operands are aligned to 4, float64 ones to 8; 0 stands for an absent operand.

use std::slice::from_raw_parts_mut;

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, dtype, floats, floats_mut};
use crate::mamba::{mix, Mixer};
use crate::norm::{rms_norm as norm_rows, Norm};
use crate::{activate, half, rows};

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

/// One sequence through a Mamba-2 mixer. `sizes` = u32 `[heads, head, groups, state, taps]`;
/// `tensors` = addresses of `[convolution, convolution bias, step bias, decay log, skip, norm]`.
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
