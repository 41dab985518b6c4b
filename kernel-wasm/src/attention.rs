//! Causal self-attention of one sequence, between its projections.

use std::ops::Range;

use crate::elementary::{exp, map, sigmoid, softcap as cap, sum, zip};
use crate::gemm::{gemm, Product, Scratch, Target, View};
use crate::lanes::Floats;
use crate::norm::{rms_norm, Norm};
use crate::rotary::rotate;

/// Query rows whose scores are in memory at once.
const BLOCK: usize = 64;

/// Everything attention needs besides queries, keys and values.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Query heads. Key head j serves `queries / keys` consecutive query heads.
    pub queries: usize,
    /// Key and value heads.
    pub keys: usize,
    /// Channels of a query or key head.
    pub size: usize,
    /// Channels of a value head.
    pub value_size: usize,
    /// Weights `[size]` of an RMS norm over each head of queries and of keys, before the rotation.
    pub norms: Option<[&'a [f32]; 2]>,
    pub eps: f32,
    /// Rotates queries and keys.
    pub rotary: Option<Rotary<'a>>,
    /// Factor of the scores. None: 1 / sqrt(size).
    pub scale: Option<f32>,
    /// A token sees this many tokens, itself included. None: its whole past.
    pub window: Option<usize>,
    /// c: a scaled score s becomes c * tanh(s / c) (Gemma 2, arXiv 2408.00118).
    pub softcap: Option<f32>,
    /// One logit a query head, `[queries]`. The softmax counts it as one more key whose value is 0
    /// (gpt-oss; Xiao et al., "Efficient streaming language models with attention sinks", 2023).
    pub sinks: Option<&'a [f32]>,
}

/// Cosines and sines `[at least T, part / 2]`: the first `part` channels of a head are rotated.
#[derive(Clone, Copy)]
pub struct Rotary<'a> {
    pub cosines: &'a [f32],
    pub sines: &'a [f32],
    pub part: usize,
}

/// One sequence of T tokens. `q` and `k` are changed: they are normed and rotated in place.
pub struct Sequence<'a> {
    /// `[T, queries * size]`
    pub q: &'a mut [f32],
    /// `[T, keys * size]`
    pub k: &'a mut [f32],
    /// `[T, keys * value_size]`
    pub v: &'a [f32],
    /// `[T, queries * value_size]`, overwritten.
    pub y: &'a mut [f32],
}

/// `y` = softmax(scale * q k^T) v over each token's past.
pub fn attend(heads: &Heads, sequence: Sequence, scratch: &mut Scratch) {
    let Heads { queries, keys, size, value_size, .. } = *heads;
    let Sequence { q, k, v, y } = sequence;
    norm_and_rotate(heads, q, k);
    let tokens = q.len() / (queries * size);
    // Whole sixteens: then zeros at the end change no bit of a sum, however long the sequence is.
    let stride = tokens.next_multiple_of(16);
    let mut scores = vec![0.0; BLOCK.min(tokens) * stride];
    let scale = heads.scale.unwrap_or(1.0 / (size as f32).sqrt());
    y.fill(0.0);
    for head in 0..queries {
        let key = head / (queries / keys);
        for start in (0..tokens).step_by(BLOCK) {
            let end = tokens.min(start + BLOCK);
            let rows = end - start;
            // The oldest key that a row of this block sees.
            let oldest = first_seen(heads, start);
            scores.fill(0.0);
            let at = start * queries * size + head * size;
            // SAFETY: rows `start..end` and keys `oldest..end` of slices that have `tokens` rows;
            // `scores` has `rows` rows of `stride >= end - oldest`.
            unsafe {
                let queries_at = View::of_rows(q.as_ptr().add(at), queries * size);
                let keys_at = k.as_ptr().add((oldest * keys + key) * size);
                let keys_at = View::of_rows(keys_at, keys * size).transposed();
                let to = Target { data: scores.as_mut_ptr(), stride };
                let product = Product::of([rows, end - oldest, size], queries_at, keys_at, to);
                gemm(&Product { alpha: scale, ..product }, scratch);
            }
            for (row, scores) in scores.chunks_exact_mut(stride).take(rows).enumerate() {
                let token = start + row;
                let seen = first_seen(heads, token) - oldest..token + 1 - oldest;
                if let Some(limit) = heads.softcap {
                    map(&mut scores[seen.clone()], |score| cap(score, limit));
                }
                softmax(scores, seen, heads.sinks.map(|sinks| sinks[head]));
            }
            // SAFETY: as above, for `v` and for rows `start..end` of `y`.
            unsafe {
                let weights = View::of_rows(scores.as_ptr(), stride);
                let values = v.as_ptr().add((oldest * keys + key) * value_size);
                let values = View::of_rows(values, keys * value_size);
                let data = y.as_mut_ptr().add((start * queries + head) * value_size);
                let to = Target { data, stride: queries * value_size };
                gemm(&Product::of([rows, value_size, end - oldest], weights, values, to), scratch);
            }
        }
    }
}

/// [`attend`] with a gate: `q` is `[T, queries * (size + value_size)]`. Each query head is followed
/// by logits whose sigmoids scale the head's output (Qwen3-Next).
pub fn attend_gated(heads: &Heads, sequence: Sequence, scratch: &mut Scratch) {
    let (size, width) = (heads.size, heads.size + heads.value_size);
    let Sequence { q, k, v, y } = sequence;
    let both = q.chunks_exact(width);
    let mut queries: Vec<f32> = both.clone().flat_map(|head| &head[..size]).copied().collect();
    attend(heads, Sequence { q: &mut queries, k, v, y }, scratch);
    for (y, head) in y.chunks_exact_mut(heads.value_size).zip(both) {
        zip(y, &head[size..], |y, gate| y * sigmoid(gate));
    }
}

/// The oldest token that `token` sees.
fn first_seen(heads: &Heads, token: usize) -> usize {
    heads.window.map_or(0, |window| (token + 1).saturating_sub(window))
}

fn norm_and_rotate(heads: &Heads, q: &mut [f32], k: &mut [f32]) {
    let Heads { queries, keys, size, norms, eps, rotary, .. } = *heads;
    if let Some([query, key]) = norms {
        rms_norm(&Norm { weight: query, width: size, eps }, q);
        rms_norm(&Norm { weight: key, width: size, eps }, k);
    }
    if let Some(Rotary { cosines, sines, part }) = rotary {
        for (rows, width) in [(q, queries * size), (k, keys * size)] {
            let angles = cosines.chunks_exact(part / 2).zip(sines.chunks_exact(part / 2));
            for (row, (cosines, sines)) in rows.chunks_exact_mut(width).zip(angles) {
                row.chunks_exact_mut(size)
                    .for_each(|head| rotate(&mut head[..part], cosines, sines));
            }
        }
    }
}

/// The values in `seen` become their softmax, the others 0. A sink is one more value of the softmax
/// that has no place among the results: with it they sum to less than 1.
pub fn softmax(values: &mut [f32], seen: Range<usize>, sink: Option<f32>) {
    values[..seen.start].fill(f32::NEG_INFINITY);
    values[seen.end..].fill(f32::NEG_INFINITY);
    let (fours, rest) = values.as_chunks();
    let least = Floats::splat(f32::NEG_INFINITY);
    let most = fours.iter().fold(least, |most, four| most.greater(Floats::load(four)));
    let most = rest.iter().fold(most.greatest(), |most, value| most.max(*value));
    let most = Floats::splat(sink.map_or(most, |sink| most.max(sink)));
    map(values, |x| exp(x - most));
    let total = sum(values, |x| x);
    let total = sink.map_or(total, |sink| total + exp(Floats::splat(sink) - most).first());
    let share = Floats::splat(1.0 / total);
    map(values, |x| x * share);
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
