//! Sums of squares: fast, accurate to a millionth, and the same on every machine. A group's squares
//! are added in float32, groups in float64, always in the same order. Very large or small values
//! are first multiplied by a power of two, so that their squares stay in range.

use crate::lanes::{Doubles, Floats};

/// A sum of squares of values that are first multiplied by a power of two.
#[derive(Clone, Copy)]
pub struct SquareSum {
    /// Factor of the values before they are squared.
    pub factor: f32,
    lanes: [Doubles; 2],
}

impl SquareSum {
    /// An empty sum, for values of at most about `largest`. Ordinary weights have the factor 1.
    /// Otherwise the factor brings `largest` to 1..2.
    pub fn for_values_up_to(largest: f32) -> Self {
        let exponent = largest.to_bits() >> 23 & 0xff;
        let ordinary = (127 - 40..127 + 40).contains(&exponent);
        let factor = if ordinary { 127 } else { 254 - exponent.clamp(0, 253) };
        Self { factor: f32::from_bits(factor << 23), lanes: [Doubles::default(); 2] }
    }

    /// Adds the squares of one group, summed lane by lane.
    #[inline(always)]
    pub fn add(&mut self, squares: Floats) {
        let [low, high] = squares.widen();
        self.lanes[0] = self.lanes[0].plus(low);
        self.lanes[1] = self.lanes[1].plus(high);
    }

    /// Adds the squares of a smallest group's values.
    #[inline(always)]
    pub fn add_group(&mut self, [a, b, c, d, e, f, g, h]: [Floats; 8]) {
        self.add(squares([a, b, c, d]) + squares([e, f, g, h]));
    }

    pub fn total(&self) -> f64 {
        let [low, high] = self.lanes.map(Doubles::sum);
        let factor = f64::from(self.factor);
        (low + high) / (factor * factor)
    }
}

/// The squares of sixteen values, four a lane.
#[inline(always)]
pub fn squares([a, b, c, d]: [Floats; 4]) -> Floats {
    (a * a + b * b) + (c * c + d * d)
}
