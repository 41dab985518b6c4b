//! Comparisons of next-token distributions, and Fisher weights of the vocabulary.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats, floats_mut, with_scratch};
use crate::divergence::{compare as compare_position, BaseLogits, Position};
use crate::gemm::{gemm, Product, Target, View};

/// Logits `[rows, columns]` of two models, of the tokens `first..`, and the token `next` that
/// follows each row. `positions` = [`Position`] for each row, which grow. `shares` = float64
/// `[rows, columns]`, written unless `known`: they are as an earlier call with the same base left
/// them.
#[repr(C)]
pub struct CompareCall {
    base: usize,
    model: usize,
    next: usize,
    rows: usize,
    columns: usize,
    first: usize,
    positions: usize,
    shares: usize,
    known: usize,
}

/// Compares the logits of a [`CompareCall`].
///
/// # Safety
/// As [`super::quantize`]; `positions` and `shares` are aligned to 8.
#[wasm_bindgen]
pub unsafe fn compare(call: usize) {
    let &CompareCall { base, model, next, rows, columns, first, positions, shares, known } =
        &*(call as *const CompareCall);
    let next = from_raw_parts(next as *const u32, rows);
    let positions = from_raw_parts_mut(positions as *mut Position, rows);
    let shares = from_raw_parts_mut(shares as *mut f64, rows * columns);
    let bases = floats(base, rows * columns).chunks_exact(columns);
    let bases = bases.zip(shares.chunks_exact_mut(columns)).zip(next);
    let models = floats(model, rows * columns).chunks_exact(columns);
    for ((((logits, shares), &next), model), position) in bases.zip(models).zip(positions) {
        let mut base = BaseLogits { logits, first, next: next as usize, shares, known: known == 1 };
        compare_position(position, &mut base, model);
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

/// Adds Σ p_v (1 - p_v) · z over positions to the context of each token v of a [`ContextsCall`].
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
