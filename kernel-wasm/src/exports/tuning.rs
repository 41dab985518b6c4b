//! Tuning: a tuner is opened on some rows, fed the factor panel by panel from its last rows to its first, and closed.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, bytes_mut, dtype, floats_mut};
use crate::tuner::{Format, Tuner};

/// A handle for the tuner of `[rows, columns]` weights. `order` = uint32 `[columns]`, column of each position; `moments` = float32
/// `[columns]`, the diagonal of the Hessian by column.
///
/// # Safety
/// As [`super::quantize`].
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn open_tuner(
    weights: usize,
    from: u32,
    rows: usize,
    columns: usize,
    store: u32,
    bits: usize,
    group: usize,
    order: usize,
    moments: usize,
    descent: bool,
) -> usize {
    let from = dtype(from);
    let weights = bytes(weights, rows * columns * from.bytes());
    let order = from_raw_parts(order as *const u32, columns).to_vec();
    let format = Format { columns, bits, group, store: dtype(store) };
    let moments = from_raw_parts(moments as *const f32, columns);
    Box::into_raw(Box::new(Tuner::open(weights, from, format, order, moments, descent))) as usize
}

/// One step of an opened tuner with the panel at `panel`: rows `[start, end)` of the factor from column `start` on. `weigh`: adds up losses
/// of codes that stand, else chooses the codes of these positions.
///
/// # Safety
/// `tuner` is open; the panel is float32 `[end - start, columns - start]`.
#[wasm_bindgen]
pub unsafe fn step_tuner(tuner: usize, panel: usize, start: usize, end: usize, weigh: bool) {
    let tuner = &mut *(tuner as *mut Tuner);
    let panel = floats_mut(panel, (end - start) * (tuner.format.columns - start));
    if weigh {
        tuner.weigh(panel, start, end);
    } else {
        tuner.choose(panel, start, end);
    }
}

/// After the last panel: revises all codes `sweeps` times. Losses have to be weighed afterwards.
///
/// # Safety
/// `tuner` is open and was opened with descent.
#[wasm_bindgen]
pub unsafe fn revise_tuner(tuner: usize, sweeps: usize) {
    (*(tuner as *mut Tuner)).revise(sweeps);
}

/// Losses where there is no factor.
///
/// # Safety
/// `tuner` is open; `moments` as in [`open_tuner`].
#[wasm_bindgen]
pub unsafe fn weigh_tuner(tuner: usize, moments: usize) {
    let tuner = &mut *(tuner as *mut Tuner);
    tuner.weigh_by_moments(from_raw_parts(moments as *const f32, tuner.format.columns));
}

/// Writes the rows and closes the tuner. `sums` = float64: loss, plain loss, plain rows, squared error, energy, non-finite weights.
///
/// # Safety
/// `tuner` is open; the outputs have room for its rows.
#[wasm_bindgen]
pub unsafe fn close_tuner(tuner: usize, words: usize, scales: usize, biases: usize, sums: usize) {
    let tuner = Box::from_raw(tuner as *mut Tuner);
    let Format { columns, bits, group, store } = tuner.format;
    let pairs = tuner.rows * columns / group * store.bytes();
    let words = bytes_mut(words, tuner.rows * columns / 8 * bits);
    let outcome = tuner.finish(words, bytes_mut(scales, pairs), bytes_mut(biases, pairs));
    from_raw_parts_mut(sums as *mut f64, 6).copy_from_slice(&[
        outcome.loss,
        outcome.plain_loss,
        outcome.plain_rows,
        outcome.squared_error,
        outcome.energy,
        outcome.non_finite,
    ]);
}
