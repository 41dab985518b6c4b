//! Attention against its formula in float64, around the edges of its blocks.

use super::*;
use crate::elementary::tests::{distance, numbers};
use crate::norm::tests::rms_norm_ref;
use crate::rotary::{table, Scaling};

const LENGTHS: [usize; 8] = [1, 3, 16, 17, 63, 64, 65, 127];

const PLAIN: Heads = Heads {
    queries: 1,
    keys: 1,
    size: 2,
    value_size: 2,
    norms: None,
    eps: 1e-6,
    rotary: None,
    scale: None,
    window: None,
    softcap: None,
    sinks: None,
};

/// Inputs `[q, k, v]` of a sequence.
struct Inputs([Vec<f32>; 3]);

impl Inputs {
    fn of(heads: &Heads, tokens: usize) -> Self {
        let Heads { queries, keys, size, value_size, .. } = *heads;
        let widths = [queries * size, keys * size, keys * value_size];
        Self([0, 1, 2].map(|i| numbers(tokens * widths[i], i as u32 + 1)))
    }

    fn attend(&self, heads: &Heads) -> Vec<f32> {
        let [mut q, mut k, v] = self.0.clone();
        let mut y = vec![f32::NAN; v.len() * heads.queries / heads.keys];
        let sequence = Sequence { q: &mut q, k: &mut k, v: &v, y: &mut y };
        attend(heads, sequence, &mut Scratch::default());
        y
    }
}

/// The scores that a query head gives the tokens `first..=t`.
fn scores_ref(heads: &Heads, q: &[f32], k: &[f32], head: usize, t: usize) -> Vec<f64> {
    let Heads { queries, keys, size, .. } = *heads;
    let key = head / (queries / keys);
    let first = heads.window.map_or(0, |window| (t + 1).max(window) - window);
    let scale = heads.scale.map_or(1.0 / (size as f64).sqrt(), f64::from);
    let score = |s: usize| {
        let product = |c: usize| {
            f64::from(q[(t * queries + head) * size + c])
                * f64::from(k[(s * keys + key) * size + c])
        };
        let score = scale * (0..size).map(product).sum::<f64>();
        heads.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
    };
    (first..=t).map(score).collect()
}

/// One token and one query head at a time.
fn attend_ref(heads: &Heads, Inputs([q, k, v]): &Inputs) -> Vec<f32> {
    let Heads { queries, keys, size, value_size, .. } = *heads;
    let (mut q, mut k) = (q.clone(), k.clone());
    norm_and_rotate_ref(heads, &mut q, &mut k);
    let mut y = Vec::new();
    for t in 0..q.len() / (queries * size) {
        for head in 0..queries {
            let key = head / (queries / keys);
            let scores = scores_ref(heads, &q, &k, head, t);
            let first = t + 1 - scores.len();
            let sink = heads.sinks.map_or(0.0, |sinks| f64::from(sinks[head]).exp());
            let total = sink + scores.iter().map(|x| x.exp()).sum::<f64>();
            for c in 0..value_size {
                let value = |s: usize| f64::from(v[((first + s) * keys + key) * value_size + c]);
                let terms = scores.iter().enumerate().map(|(s, x)| x.exp() / total * value(s));
                y.push(terms.sum::<f64>() as f32);
            }
        }
    }
    y
}

fn norm_and_rotate_ref(heads: &Heads, q: &mut [f32], k: &mut [f32]) {
    for (rows, count, which) in [(q, heads.queries, 0), (k, heads.keys, 1)] {
        if let Some(norms) = heads.norms {
            rms_norm_ref(&Norm { weight: norms[which], width: heads.size, eps: heads.eps }, rows);
        }
        let Some(Rotary { cosines, sines, part }) = heads.rotary else { continue };
        for (at, head) in rows.chunks_mut(heads.size).enumerate() {
            let before: Vec<f64> = head.iter().map(|x| f64::from(*x)).collect();
            for pair in 0..part / 2 {
                let angle = at / count * (part / 2) + pair;
                let (cosine, sine) = (f64::from(cosines[angle]), f64::from(sines[angle]));
                let (x, y) = (before[pair], before[pair + part / 2]);
                head[pair] = (x * cosine - y * sine) as f32;
                head[pair + part / 2] = (y * cosine + x * sine) as f32;
            }
        }
    }
}

fn assert_near(heads: &Heads, what: &str) {
    for tokens in LENGTHS {
        let inputs = Inputs::of(heads, tokens);
        let gap = distance(&inputs.attend(heads), &attend_ref(heads, &inputs));
        assert!(gap < 5e-6, "{what}, {tokens} tokens: {gap:e}");
    }
}

/// queries, keys, size, value size
const SHAPES: [[usize; 4]; 5] =
    [[1, 1, 2, 2], [4, 2, 6, 6], [3, 1, 64, 64], [4, 4, 10, 3], [2, 1, 3, 9]];

/// `PLAIN` in every shape.
fn each_shape(visit: impl Fn(Heads, &str)) {
    for [queries, keys, size, value_size] in SHAPES {
        let name = format!("{queries}/{keys} heads of {size}/{value_size}");
        visit(Heads { queries, keys, size, value_size, ..PLAIN }, &name);
    }
}

#[test]
fn plain_attention_equals_its_formula() {
    each_shape(|plain, name| assert_near(&plain, name));
}

#[test]
fn norms_and_whole_or_partial_rotations_equal_their_formula() {
    each_shape(|plain, name| {
        let (query, key) = (numbers(plain.size, 4), numbers(plain.size, 5));
        for part in [2, plain.size / 4 * 2, plain.size / 2 * 2].into_iter().filter(|&part| part > 0)
        {
            let mut tables = [vec![0.0; 64 * part], vec![0.0; 64 * part]];
            let [cosines, sines] = &mut tables;
            table(100.0, part, Scaling::Default, cosines, sines);
            let rotary = Some(Rotary { cosines, sines, part });
            assert_near(&Heads { rotary, ..plain }, &format!("{name}, {part} rotated"));
            let norms = Some([&query[..], &key[..]]);
            assert_near(
                &Heads { norms, rotary, ..plain },
                &format!("{name}, {part} rotated, normed"),
            );
        }
    });
}

#[test]
fn windows_scales_caps_and_sinks_equal_their_formula() {
    let sinks = numbers(4, 6);
    each_shape(|plain, name| {
        for window in [1, 2, 15, 63, 64, 65, 200] {
            let heads = Heads { window: Some(window), ..plain };
            assert_near(&heads, &format!("{name}, window {window}"));
        }
        assert_near(&Heads { scale: Some(0.4), ..plain }, &format!("{name}, scaled"));
        assert_near(
            &Heads { scale: Some(2.0), softcap: Some(1.5), ..plain },
            &format!("{name}, capped"),
        );
        let sinks = Some(&sinks[..plain.queries]);
        assert_near(&Heads { sinks, ..plain }, &format!("{name}, with sinks"));
        let all = Heads { sinks, window: Some(5), softcap: Some(30.0), scale: Some(0.3), ..plain };
        assert_near(&all, &format!("{name}, all at once"));
    });
}

/// The options change the reference's result by far more than the tolerance of the tests above.
#[test]
fn every_option_matters() {
    let heads = Heads { queries: 2, size: 4, value_size: 4, ..PLAIN };
    let inputs = Inputs::of(&heads, 65);
    let plain = attend_ref(&heads, &inputs);
    let sinks = [0.5, -1.0];
    for other in [
        Heads { scale: Some(0.4), ..heads },
        Heads { window: Some(63), ..heads },
        Heads { softcap: Some(1.5), ..heads },
        Heads { sinks: Some(&sinks), ..heads },
    ] {
        assert!(distance(&attend_ref(&other, &inputs), &plain) > 1e-3);
    }
}

#[test]
fn a_window_over_the_whole_past_changes_no_bit() {
    let heads = Heads { queries: 4, keys: 2, size: 6, value_size: 5, ..PLAIN };
    for tokens in LENGTHS {
        let inputs = Inputs::of(&heads, tokens);
        let window = Some(tokens);
        assert_eq!(inputs.attend(&Heads { window, ..heads }), inputs.attend(&heads));
    }
}

#[test]
fn the_future_does_not_reach_the_past() {
    for window in [None, Some(7), Some(64)] {
        let heads = Heads { queries: 2, size: 4, value_size: 4, window, ..PLAIN };
        let Inputs([q, k, v]) = Inputs::of(&heads, 66);
        let whole = Inputs([q.clone(), k.clone(), v.clone()]).attend(&heads);
        let start = Inputs([q[..30 * 8].to_vec(), k[..30 * 4].to_vec(), v[..30 * 4].to_vec()]);
        assert_eq!(whole[..30 * 8], start.attend(&heads));
    }
}

#[test]
fn softmax_of_large_scores_stays_finite() {
    let mut values = [1e30, 1e30, -1e30, 5.0, 1e35];
    softmax(&mut values, 0..3, None);
    assert_eq!(values, [0.5, 0.5, 0.0, 0.0, 0.0]);
    let mut values = [7.0, 1e30, 1e30, 5.0];
    softmax(&mut values, 1..3, Some(1e30));
    assert_eq!(values, [0.0, 1.0 / 3.0, 1.0 / 3.0, 0.0]);
    let mut values = [1.0, 2.0];
    softmax(&mut values, 0..2, Some(1e30));
    assert_eq!(values, [0.0, 0.0]);
}

#[test]
fn a_gate_scales_the_output_of_its_head() {
    let heads = Heads { queries: 4, keys: 2, size: 5, value_size: 3, ..PLAIN };
    for tokens in LENGTHS {
        let plain = Inputs::of(&heads, tokens);
        let expected = attend_ref(&heads, &plain);
        let Inputs([q, mut k, v]) = plain;
        let gates = numbers(tokens * 12, 9);
        let mut both: Vec<f32> = q
            .chunks_exact(5)
            .zip(gates.chunks_exact(3))
            .flat_map(|(query, gate)| query.iter().chain(gate))
            .copied()
            .collect();
        let mut y = vec![f32::NAN; tokens * 12];
        let sequence = Sequence { q: &mut both, k: &mut k, v: &v, y: &mut y };
        attend_gated(&heads, sequence, &mut Scratch::default());
        let gated: Vec<f32> = expected
            .iter()
            .zip(&gates)
            .map(|(y, gate)| (f64::from(*y) / (1.0 + (-f64::from(*gate)).exp())) as f32)
            .collect();
        assert!(distance(&y, &gated) < 2e-6, "{tokens}");
    }
}
