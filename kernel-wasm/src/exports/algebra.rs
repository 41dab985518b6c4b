//! Linear algebra: products, Gram matrices, factors.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, dtype, floats_mut, with_scratch};
use crate::gemm::{gemm, gemm_upper, View};
use crate::half::{widen, Dtype};
use crate::triangular::{invert, solve_transposed};
use crate::{cholesky, peak};

/// `y` = `x`·Wᵀ + `bias`: x float32 `[rows, inputs]`, W `[outputs, inputs]` in dtype `from`, y float32 `[rows, outputs]`.
/// `bias` = address of float32 `[outputs]`, or 0; `widened` = room for W in float32, not used if it is that already.
///
/// # Safety
/// As [`super::quantize`]; float32 operands are aligned to 4.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn linear(
    x: usize,
    rows: usize,
    inputs: usize,
    weight: usize,
    from: usize,
    outputs: usize,
    widened: usize,
    bias: usize,
    y: usize,
) {
    let from = dtype(from);
    let weight = if from == Dtype::F32 {
        weight as *const f32
    } else {
        let count = outputs * inputs;
        widen(from, bytes(weight, count * from.bytes()), floats_mut(widened, count));
        widened as *const f32
    };
    let result = floats_mut(y, rows * outputs);
    if bias == 0 {
        result.fill(0.0);
    } else {
        let bias = floats_mut(bias, outputs);
        result.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
    }
    let x = View::of_rows(x as *const f32, inputs);
    let weight = View::of_rows(weight, inputs).transposed();
    with_scratch(|scratch| {
        gemm(rows, outputs, inputs, 1.0, x, weight, y as *mut f32, outputs, scratch)
    });
}

/// `tile` += alpha·LᵀR: L float32 `[depth, height]`, R `[depth, width]`, tile `[height, width]`. With `upper` only its elements (i, j)
/// with j >= i are right afterwards.
///
/// # Safety
/// As [`linear`].
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn add_product(
    left: usize,
    right: usize,
    depth: usize,
    height: usize,
    width: usize,
    alpha: f32,
    tile: usize,
    upper: bool,
) {
    let left = View::of_rows(left as *const f32, height).transposed();
    let right = View::of_rows(right as *const f32, width);
    let tile = tile as *mut f32;
    with_scratch(|scratch| {
        if upper {
            gemm_upper(height, width, depth, alpha, left, right, tile, width, 0, scratch);
        } else {
            gemm(height, width, depth, alpha, left, right, tile, width, scratch);
        }
    });
}

/// Replaces the upper triangle of H `[n, n]` by R with H = RᵀR. Gives the index of the first pivot that is not positive and finite,
/// or -1; below the diagonal stands nothing of meaning.
///
/// # Safety
/// As [`linear`].
#[wasm_bindgen]
pub unsafe fn cholesky(n: usize, h: usize) -> i32 {
    with_scratch(|scratch| cholesky::cholesky(n, h as *mut f32, n, scratch))
        .map_or(-1, |pivot| pivot as i32)
}

/// Replaces B `[n, m]` by X with RᵀX = B, for R upper triangular `[n, n]`.
///
/// # Safety
/// As [`linear`].
#[wasm_bindgen]
pub unsafe fn solve(n: usize, m: usize, r: usize, b: usize) {
    with_scratch(|scratch| solve_transposed(n, m, r as *const f32, n, b as *mut f32, m, scratch));
}

/// Replaces R, upper triangular `[n, n]`, by its inverse. Nothing below the diagonal is touched.
///
/// # Safety
/// As [`linear`].
#[wasm_bindgen]
pub unsafe fn invert_upper(n: usize, r: usize) {
    with_scratch(|scratch| invert(n, r as *mut f32, n, scratch));
}

/// Runs `steps` steps of 96 float32 operations each on registers alone: what this processor can do at most. For benchmarks.
#[wasm_bindgen]
pub fn fma_peak(steps: u32, factor: f32) -> f32 {
    peak::run(steps, factor)
}
