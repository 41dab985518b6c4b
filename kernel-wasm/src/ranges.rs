//! The one pass over a block before it is quantized. It widens the block, finds the range of each
//! group, and sums up the squares.

use std::array::from_fn;

use crate::affine::{GROUPS, SMALLEST_GROUP};
use crate::half::{widen, Dtype};
use crate::lanes::Floats;
use crate::squares::SquareSum;

/// The smallest and largest value of each group of a block.
#[derive(Clone)]
pub struct Ranges {
    pub lo: [f32; GROUPS],
    pub hi: [f32; GROUPS],
}

impl Ranges {
    pub const ZERO: Ranges = Ranges { lo: [0.0; GROUPS], hi: [0.0; GROUPS] };

    /// Widens at most a block of elements into `values` and finds the ranges of its smallest
    /// groups. Returns the largest magnitude and the sum of squares. The sum is finite if and only
    /// if all values are.
    #[inline(never)]
    pub fn widen(&mut self, from: Dtype, bytes: &[u8], values: &mut [f32]) -> (f32, f64) {
        if from != Dtype::Bf16 {
            widen(from, bytes, values);
            return self.measure(values);
        }
        let (bytes, groups) = (
            bytes.as_chunks::<{ 2 * SMALLEST_GROUP }>().0,
            values.as_chunks_mut::<SMALLEST_GROUP>().0,
        );
        let ordinary = self.scan(bytes.iter().zip(groups).map(|(bytes, values)| {
            let (eights, _) = bytes.as_chunks::<16>();
            let [[a, b], [c, d], [e, f], [g, h]] =
                [0, 1, 2, 3].map(|i| Floats::from_bf16(&eights[i]));
            let group = [a, b, c, d, e, f, g, h];
            (0..8).for_each(|lanes| group[lanes].put(values, lanes));
            group
        }));
        self.sum_up(values, ordinary)
    }

    /// As [`Ranges::widen`], for float32 values.
    #[inline(never)]
    pub fn measure(&mut self, values: &[f32]) -> (f32, f64) {
        let ordinary = self.scan(groups_of(values));
        self.sum_up(values, ordinary)
    }

    /// Finds the ranges and the sum of squares. The sum is right for values of ordinary size.
    #[inline(always)]
    fn scan(&mut self, groups: impl Iterator<Item = Group>) -> f64 {
        let mut sum = SquareSum::for_values_up_to(1.0);
        for ((group, lo), hi) in groups.zip(&mut self.lo).zip(&mut self.hi) {
            *lo = tree(group, Floats::lesser).least();
            *hi = tree(group, Floats::greater).greatest();
            sum.add_group(group);
        }
        sum.total()
    }

    /// The largest magnitude and the sum of squares. Computes the sum again if the values have no
    /// ordinary size.
    fn sum_up(&self, values: &[f32], ordinary: f64) -> (f32, f64) {
        let groups = values.len() / SMALLEST_GROUP;
        let lo = self.lo[..groups].iter().copied().fold(0.0, f32::min);
        let largest = self.hi[..groups].iter().copied().fold(-lo, f32::max);
        let mut sum = SquareSum::for_values_up_to(largest);
        if sum.factor == 1.0 {
            return (largest, ordinary);
        }
        let factor = Floats::splat(sum.factor);
        groups_of(values).for_each(|group| sum.add_group(group.map(|value| value * factor)));
        (largest, sum.total())
    }

    /// Makes ranges of groups twice as large.
    pub fn join_pairs(&mut self) {
        for i in 0..GROUPS / 2 {
            self.lo[i] = self.lo[2 * i].min(self.lo[2 * i + 1]);
            self.hi[i] = self.hi[2 * i].max(self.hi[2 * i + 1]);
        }
    }
}

/// The values of a smallest group.
type Group = [Floats; SMALLEST_GROUP / 4];

#[inline(always)]
fn groups_of(values: &[f32]) -> impl Iterator<Item = Group> + '_ {
    values
        .as_chunks::<SMALLEST_GROUP>()
        .0
        .iter()
        .map(|group| from_fn(|lanes| Floats::of(group, lanes)))
}

#[inline(always)]
fn tree([a, b, c, d, e, f, g, h]: Group, join: fn(Floats, Floats) -> Floats) -> Floats {
    join(join(join(a, b), join(c, d)), join(join(e, f), join(g, h)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::BLOCK;

    #[test]
    fn spans_agree_with_a_plain_search_at_every_group_size() {
        let values: Vec<f32> =
            (0..BLOCK).map(|k| ((k * k) as f32 * 0.37).sin() * (k % 7) as f32).collect();
        for count in [32, 64, 96, 128, 160, 1024, BLOCK - 32, BLOCK] {
            let mut ranges = Ranges::ZERO;
            let (largest, _) = ranges.measure(&values[..count]);
            assert_eq!(
                largest,
                values[..count].iter().fold(0f32, |most, value| most.max(value.abs()))
            );
            for group in [32, 64, 128] {
                for (i, group) in values[..count].chunks_exact(group).enumerate() {
                    assert_eq!(ranges.lo[i], group.iter().copied().fold(f32::MAX, f32::min));
                    assert_eq!(ranges.hi[i], group.iter().copied().fold(f32::MIN, f32::max));
                }
                ranges.join_pairs();
            }
        }
    }

    #[test]
    fn sums_agree_with_float64_over_the_whole_range_of_float32() {
        let units = (-148..=127).step_by(11).map(|exponent| 2f64.powi(exponent) as f32);
        for unit in units.chain([f32::MAX, f32::from_bits(1), 0.0]) {
            for count in [32, 96, BLOCK] {
                let values: Vec<f32> = (0..count).map(|k| unit * (k as f32 * 0.7).sin()).collect();
                let expected: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
                let mut ranges = Ranges::ZERO;
                let (_, sum) = ranges.measure(&values);
                assert!((sum - expected).abs() <= 1e-6 * expected, "{sum:e} is not {expected:e}");
            }
        }
    }

    #[test]
    fn the_sum_tells_whether_all_is_finite() {
        for (odd, other) in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
            .into_iter()
            .flat_map(|odd| [(odd, 1.0), (odd, 1e30)])
        {
            let mut values = [other; 96];
            values[67] = odd;
            let mut ranges = Ranges::ZERO;
            assert!(!ranges.measure(&values).1.is_finite());
        }
    }
}
