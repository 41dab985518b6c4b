//! Linear algebra: products, Gram matrices, factors.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, dtype, floats_mut, with_scratch};
use crate::gemm::{gemm, Product, Target, View};
use crate::half::{widen, Dtype};
use crate::triangular::solve_transposed;
use crate::{cholesky, peak};

/// A product of rows and weights.
#[repr(C)]
pub struct LinearCall {
    /// Float32 `[rows, inputs]`.
    x: usize,
    rows: usize,
    inputs: usize,
    /// `[outputs, inputs]` in dtype `from`.
    weight: usize,
    from: usize,
    outputs: usize,
    /// Memory for the weight in float32; not used if it is that already.
    widened: usize,
    /// Float32 `[outputs]`, or 0.
    bias: usize,
    /// Float32 `[rows, outputs]`.
    y: usize,
}

/// `y` = `x`·Wᵀ + `bias` of a [`LinearCall`].
///
/// # Safety
/// As [`super::quantize`]; float32 operands are aligned to 4.
#[wasm_bindgen]
pub unsafe fn linear(call: usize) {
    let call = &*(call as *const LinearCall);
    let &LinearCall { rows, inputs, outputs, .. } = call;
    let from = dtype(call.from);
    let weight = if from == Dtype::F32 {
        call.weight as *const f32
    } else {
        let count = outputs * inputs;
        let widened = floats_mut(call.widened, count);
        widen(from, bytes(call.weight, count * from.bytes()), widened);
        widened.as_ptr()
    };
    let y = floats_mut(call.y, rows * outputs);
    if call.bias == 0 {
        y.fill(0.0);
    } else {
        let bias = floats_mut(call.bias, outputs);
        y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
    }
    let x = View::of_rows(call.x as *const f32, inputs);
    let weight = View::of_rows(weight, inputs).transposed();
    let to = Target { data: y.as_mut_ptr(), stride: outputs };
    with_scratch(|scratch| gemm(&Product::of([rows, outputs, inputs], x, weight, to), scratch));
}

/// A product to be added to a tile.
#[repr(C)]
pub struct ProductCall {
    /// Float32 `[depth, height]`.
    left: usize,
    /// Float32 `[depth, width]`.
    right: usize,
    depth: usize,
    height: usize,
    width: usize,
    alpha: f32,
    /// Float32 `[height, width]`.
    tile: usize,
    /// 1: only elements (i, j) of the tile with j >= i are needed.
    upper: usize,
}

/// `tile` += alpha·`left`ᵀ·`right` of a [`ProductCall`].
///
/// # Safety
/// As [`linear`].
#[wasm_bindgen]
pub unsafe fn add_product(call: usize) {
    let &ProductCall { left, right, depth, height, width, alpha, tile, upper } =
        &*(call as *const ProductCall);
    let left = View::of_rows(left as *const f32, height).transposed();
    let right = View::of_rows(right as *const f32, width);
    let to = Target { data: tile as *mut f32, stride: width };
    let product = Product::of([height, width, depth], left, right, to);
    let diagonal = (upper == 1).then_some(0);
    with_scratch(|scratch| gemm(&Product { alpha, diagonal, ..product }, scratch));
}

/// Replaces the upper triangle of H `[n, n]` by R with H = RᵀR. Gives the index of the first pivot
/// that is not positive and finite, or -1. Values below the diagonal have no meaning.
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
    let b = Target { data: b as *mut f32, stride: m };
    let r = View::of_rows(r as *const f32, n);
    with_scratch(|scratch| solve_transposed([n, m], r, b, scratch));
}

/// Runs `steps` steps of 96 float32 operations each on registers alone: the maximum rate of this
/// processor. For benchmarks.
#[wasm_bindgen]
pub fn fma_peak(steps: u32, factor: f32) -> f32 {
    peak::run(steps, factor)
}
