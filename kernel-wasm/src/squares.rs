//! Sums of squares: fast, accurate to a few units of 10^-8, and the same on every machine. Sixteen squares at a time are added in
//! float32, all else in float64, always in the same order. A power of two keeps the squares of any float32 within range.

use std::hint::black_box;

use crate::lanes::{Doubles, Floats};

/// A sum of squares of values that are first multiplied by a power of two.
#[derive(Clone, Copy)]
pub struct SquareSum {
    factor: f32,
    lanes: [Doubles; 2],
}

impl SquareSum {
    /// An empty sum, for values of at most about `largest`: its factor brings that to 1..2.
    pub fn for_values_up_to(largest: f32) -> Self {
        let exponent = largest.to_bits() >> 23 & 0xff;
        let factor = f32::from_bits((254 - exponent.clamp(0, 253)) << 23);
        Self { factor, lanes: [Doubles::default(); 2] }
    }

    /// What to multiply values by before they are squared, in a register.
    #[inline(always)]
    pub fn factor(&self) -> Floats {
        Floats::splat(black_box(self.factor))
    }

    /// Adds squares of sixteen values that were multiplied by the factor, four a lane.
    #[inline(always)]
    pub fn add(&mut self, squares: Floats) {
        let [low, high] = squares.widen();
        self.lanes[0] = self.lanes[0].plus(low);
        self.lanes[1] = self.lanes[1].plus(high);
    }

    pub fn total(&self) -> f64 {
        let [low, high] = self.lanes.map(Doubles::sum);
        let factor = f64::from(self.factor);
        (low + high) / (factor * factor)
    }
}

/// Sum of squares of a multiple of sixteen values of at most about `largest`.
#[inline(never)]
pub fn sum_of_squares(values: &[f32], largest: f32) -> f64 {
    let mut sum = SquareSum::for_values_up_to(largest);
    let factor = sum.factor();
    for sixteen in values.as_chunks::<16>().0 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|lanes| Floats::of(sixteen, lanes) * factor);
        sum.add((a * a + b * b) + (c * c + d * d));
    }
    sum.total()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_float64_over_the_whole_range_of_float32() {
        for exponent in (-148..=127).step_by(11) {
            for length in [16, 48, 64, 1024] {
                let unit = 2f64.powi(exponent) as f32;
                let values: Vec<f32> = (0..length).map(|k| unit * (k as f32 * 0.7).sin()).collect();
                let expected: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
                let sum = sum_of_squares(&values, unit);
                assert!((sum - expected).abs() <= 1e-7 * expected, "{sum:e} is not {expected:e}");
            }
        }
        assert_eq!(sum_of_squares(&[0.0; 16], 0.0), 0.0);
        let extremes = [f32::MAX, f32::from_bits(1)].map(|value| sum_of_squares(&[value; 16], value));
        let [large, small] = [f32::MAX, f32::from_bits(1)].map(|v| 16.0 * f64::from(v) * f64::from(v));
        assert!((extremes[0] / large - 1.0).abs() < 1e-7 && (extremes[1] / small - 1.0).abs() < 1e-7);
        for odd in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            let mut values = [1.0; 32];
            values[17] = odd;
            assert!(!sum_of_squares(&values, 1.0).is_finite());
            assert!(!sum_of_squares(&values, odd).is_finite());
        }
    }
}
