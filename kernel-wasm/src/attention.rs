//! Causal self-attention of one sequence, between its projections.

use crate::elementary::{exp, map, sum};
use crate::gemm::{gemm, Scratch, View};
use crate::lanes::Floats;
use crate::norm::{rms_norm, Norm};
use crate::rotary::rotate;

/// Query rows whose scores are in memory at once.
const BLOCK: usize = 64;

/// What there is to know besides queries, keys and values.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Query heads; key head j serves `queries / keys` consecutive ones.
    pub queries: usize,
    pub keys: usize,
    /// Channels of a head.
    pub size: usize,
    /// Weights `[size]` of an RMS norm over each head of queries and keys, before they are rotated.
    pub norms: Option<[&'a [f32]; 2]>,
    pub eps: f32,
    /// Cosines and sines `[at least T, size / 2]`.
    pub rotary: Option<[&'a [f32]; 2]>,
}

/// `y [T, queries · size]` = softmax(q·kᵀ / √size)·v over each token's past, for `q [T, queries · size]`, `k` and `v [T, keys · size]`.
/// Changes `q` and `k`: they are normed and rotated in place.
pub fn attend(heads: &Heads, q: &mut [f32], k: &mut [f32], v: &[f32], y: &mut [f32], scratch: &mut Scratch) {
    let Heads { queries, keys, size, norms, eps, rotary } = *heads;
    if let Some([query, key]) = norms {
        rms_norm(&Norm { weight: query, width: size, eps }, q);
        rms_norm(&Norm { weight: key, width: size, eps }, k);
    }
    if let Some([cosines, sines]) = rotary {
        let angles = |t: usize| (&cosines[t * size / 2..][..size / 2], &sines[t * size / 2..][..size / 2]);
        for (rows, width) in [(&mut *q, queries * size), (&mut *k, keys * size)] {
            for (t, row) in rows.chunks_exact_mut(width).enumerate() {
                rotate(row, angles(t).0, angles(t).1);
            }
        }
    }
    let tokens = q.len() / (queries * size);
    // Whole sixteens: zeros at the end then change no bit of a sum, however long the sequence.
    let stride = tokens.next_multiple_of(16);
    let mut scores = vec![0.0; BLOCK.min(tokens) * stride];
    y.fill(0.0);
    for head in 0..queries {
        let key = head / (queries / keys);
        for start in (0..tokens).step_by(BLOCK) {
            let end = tokens.min(start + BLOCK);
            let rows = end - start;
            scores.fill(0.0);
            let at = start * queries * size + head * size;
            let scale = 1.0 / (size as f32).sqrt();
            // SAFETY: rows `start..end` and keys `0..end` of slices that have `tokens` rows; `scores` has room for `rows` rows
            // of `stride >= end`, `y` for the same rows as `q`.
            unsafe {
                let queries_at = View::of_rows(q.as_ptr().add(at), queries * size);
                let keys_at = View::of_rows(k.as_ptr().add(key * size), keys * size).transposed();
                let to = scores.as_mut_ptr();
                gemm(rows, end, size, scale, queries_at, keys_at, to, stride, scratch);
            }
            for (row, scores) in scores.chunks_exact_mut(stride).take(rows).enumerate() {
                softmax(scores, start + row + 1);
            }
            // SAFETY: as above.
            unsafe {
                let weights = View::of_rows(scores.as_ptr(), stride);
                let values = View::of_rows(v.as_ptr().add(key * size), keys * size);
                let to = y.as_mut_ptr().add(at);
                gemm(rows, size, end, 1.0, weights, values, to, queries * size, scratch);
            }
        }
    }
}

/// The first `seen` values become their softmax, the others 0.
pub fn softmax(values: &mut [f32], seen: usize) {
    values[seen..].fill(f32::NEG_INFINITY);
    let (fours, rest) = values.as_chunks();
    let most =
        fours.iter().fold(Floats::splat(f32::NEG_INFINITY), |most, four| most.greater(Floats::load(four)));
    let most = Floats::splat(rest.iter().fold(most.greatest(), |most, value| most.max(*value)));
    map(values, |x| exp(x - most));
    let share = Floats::splat(1.0 / sum(values, |x| x));
    map(values, |x| x * share);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementary::tests::{distance, numbers, EDGES};
    use crate::norm::tests::rms_norm_ref;
    use crate::rotary::{table, Scaling};

    /// Softmax attention by its formula, in float64, of queries and keys that are normed and rotated already.
    fn attend_ref(heads: &Heads, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let Heads { queries, keys, size, .. } = *heads;
        let tokens = q.len() / (queries * size);
        let mut y = vec![0.0; q.len()];
        for head in 0..queries {
            let key = head / (queries / keys);
            for t in 0..tokens {
                let of_query = |c: usize| f64::from(q[t * queries * size + head * size + c]);
                let of_key = |s: usize, c: usize| f64::from(k[s * keys * size + key * size + c]);
                let dot = |s: usize| (0..size).map(|c| of_query(c) * of_key(s, c)).sum::<f64>();
                let scores: Vec<f64> = (0..=t).map(|s| dot(s) / (size as f64).sqrt()).collect();
                let most = scores.iter().fold(f64::NEG_INFINITY, |most, x| most.max(*x));
                let total: f64 = scores.iter().map(|x| (x - most).exp()).sum();
                for c in 0..size {
                    let value = |s: usize| f64::from(v[s * keys * size + key * size + c]);
                    let mixed: f64 = (0..=t).map(|s| (scores[s] - most).exp() / total * value(s)).sum();
                    y[t * queries * size + head * size + c] = mixed as f32;
                }
            }
        }
        y
    }

    /// queries, keys, size
    const SHAPES: [[usize; 3]; 4] = [[1, 1, 2], [4, 2, 6], [3, 1, 64], [4, 4, 10]];

    #[test]
    fn equals_its_reference_with_and_without_norms_and_rotation() {
        for [queries, keys, size] in SHAPES {
            for tokens in EDGES {
                let (mut q, v) = (numbers(tokens * queries * size, 1), numbers(tokens * keys * size, 3));
                let mut k = numbers(tokens * keys * size, 2);
                let plain = Heads { queries, keys, size, norms: None, eps: 1e-6, rotary: None };
                let mut y = vec![f32::NAN; q.len()];
                attend(&plain, &mut q.clone(), &mut k.clone(), &v, &mut y, &mut Scratch::default());
                let gap = distance(&y, &attend_ref(&plain, &q, &k, &v));
                assert!(gap < 3e-6, "{queries} {keys} {size} {tokens}: {gap:e}");

                let (query, key) = (numbers(size, 4), numbers(size, 5));
                let (mut cosines, mut sines) =
                    (vec![0.0; tokens * size / 2 + 7], vec![0.0; tokens * size / 2 + 7]);
                table(100.0, size, Scaling::Default, &mut cosines, &mut sines);
                let whole = Heads { norms: Some([&query, &key]), rotary: Some([&cosines, &sines]), ..plain };
                let mut y = vec![f32::NAN; q.len()];
                attend(&whole, &mut q.clone(), &mut k.clone(), &v, &mut y, &mut Scratch::default());
                for (rows, weight) in [(&mut q, &query), (&mut k, &key)] {
                    let width = rows.len() / tokens;
                    rms_norm_ref(&Norm { weight, width: size, eps: 1e-6 }, rows);
                    for (t, row) in rows.chunks_mut(width).enumerate() {
                        rotate(row, &cosines[t * size / 2..][..size / 2], &sines[t * size / 2..][..size / 2]);
                    }
                }
                let gap = distance(&y, &attend_ref(&plain, &q, &k, &v));
                assert!(gap < 5e-6, "{queries} {keys} {size} {tokens}, normed and rotated: {gap:e}");
            }
        }
    }

    #[test]
    fn the_future_does_not_reach_the_past() {
        let heads = Heads { queries: 2, keys: 1, size: 4, norms: None, eps: 0.0, rotary: None };
        let (q, k, v) = (numbers(66 * 8, 1), numbers(66 * 4, 2), numbers(66 * 4, 3));
        let run = |tokens: usize| {
            let mut y = vec![0.0; tokens * 8];
            let (mut q, mut k) = (q[..tokens * 8].to_vec(), k[..tokens * 4].to_vec());
            attend(&heads, &mut q, &mut k, &v[..tokens * 4], &mut y, &mut Scratch::default());
            y
        };
        assert_eq!(run(66)[..30 * 8], run(30));
    }

    #[test]
    fn softmax_of_large_scores_stays_finite() {
        let mut values = [1e30, 1e30, -1e30, 5.0, 1e35];
        softmax(&mut values, 3);
        assert_eq!(values, [0.5, 0.5, 0.0, 0.0, 0.0]);
    }
}
