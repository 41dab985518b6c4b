//! Root-mean-square normalization.

use crate::elementary::{sum, zip};
use crate::lanes::Floats;

/// Channels are normalized in groups of `width`, then scaled by `weight`, one a channel.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    pub weight: &'a [f32],
    pub width: usize,
    pub eps: f32,
}

/// `x[c] * weight[c] / sqrt(mean of the group's x² + eps)`, in place, for rows of as many channels
/// as there are weights (Zhang and Sennrich, "Root mean square layer normalization", 2019).
pub fn rms_norm(norm: &Norm, rows: &mut [f32]) {
    let Norm { weight, width, eps } = *norm;
    for row in rows.chunks_exact_mut(weight.len()) {
        for (group, weight) in row.chunks_exact_mut(width).zip(weight.chunks_exact(width)) {
            let mean = sum(group, |x| x * x) / width as f32;
            let scale = Floats::splat(1.0 / (mean + eps).sqrt());
            zip(group, weight, |x, w| x * scale * w);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::elementary::tests::{distance, numbers, EDGES};

    pub fn rms_norm_ref(norm: &Norm, rows: &mut [f32]) {
        for row in rows.chunks_mut(norm.weight.len()) {
            for (g, group) in row.chunks_mut(norm.width).enumerate() {
                let squares: f64 = group.iter().map(|x| f64::from(*x).powi(2)).sum();
                let root = (squares / norm.width as f64 + f64::from(norm.eps)).sqrt();
                for (i, x) in group.iter_mut().enumerate() {
                    *x = (f64::from(*x) / root * f64::from(norm.weight[g * norm.width + i])) as f32;
                }
            }
        }
    }

    #[test]
    fn equals_its_reference() {
        for width in EDGES {
            for groups in [1, 2, 3] {
                let weight = numbers(width * groups, 1);
                let norm = Norm { weight: &weight, width, eps: 1e-5 };
                let mut ours = numbers(3 * width * groups, 2);
                let mut theirs = ours.clone();
                rms_norm(&norm, &mut ours);
                rms_norm_ref(&norm, &mut theirs);
                assert!(distance(&ours, &theirs) < 1e-6, "{width} {groups}");
            }
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero() {
        let mut rows = [0.0; 5];
        rms_norm(&Norm { weight: &[2.0; 5], width: 5, eps: 1e-6 }, &mut rows);
        assert_eq!(rows, [0.0; 5]);
    }
}
