//! Fisher weights of the vocabulary. To second order, an error of the logits costs
//! KL = ½ Var_p(error): a softmax's Fisher information is diag(p) - ppᵀ. So an error of token v's
//! own logit has weight p_v (1 - p_v).

use crate::elementary::exp;
use crate::lanes::Floats;

/// Logits of one position become p_v (1 - p_v).
pub fn variances(logits: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shift = Floats::splat(largest);
    let (fours, rest) = logits.as_chunks_mut::<4>();
    for four in fours {
        exp(Floats::load(four) - shift).store(four);
    }
    for value in rest {
        *value = exp(Floats::splat(*value - largest)).first();
    }
    let sum: f64 = logits.iter().map(|&value| f64::from(value)).sum();
    let share = (1.0 / sum) as f32;
    for value in logits {
        let p = *value * share;
        *value = p * (1.0 - p);
    }
}

/// Adds every token's Fisher weight to the sum of its group. Overwrites the logits.
pub fn add(logits: &mut [f32], groups: &[u32], sums: &mut [f32]) {
    variances(logits);
    for (&variance, &group) in logits.iter().zip(groups) {
        sums[group as usize] += variance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_ref(logits: &[f32], groups: &[u32], sums: &mut [f64]) {
        let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
        for (&logit, &group) in logits.iter().zip(groups) {
            let p = f64::from(logit).exp() / sum;
            sums[group as usize] += p * (1.0 - p);
        }
    }

    #[test]
    fn sums_agree_with_their_definition() {
        for vocabulary in [1usize, 3, 4, 63, 64, 65, 127] {
            let mut logits: Vec<f32> =
                (0..vocabulary).map(|v| 5.0 * (v as f32 * 1.7).sin()).collect();
            let groups: Vec<u32> = (0..vocabulary).map(|v| (v * v % 3) as u32).collect();
            let (mut found, mut expected) = ([0.25f32; 3], [0.25f64; 3]);
            add_ref(&logits, &groups, &mut expected);
            add(&mut logits, &groups, &mut found);
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} is not {expected}");
            }
        }
    }
}
