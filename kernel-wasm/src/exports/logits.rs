//! Comparisons of next-token distributions, and Fisher weights of the vocabulary.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats_mut, with_scratch};
use crate::divergence;
use crate::gemm::{gemm, Product, Target, View};

/// Logits `[rows, vocabulary]` of two models, and the token `next` that follows each row. `out` =
/// float64 `[rows, 4]`: divergence, log-probability of the next token under the base and under the
/// model, 1 where both rank the same token first.
#[repr(C)]
pub struct CompareCall {
    base: usize,
    model: usize,
    next: usize,
    rows: usize,
    vocabulary: usize,
    out: usize,
}

/// Compares the logits of a [`CompareCall`].
///
/// # Safety
/// As [`super::quantize`]; `out` is aligned to 8.
#[wasm_bindgen]
pub unsafe fn compare(call: usize) {
    let &CompareCall { base, model, next, rows, vocabulary, out } = &*(call as *const CompareCall);
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

/// `logits` float32 `[rows, vocabulary]`, overwritten; `groups` uint32 `[vocabulary]`, each below
/// `count`; `sums` float32 `[rows, count]`.
#[repr(C)]
pub struct FisherCall {
    logits: usize,
    rows: usize,
    vocabulary: usize,
    groups: usize,
    sums: usize,
    count: usize,
}

/// Adds the Fisher weights of each group of tokens to the sums of a [`FisherCall`].
///
/// # Safety
/// As [`super::quantize`].
#[wasm_bindgen]
pub unsafe fn add_fisher_weights(call: usize) {
    let &FisherCall { logits, rows, vocabulary, groups, sums, count } =
        &*(call as *const FisherCall);
    let groups = from_raw_parts(groups as *const u32, vocabulary);
    let rows = floats_mut(logits, rows * vocabulary)
        .chunks_exact_mut(vocabulary)
        .zip(floats_mut(sums, rows * count).chunks_exact_mut(count));
    for (logits, sums) in rows {
        crate::fisher::add(logits, groups, sums);
    }
}

/// `logits` float32 `[rows, vocabulary]`, overwritten; `z` float32 `[rows, width]`; `contexts`
/// float32 `[vocabulary, width]`.
#[repr(C)]
pub struct ContextsCall {
    logits: usize,
    rows: usize,
    vocabulary: usize,
    z: usize,
    width: usize,
    contexts: usize,
}

/// Adds to the context of each token v of a [`ContextsCall`]: Σ over positions of p_v (1 - p_v) · z.
///
/// # Safety
/// As [`super::quantize`].
#[wasm_bindgen]
pub unsafe fn add_contexts(call: usize) {
    let &ContextsCall { logits, rows, vocabulary, z, width, contexts } =
        &*(call as *const ContextsCall);
    for row in floats_mut(logits, rows * vocabulary).chunks_exact_mut(vocabulary) {
        crate::fisher::variances(row);
    }
    let v = View::of_rows(logits as *const f32, vocabulary).transposed();
    let z = View::of_rows(z as *const f32, width);
    let to = Target { data: contexts as *mut f32, stride: width };
    with_scratch(|scratch| gemm(&Product::of([vocabulary, width, rows], v, z, to), scratch));
}
