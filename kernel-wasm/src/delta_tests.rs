//! The mixer against its formulas in float64, one token after another.

use super::*;
use crate::convolution::tests::convolve_ref;
use crate::elementary::tests::{distance, numbers};
use crate::norm::tests::rms_norm_ref;

/// The tensors of a mixer.
struct Tensors {
    convolution: Vec<f32>,
    step_bias: Vec<f32>,
    decay_log: Vec<f32>,
    norm: Vec<f32>,
}

/// keys, key, values, value, taps, tokens
type Shape = [usize; 6];

impl Tensors {
    fn of([keys, key, values, value, taps, _]: Shape) -> Self {
        Self {
            convolution: numbers((2 * keys * key + values * value) * taps, 1),
            step_bias: numbers(values, 2),
            decay_log: numbers(values, 3),
            norm: numbers(value, 4),
        }
    }

    fn mixer(&self, [keys, key, values, value, taps, _]: Shape, by_head: bool) -> Mixer<'_> {
        Mixer {
            keys,
            key,
            values,
            value,
            by_head,
            convolution: Convolution { weights: &self.convolution, taps, bias: None },
            step_bias: &self.step_bias,
            decay_log: &self.decay_log,
            norm: Norm { weight: &self.norm, width: value, eps: 1e-6 },
        }
    }
}

/// The parts of an input row in their plain order: queries, keys, values, gates, writes, decays.
fn parts(mixer: &Mixer, row: &[f32]) -> [Vec<f32>; 6] {
    let &Mixer { keys, key, values, value, by_head, .. } = mixer;
    let (mut at, each) = (0, values / keys);
    let mut parts = [const { Vec::new() }; 6];
    let mut take = |part: &mut Vec<f32>, count: usize| {
        part.extend_from_slice(&row[at..at + count]);
        at += count;
    };
    let (times, group) = if by_head { (keys, 1) } else { (1, keys) };
    for sizes in [vec![key, key, each * value, each * value], vec![each, each]] {
        let first = if sizes.len() == 4 { 0 } else { 4 };
        for _ in 0..times {
            for (i, size) in sizes.iter().enumerate() {
                take(&mut parts[first + i], size * group);
            }
        }
    }
    parts
}

/// One head and one token at a time.
fn mix_ref(mixer: &Mixer, x: &[f32]) -> Vec<f32> {
    let &Mixer { keys, key, values, value, .. } = mixer;
    let rows: Vec<_> = x.chunks_exact(mixer.columns()).map(|row| parts(mixer, row)).collect();
    let channels: Vec<f32> =
        rows.iter().flat_map(|[q, k, v, ..]| [q, k, v]).flatten().copied().collect();
    let convolved = convolve_ref(&mixer.convolution, &channels, mixer.convolved(), 0);
    let mut y = vec![0.0; rows.len() * values * value];
    for head in 0..values {
        let mut state = vec![0.0; key * value];
        for (t, [_, _, _, _, writes, decays]) in rows.iter().enumerate() {
            let row = &convolved[t * mixer.convolved()..][..mixer.convolved()];
            let unit = |left: usize| -> Vec<f64> {
                let x = &row[left..left + key];
                let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
                x.iter().map(|x| x / length).collect()
            };
            let own = head / (values / keys) * key;
            let (q, k) = (unit(own), unit(keys * key + own));
            let v = &row[2 * keys * key + head * value..][..value];
            let write = 1.0 / (1.0 + (-f64::from(writes[head])).exp());
            let step = (f64::from(decays[head]) + f64::from(mixer.step_bias[head])).exp().ln_1p();
            let decay = (-f64::from(mixer.decay_log[head]).exp() * step).exp();
            state.iter_mut().for_each(|s| *s *= decay);
            for (c, v) in v.iter().enumerate() {
                let known: f64 = (0..key).map(|i| state[i * value + c] * k[i]).sum();
                (0..key).for_each(|i| state[i * value + c] += write * k[i] * (v - known));
                let sum: f64 = (0..key).map(|i| state[i * value + c] * q[i]).sum();
                y[(t * values + head) * value + c] = (sum / (key as f64).sqrt()) as f32;
            }
        }
    }
    rms_norm_ref(&mixer.norm, &mut y);
    for (y, [_, _, _, gates, ..]) in y.chunks_exact_mut(values * value).zip(&rows) {
        for (y, gate) in y.iter_mut().zip(gates) {
            let gate = f64::from(*gate);
            *y = (f64::from(*y) * gate / (1.0 + (-gate).exp())) as f32;
        }
    }
    y
}

const SHAPES: [Shape; 9] = [
    [1, 1, 1, 1, 1, 1],
    [1, 3, 2, 5, 4, 3],
    [2, 8, 4, 6, 2, 17],
    [2, 16, 2, 16, 4, 63],
    [1, 32, 3, 8, 4, 64],
    [2, 7, 4, 9, 3, 65],
    [1, 64, 1, 63, 4, 127],
    [1, 65, 2, 65, 4, 130],
    [2, 127, 2, 4, 4, 40],
];

#[test]
fn equals_its_reference_in_both_orders() {
    for shape in SHAPES {
        for by_head in [false, true] {
            let tensors = Tensors::of(shape);
            let mixer = tensors.mixer(shape, by_head);
            let x = numbers(shape[5] * mixer.columns(), 5);
            let mut y = vec![f32::NAN; shape[5] * mixer.inner()];
            mix(&mixer, &x, &mut y, &mut Scratch::default());
            let gap = distance(&y, &mix_ref(&mixer, &x));
            assert!(gap < 1e-5, "{shape:?} {by_head}: {gap:e}");
        }
    }
}

#[test]
fn a_token_does_not_depend_on_later_ones() {
    let shape = [1, 16, 2, 16, 4, 100];
    let tensors = Tensors::of(shape);
    let mixer = tensors.mixer(shape, false);
    let x = numbers(shape[5] * mixer.columns(), 5);
    let mixed = |tokens: usize| {
        let mut y = vec![f32::NAN; tokens * mixer.inner()];
        mix(&mixer, &x[..tokens * mixer.columns()], &mut y, &mut Scratch::default());
        y
    };
    let whole = mixed(shape[5]);
    for tokens in [1, 3, 17, 64, 65, 99] {
        assert_eq!(mixed(tokens), whole[..tokens * mixer.inner()], "{tokens}");
    }
}

#[test]
fn a_state_that_decays_at_once_is_forgotten() {
    let shape = [1, 8, 1, 8, 1, 70];
    let mut tensors = Tensors::of(shape);
    (tensors.decay_log, tensors.step_bias) = (vec![12.0], vec![40.0]);
    let mixer = tensors.mixer(shape, false);
    let x = numbers(shape[5] * mixer.columns(), 5);
    let mut y = vec![f32::NAN; shape[5] * mixer.inner()];
    mix(&mixer, &x, &mut y, &mut Scratch::default());
    let mut last = vec![f32::NAN; mixer.inner()];
    mix(&mixer, &x[69 * mixer.columns()..], &mut last, &mut Scratch::default());
    assert!(distance(&y[69 * mixer.inner()..], &last) < 1e-6);
}
