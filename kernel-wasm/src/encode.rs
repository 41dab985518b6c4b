//! The inner loops: weights to codes, and the squared error of the codes. A block passes through
//! one loop after the other. In one loop the chains of dependent instructions would be so long that
//! they fill a processor's schedulers.

use crate::affine::{Affines, BLOCK};
use crate::lanes::{ByteOrder, Floats};
use crate::squares::{squares, SquareSum};

/// 2^23. In 2^23 + x, 0 <= x < 2^22, the last mantissa bit is worth 1, so the addition rounds x
/// half to even.
const INTEGER: f32 = 8_388_608.0;

/// The values that codes stand for: `code · scale + bias` in groups of `group`, codes 0..=levels.
pub struct Grid<'a> {
    pub group: usize,
    pub affines: &'a Affines,
    pub levels: f32,
}

/// A block's codes, as floats and as bytes.
pub struct Codes {
    floats: [f32; BLOCK],
    pub bytes: [u8; BLOCK],
}

impl Codes {
    pub const ZERO: Codes = Codes { floats: [0.0; BLOCK], bytes: [0; BLOCK] };

    /// Chooses the codes of whole groups. A code is the whole number in 0..=levels nearest to
    /// (value - bias) / scale. A NaN gives 0.
    #[inline(never)]
    pub fn choose(&mut self, values: &[f32], grid: &Grid) {
        let &Grid { group, affines, levels } = grid;
        let (integer, zero, levels) =
            (Floats::held(INTEGER), Floats::held(0.0), Floats::splat(levels));
        let (byte, order) = (Floats::held(256.0), ByteOrder::held());
        let codes = self.floats.chunks_exact_mut(group).zip(self.bytes.chunks_exact_mut(group));
        for (place, (values, (floats, bytes))) in values.chunks_exact(group).zip(codes).enumerate()
        {
            let (scale, bias) =
                (Floats::splat(affines.scale[place]), Floats::splat(affines.bias[place]));
            let codes =
                floats.as_chunks_mut::<16>().0.iter_mut().zip(bytes.as_chunks_mut::<16>().0);
            for (values, (floats, bytes)) in values.as_chunks::<16>().0.iter().zip(codes) {
                let [a, b, c, d] = [0, 1, 2, 3].map(|lanes| {
                    let place = (Floats::of(values, lanes) - bias) / scale;
                    let code = levels.lesser(zero.greater(place)) + integer - integer;
                    code.put(floats, lanes);
                    code
                });
                let (low, high) = ((a + b * byte).to_words(), (c + d * byte).to_words());
                low.interleave(high, order).store(bytes);
            }
        }
    }

    /// Sum of squares of base - (code · scale + bias). The product is rounded, then the sum. The
    /// magnitudes of the base are at most about `largest`.
    #[inline(never)]
    pub fn cost(&self, base: &[f32], grid: &Grid, largest: f32) -> f64 {
        let sum = SquareSum::for_values_up_to(largest);
        if sum.factor == 1.0 {
            self.add_cost(base, grid, sum, |difference| difference)
        } else {
            let factor = Floats::splat(sum.factor);
            self.add_cost(base, grid, sum, |difference| difference * factor)
        }
    }

    #[inline(always)]
    fn add_cost(
        &self,
        base: &[f32],
        &Grid { group, affines, .. }: &Grid,
        mut sum: SquareSum,
        scaled: impl Fn(Floats) -> Floats,
    ) -> f64 {
        let groups = base.chunks_exact(group).zip(self.floats.chunks_exact(group));
        for (place, (base, codes)) in groups.enumerate() {
            let (scale, bias) =
                (Floats::splat(affines.scale[place]), Floats::splat(affines.bias[place]));
            let mut total = Floats::splat(0.0);
            for (base, codes) in base.as_chunks::<16>().0.iter().zip(codes.as_chunks::<16>().0) {
                let decoded = |lanes| Floats::of(codes, lanes) * scale + bias;
                let differences =
                    [0, 1, 2, 3].map(|lanes| scaled(Floats::of(base, lanes) - decoded(lanes)));
                total = total + squares(differences);
            }
            sum.add(total);
        }
        sum.total()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::affine::levels;

    pub fn code_ref(value: f32, scale: f32, bias: f32, bits: usize) -> u8 {
        ((value - bias) / scale).round_ties_even().clamp(0.0, levels(bits)) as u8
    }

    pub fn decode_ref(code: u8, scale: f32, bias: f32) -> f32 {
        f32::from(code) * scale + bias
    }

    #[test]
    fn codes_and_cost_agree_with_their_definition() {
        let mut affines = Affines::ZERO;
        for (i, (scale, bias)) in affines.scale.iter_mut().zip(&mut affines.bias).enumerate() {
            (*scale, *bias) =
                ([0.5, -0.25, 0.013, -1e-7, 3e30][i % 5], [-3.0, 2.0, -0.1, 0.0, -1e31][i % 5]);
        }
        for (bits, group) in
            [2, 3, 4, 5, 6, 8].into_iter().flat_map(|bits| [32, 64, 128].map(|group| (bits, group)))
        {
            for groups in [1, 2, 3, BLOCK / group - 1, BLOCK / group] {
                // Halves of every step give many ties. Some values are far beyond both ends.
                let values: Vec<f32> = (0..groups * group)
                    .map(|k| {
                        affines.bias[k / group]
                            + affines.scale[k / group] * ((k % 600) as f32 / 2.0 - 20.0)
                    })
                    .collect();
                let mut codes = Codes::ZERO;
                let grid = Grid { group, affines: &affines, levels: levels(bits) };
                codes.choose(&values, &grid);
                let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
                let cost = codes.cost(&values, &grid, largest);
                let mut expected = 0.0;
                for (k, &value) in values.iter().enumerate() {
                    let (scale, bias) = (affines.scale[k / group], affines.bias[k / group]);
                    let code = code_ref(value, scale, bias, bits);
                    assert_eq!(codes.bytes[k], code, "{bits} bits, value {k}");
                    expected += f64::from(value - decode_ref(code, scale, bias)).powi(2);
                }
                assert!((cost - expected).abs() <= 1e-6 * expected, "{cost:e} is not {expected:e}");
            }
        }
    }
}
