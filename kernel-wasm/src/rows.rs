//! Sums of matrices and of chosen rows.

use crate::elementary::zip;
use crate::lanes::Floats;

/// `y += x`
pub fn add(y: &mut [f32], x: &[f32]) {
    zip(y, x, |y, x| y + x);
}

/// `y[r] += weights[r] · x[r]` for rows of `columns` values, product and sum rounded once.
pub fn add_weighted(y: &mut [f32], x: &[f32], weights: &[f32], columns: usize) {
    let rows = y.chunks_exact_mut(columns).zip(x.chunks_exact(columns));
    for ((y, x), weight) in rows.zip(weights) {
        let weight = Floats::splat(*weight);
        zip(y, x, |y, x| x.mul_add(weight, y));
    }
}

/// Σ (x - y)² of each row, in float64.
pub fn distances(x: &[f32], y: &[f32], columns: usize, out: &mut [f64]) {
    let rows = x.chunks_exact(columns).zip(y.chunks_exact(columns));
    for ((x, y), out) in rows.zip(out) {
        *out = x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementary::tests::{numbers, EDGES};

    #[test]
    fn equal_their_formulas() {
        for columns in EDGES {
            let (y, x, weights) =
                (numbers(3 * columns, 1), numbers(3 * columns, 2), [0.5, -2.0, 0.3]);
            let (mut sum, mut weighted) = (y.clone(), y.clone());
            add(&mut sum, &x);
            add_weighted(&mut weighted, &x, &weights, columns);
            for i in 0..y.len() {
                assert_eq!(sum[i], y[i] + x[i]);
                assert_eq!(weighted[i], x[i].mul_add(weights[i / columns], y[i]));
            }
        }
    }

    #[test]
    fn distances_are_sums_of_squares() {
        let mut out = [0.0; 2];
        distances(&[1.0, 2.0, 3.0, 0.5, 0.0, 0.0], &[1.0, 0.0, 0.0, 0.0, 0.0, 2.0], 3, &mut out);
        assert_eq!(out, [13.0, 4.25]);
    }
}
