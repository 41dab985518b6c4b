//! A causal depthwise convolution over time with SiLU, as recurrent mixers have it behind their
//! input projection.

use crate::elementary::{map, silu};
use crate::lanes::Floats;

/// Weights of one convolution over C channels.
#[derive(Clone, Copy)]
pub struct Convolution<'a> {
    /// `[C, taps]`; the last tap applies to the present token.
    pub weights: &'a [f32],
    pub taps: usize,
    /// `[C]`; None: zeros.
    pub bias: Option<&'a [f32]>,
}

/// `[T, C]`: SiLU of the convolution of channels `left..left + C` of rows of `columns` values.
/// Tokens before the first count as zeros.
pub fn convolve(convolution: &Convolution, rows: &[f32], columns: usize, left: usize) -> Vec<f32> {
    let Convolution { weights, taps, bias } = *convolution;
    let channels = weights.len() / taps;
    let tap = |j: usize| weights[j..].iter().step_by(taps).copied();
    let by_tap: Vec<Vec<f32>> = (0..taps).map(|j| tap(j).collect()).collect();
    let mut out = vec![0.0; rows.len() / columns * channels];
    for (t, row) in out.chunks_exact_mut(channels).enumerate() {
        if let Some(bias) = bias {
            row.copy_from_slice(bias);
        }
        for (j, tap) in by_tap.iter().enumerate() {
            let Some(from) = (t + j + 1).checked_sub(taps) else { continue };
            accumulate(row, tap, &rows[from * columns + left..][..channels]);
        }
        map(row, silu);
    }
    out
}

/// `sums += factors · values`, each rounded once.
fn accumulate(sums: &mut [f32], factors: &[f32], values: &[f32]) {
    let ((fours, rest), (factor_fours, factor_rest)) = (sums.as_chunks_mut(), factors.as_chunks());
    let (value_fours, value_rest) = values.as_chunks();
    for ((sum, factor), value) in fours.iter_mut().zip(factor_fours).zip(value_fours) {
        Floats::load(factor).mul_add(Floats::load(value), Floats::load(sum)).store(sum);
    }
    for ((sum, factor), value) in rest.iter_mut().zip(factor_rest).zip(value_rest) {
        *sum = Floats::splat(*factor).mul_add(Floats::splat(*value), Floats::splat(*sum)).first();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::elementary::tests::{distance, numbers, EDGES};

    /// One channel of one token at a time, in float64.
    pub fn convolve_ref(c: &Convolution, rows: &[f32], columns: usize, left: usize) -> Vec<f64> {
        let (taps, channels) = (c.taps, c.weights.len() / c.taps);
        let one = |t: usize, channel: usize| {
            let past = (0..taps).filter(|j| t + j + 1 >= taps).map(|j| {
                f64::from(c.weights[channel * taps + j])
                    * f64::from(rows[(t + j + 1 - taps) * columns + left + channel])
            });
            let x = past.sum::<f64>() + c.bias.map_or(0.0, |bias| f64::from(bias[channel]));
            x / (1.0 + (-x).exp())
        };
        (0..rows.len() / columns).flat_map(|t| (0..channels).map(move |c| one(t, c))).collect()
    }

    #[test]
    fn equals_its_reference() {
        for channels in EDGES {
            for (taps, tokens, left) in [(1, 1, 0), (4, 3, 2), (2, 9, 1)] {
                let (weights, bias) = (numbers(channels * taps, 1), numbers(channels, 2));
                let columns = left + channels + 1;
                let rows = numbers(tokens * columns, 3);
                for bias in [None, Some(&bias[..])] {
                    let convolution = Convolution { weights: &weights, taps, bias };
                    let ours = convolve(&convolution, &rows, columns, left);
                    let theirs: Vec<f32> = convolve_ref(&convolution, &rows, columns, left)
                        .iter()
                        .map(|x| *x as f32)
                        .collect();
                    assert!(distance(&ours, &theirs) < 1e-6, "{channels} {taps} {tokens}");
                }
            }
        }
    }
}
