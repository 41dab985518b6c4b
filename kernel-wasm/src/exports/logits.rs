//! Comparisons of next-token distributions, and Fisher weights of the vocabulary.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats_mut, with_scratch};
use crate::divergence;
use crate::gemm::{gemm, Product, Target, View};

/// Compares the logits `[rows, vocabulary]` of two models; `next` = the token that follows each
/// row. `out` = float64 `[rows, 4]`: divergence, log-probability of the next token under the base
/// and under the model, 1 where both rank the same token first.
///
/// # Safety
/// As [`super::quantize`]; `out` is aligned to 8.
#[wasm_bindgen]
pub unsafe fn compare(
    base: usize,
    model: usize,
    next: usize,
    rows: usize,
    vocabulary: usize,
    out: usize,
) {
    let base = from_raw_parts(base as *const f32, rows * vocabulary);
    let model = from_raw_parts(model as *const f32, rows * vocabulary);
    let next = from_raw_parts(next as *const u32, rows);
    let out = from_raw_parts_mut(out as *mut f64, rows * 4);
    let rows = base.chunks_exact(vocabulary).zip(model.chunks_exact(vocabulary)).zip(next);
    for (((base, model), &next), out) in rows.zip(out.chunks_exact_mut(4)) {
        let position = divergence::compare(base, model, next as usize);
        out[0] = position.divergence;
        out[1] = position.base;
        out[2] = position.model;
        out[3] = f64::from(u8::from(position.same_top));
    }
}

/// Adds the Fisher weights of each group of tokens: `logits` float32 `[rows, vocabulary]`,
/// overwritten; `groups` uint32 `[vocabulary]`; `sums` float32 `[rows, count]`.
///
/// # Safety
/// As [`super::quantize`]; every group is below `count`.
#[wasm_bindgen]
pub unsafe fn add_fisher_weights(
    logits: usize,
    rows: usize,
    vocabulary: usize,
    groups: usize,
    sums: usize,
    count: usize,
) {
    let groups = from_raw_parts(groups as *const u32, vocabulary);
    let rows = floats_mut(logits, rows * vocabulary)
        .chunks_exact_mut(vocabulary)
        .zip(floats_mut(sums, rows * count).chunks_exact_mut(count));
    for (logits, sums) in rows {
        crate::fisher::add(logits, groups, sums);
    }
}

/// Adds to each token's context: `contexts` float32 `[vocabulary, width]` += Σ over positions of
/// p_v (1 - p_v) · z. `logits` float32 `[rows, vocabulary]`, overwritten; `z` `[rows, width]`.
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
        crate::fisher::variances(row);
    }
    let v = View::of_rows(logits as *const f32, vocabulary).transposed();
    let z = View::of_rows(z as *const f32, width);
    let to = Target { data: contexts as *mut f32, stride: width };
    with_scratch(|scratch| gemm(&Product::of([vocabulary, width, rows], v, z, to), scratch));
}
