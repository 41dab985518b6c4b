//! The gated DeltaNet mixer between its projections, one sequence at a time. It is a causal
//! depthwise convolution, the gated delta rule, a norm of each head and a gate (Yang, Kautz and
//! Hatamizadeh, "Gated delta networks", arXiv 2412.06464). Qwen3NextGatedDeltaNet of transformers
//! and mlx-lm's models/qwen3_next.py compute the same.

use crate::convolution::{convolve, Convolution};
use crate::delta_rule::{Rule, Step, CHUNK};
use crate::elementary::{map, silu, softplus, sum, zip};
use crate::gemm::Scratch;
use crate::lanes::Floats;
use crate::norm::{rms_norm, Norm};

/// Added to the sum of squares of a query or key before it is normed.
const EPS: f32 = 1e-6;

/// Sizes and small tensors of one mixer. Each key head serves `values / keys` consecutive value
/// heads.
#[derive(Clone, Copy)]
pub struct Mixer<'a> {
    /// Heads of queries and keys.
    pub keys: usize,
    /// Channels of a query or key head.
    pub key: usize,
    /// Heads of values.
    pub values: usize,
    /// Channels of a value head.
    pub value: usize,
    /// The order of input channels: all queries, keys, values, gates, writes and decays; or, for
    /// each key head, its query, key, values and gates, then, for each key head, its writes and
    /// decays.
    pub by_head: bool,
    /// Over C = 2 · keys · key + values · value channels: all queries, keys and values.
    pub convolution: Convolution<'a>,
    /// `[values]` each.
    pub step_bias: &'a [f32],
    pub decay_log: &'a [f32],
    /// Of one value head.
    pub norm: Norm<'a>,
}

impl Mixer<'_> {
    /// Output channels.
    pub fn inner(&self) -> usize {
        self.values * self.value
    }

    /// C, the channels of the convolution.
    pub fn convolved(&self) -> usize {
        2 * self.keys * self.key + self.inner()
    }

    /// Input channels.
    pub fn columns(&self) -> usize {
        self.convolved() + self.inner() + 2 * self.values
    }

    fn places(&self) -> Places {
        let &Self { keys, key, values, value, by_head, .. } = self;
        let each = values / keys;
        let (all_keys, all_values) = (keys * key, values * value);
        let place = |first: usize, size: usize, heads: usize, group: usize| {
            let group = if by_head { group } else { size * heads };
            Place { first, size, heads, group }
        };
        let group = 2 * (key + each * value);
        let after = 2 * (all_keys + all_values);
        let firsts = if by_head {
            [0, key, 2 * key, 2 * key + each * value, after, after + each]
        } else {
            let value = 2 * all_keys;
            [0, all_keys, value, value + all_values, after, after + values]
        };
        Places {
            query: place(firsts[0], key, 1, group),
            key: place(firsts[1], key, 1, group),
            value: place(firsts[2], value, each, group),
            gate: place(firsts[3], value, each, group),
            write: place(firsts[4], 1, each, 2 * each),
            decay: place(firsts[5], 1, each, 2 * each),
        }
    }
}

/// Where the heads of one part lie in an input row.
struct Place {
    first: usize,
    /// Channels of a head.
    size: usize,
    /// Heads of a group, which lie side by side.
    heads: usize,
    /// From one group to the next.
    group: usize,
}

impl Place {
    fn at(&self, head: usize) -> usize {
        self.first + head / self.heads * self.group + head % self.heads * self.size
    }
}

struct Places {
    query: Place,
    key: Place,
    value: Place,
    gate: Place,
    write: Place,
    decay: Place,
}

/// Computes `y [T, inner]` from one sequence's rows `x [T, columns]` of the input projections.
pub fn mix(mixer: &Mixer, x: &[f32], y: &mut [f32], scratch: &mut Scratch) {
    let &Mixer { keys, values, value, .. } = mixer;
    let (columns, inner, channels) = (mixer.columns(), mixer.inner(), mixer.convolved());
    let places = mixer.places();
    let convolved = convolve(&mixer.convolution, &gather(mixer, &places, x), channels, 0);
    let each = values / keys;
    let mut rule = Rule::new(mixer.key, value, each);
    for head in 0..keys {
        let (q, k) = normed(mixer, &convolved, head);
        rule.reset();
        for start in (0..x.len() / columns).step_by(CHUNK) {
            let rows = CHUNK.min(x.len() / columns - start);
            rule.enter(&q[start * mixer.key..], &k[start * mixer.key..], rows, scratch);
            for (state, own) in (head * each..(head + 1) * each).enumerate() {
                let rate = -f64::from(mixer.decay_log[own]).exp();
                let step = |t: usize| {
                    let row = &x[(start + t) * columns..];
                    let step = softplus(row[places.decay.at(own)] + mixer.step_bias[own]);
                    Step { decay: rate * f64::from(step), write: row[places.write.at(own)] }
                };
                let from = start * channels + 2 * keys * mixer.key + own * value;
                rule.run(state, &convolved[from..], channels, step, scratch);
                let to = y[start * inner..].chunks_exact_mut(inner).take(rows);
                for (out, y) in rule.outputs().zip(to) {
                    y[own * value..][..value].copy_from_slice(out);
                }
            }
        }
    }
    rms_norm(&mixer.norm, y);
    for (y, x) in y.chunks_exact_mut(inner).zip(x.chunks_exact(columns)) {
        for (own, y) in y.chunks_exact_mut(value).enumerate() {
            zip(y, &x[places.gate.at(own)..][..value], |y, gate| y * silu(gate));
        }
    }
}

/// `[T, C]`: the channels of the convolution, in its order.
fn gather(mixer: &Mixer, places: &Places, x: &[f32]) -> Vec<f32> {
    let parts =
        [(&places.query, mixer.keys), (&places.key, mixer.keys), (&places.value, mixer.values)];
    let mut rows = Vec::with_capacity(x.len() / mixer.columns() * mixer.convolved());
    for x in x.chunks_exact(mixer.columns()) {
        for (place, heads) in parts {
            (0..heads).for_each(|head| rows.extend_from_slice(&x[place.at(head)..][..place.size]));
        }
    }
    rows
}

/// Queries and keys `[T, key]` of a head, each of length 1; queries are divided by √key.
fn normed(mixer: &Mixer, convolved: &[f32], head: usize) -> (Vec<f32>, Vec<f32>) {
    let &Mixer { keys, key, .. } = mixer;
    let channels = mixer.convolved();
    let part = |left: usize, length: f32| {
        let mut rows = Vec::with_capacity(convolved.len() / channels * key);
        for row in convolved.chunks_exact(channels) {
            rows.extend_from_slice(&row[left..][..key]);
        }
        for row in rows.chunks_exact_mut(key) {
            let factor = Floats::splat(length / (sum(row, |x| x * x) + EPS).sqrt());
            map(row, |x| x * factor);
        }
        rows
    };
    (part(head * key, 1.0 / (key as f32).sqrt()), part((keys + head) * key, 1.0))
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
