use super::*;
use crate::elementary::tests::{distance, numbers};
use crate::norm::tests::rms_norm_ref;

/// The formulas in float64, one element at a time.
fn mix_ref(mixer: &Mixer, z: &[f32]) -> Vec<f32> {
    let Mixer { heads, head, groups, state, taps, .. } = *mixer;
    let (inner, columns) = (heads * head, mixer.columns());
    let channels = inner + 2 * groups * state;
    let tokens = z.len() / columns;
    let u = |t: isize, c: usize| {
        if t < 0 {
            0.0
        } else {
            f64::from(z[t as usize * columns + inner + c])
        }
    };
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let convolved = |t: usize, c: usize| {
        let tap = |j: usize| f64::from(mixer.convolution[c * taps + j]);
        let past: f64 =
            (0..taps).map(|j| tap(j) * u(t as isize - (taps - 1 - j) as isize, c)).sum();
        silu(past + f64::from(mixer.convolution_bias[c]))
    };
    let mut y = vec![0.0; tokens * inner];
    for i in 0..heads {
        let group = i / (heads / groups);
        let mut memory = vec![0.0; head * state];
        for t in 0..tokens {
            let dt =
                f64::from(z[t * columns + inner + channels + i]) + f64::from(mixer.step_bias[i]);
            let step =
                dt.exp().ln_1p().clamp(f64::from(mixer.limits[0]), f64::from(mixer.limits[1]));
            let decay = (-step * f64::from(mixer.decay_log[i]).exp()).exp();
            for p in 0..head {
                let x = convolved(t, i * head + p);
                let mut sum = f64::from(mixer.skip[i]) * x;
                for n in 0..state {
                    let (b, c) = (inner + group * state + n, inner + (groups + group) * state + n);
                    let value = &mut memory[p * state + n];
                    *value = decay * *value + step * x * convolved(t, b);
                    sum += *value * convolved(t, c);
                }
                let gate = f64::from(z[t * columns + i * head + p]);
                y[t * inner + i * head + p] = (sum * silu(gate)) as f32;
            }
        }
    }
    rms_norm_ref(&mixer.norm, &mut y);
    y
}

/// heads, head, groups, state, taps, tokens
const SHAPES: [[usize; 6]; 7] = [
    [1, 1, 1, 1, 1, 1],
    [2, 3, 1, 3, 4, 5],
    [4, 5, 2, 7, 2, 9],
    [2, 64, 2, 63, 4, 3],
    [6, 4, 3, 64, 4, 17],
    [2, 65, 1, 65, 3, 4],
    [4, 16, 4, 127, 4, 65],
];

#[test]
fn equals_its_reference() {
    for [heads, head, groups, state, taps, tokens] in SHAPES {
        let inner = heads * head;
        let channels = inner + 2 * groups * state;
        let (convolution, bias) = (numbers(channels * taps, 1), numbers(channels, 2));
        let (step_bias, decay_log, skip) =
            (numbers(heads, 3), numbers(heads, 4), numbers(heads, 5));
        let weight = numbers(inner, 6);
        let mixer = Mixer {
            heads,
            head,
            groups,
            state,
            taps,
            convolution: &convolution,
            convolution_bias: &bias,
            step_bias: &step_bias,
            decay_log: &decay_log,
            skip: &skip,
            limits: [0.25, 1.5],
            norm: Norm { weight: &weight, width: inner / groups, eps: 1e-5 },
        };
        let z = numbers(tokens * mixer.columns(), 7);
        let mut y = vec![f32::NAN; tokens * inner];
        mix(&mixer, &z, &mut y);
        let gap = distance(&y, &mix_ref(&mixer, &z));
        assert!(gap < 5e-6, "{heads} {head} {groups} {state} {taps} {tokens}: {gap:e}");
    }
}
