//! Groups whose values all lie on a grid of a power of two, as those of an mxfp4 base do: the codes
//! of an affine group then store them without an error.

use crate::affine::{levels, Affines};
use crate::half::{round_to, Dtype};

/// Gives each group of `group` values that has such a grid of at most 2^bits points its scale and
/// bias, in values that `store` holds. Leaves the others as they are.
pub fn take_grids(affines: &mut Affines, values: &[f32], group: usize, bits: usize, store: Dtype) {
    let pairs = affines.scale.iter_mut().zip(&mut affines.bias);
    for (values, (scale, bias)) in values.chunks_exact(group).zip(pairs) {
        if let Some(grid) = grid(values, levels(bits)) {
            if [grid.0, grid.1].iter().all(|&value| round_to(store, value) == value) {
                (*scale, *bias) = grid;
            }
        }
    }
}

/// The largest power of two that divides all values, and the least value; None if they span more
/// than `levels` such steps, or are all the same.
fn grid(values: &[f32], levels: f32) -> Option<(f32, f32)> {
    let (mut step, mut lo, mut hi) = (f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY);
    for &value in values {
        (lo, hi) = (lo.min(value), hi.max(value));
        if value != 0.0 {
            step = step.min(lowest_bit(value)?);
        }
        // An infinite step, of zeros alone, gives NaN or 0 here.
        if (hi - lo) / step > levels {
            return None;
        }
    }
    (lo < hi).then_some((step, lo))
}

/// The power of two of the lowest bit of a normal number's fraction that is set, if it is normal.
fn lowest_bit(value: f32) -> Option<f32> {
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 255) as i32;
    let fraction = bits & 0x7f_ffff | 0x80_0000;
    let power = exponent - 23 + fraction.trailing_zeros() as i32;
    let is_normal = exponent > 0 && exponent < 255 && power > 0;
    is_normal.then(|| f32::from_bits((power as u32) << 23))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The grid of a group by trying all powers of two, from the largest.
    pub fn grid_ref(values: &[f32], bits: usize, store: Dtype) -> Option<(f32, f32)> {
        let (lo, hi) = (
            values.iter().copied().fold(f32::INFINITY, f32::min),
            values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        );
        let wide = |value: f32| f64::from(value);
        let divides =
            |step: f32| values.iter().all(|&value| (wide(value) / wide(step)).fract() == 0.0);
        let step = (-126..=127).rev().map(|power| 2f32.powi(power)).find(|&step| divides(step))?;
        let fits = (wide(hi) - wide(lo)) / wide(step) <= wide(levels(bits)) && lo < hi;
        let is_stored = round_to(store, step) == step && round_to(store, lo) == lo;
        (fits && is_stored).then_some((step, lo))
    }

    const E2M1: [f32; 16] =
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

    /// Two blocks of 32 mxfp4 values, whose scales are `first` and `second`.
    fn blocks(first: f32, second: f32) -> Vec<f32> {
        let value = |i: usize| E2M1[i * 7 % 16] * if i < 32 { first } else { second };
        (0..64).map(value).collect()
    }

    fn settled(values: &[f32], bits: usize, store: Dtype) -> (f32, f32) {
        let mut affines = Affines::ZERO;
        affines.scale[0] = 9.0;
        take_grids(&mut affines, values, values.len(), bits, store);
        (affines.scale[0], affines.bias[0])
    }

    #[test]
    fn values_of_mxfp4_are_exact_where_their_scales_are_near() {
        let least = 2f32.powi(-9);
        for (second, bits) in [(1.0, 5), (2.0, 6), (4.0, 8), (8.0, 8)] {
            let values = blocks(least, second * least);
            let (scale, bias) = settled(&values, bits, Dtype::Bf16);
            assert_eq!((scale, bias), (least / 2.0, -6.0 * second * least));
            for &value in &values {
                let code = ((value - bias) / scale).round_ties_even();
                assert!((0.0..=levels(bits)).contains(&code));
                assert_eq!(code * scale + bias, value);
            }
        }
    }

    #[test]
    fn other_groups_are_left_alone() {
        let left = (9.0, 0.0);
        assert_eq!(settled(&blocks(1.0, 1.0), 4, Dtype::Bf16), left);
        assert_eq!(settled(&blocks(1.0, 2.0), 5, Dtype::Bf16), left);
        assert_eq!(settled(&blocks(1.0, 16.0), 8, Dtype::Bf16), left);
        assert_eq!(settled(&[0.0; 64], 8, Dtype::Bf16), left);
        assert_eq!(settled(&[-0.37; 64], 8, Dtype::F32), left);
        assert_eq!(settled(&[1e-40; 64], 8, Dtype::Bf16), left);
        for odd in [f32::NAN, f32::INFINITY] {
            assert_eq!(settled(&[odd; 64], 8, Dtype::Bf16), left);
        }
        let gaussian: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
        assert_eq!(settled(&gaussian, 8, Dtype::F32), left);
    }

    #[test]
    fn scale_and_bias_must_be_values_of_the_file() {
        // 257 has nine bits, one more than BF16; 2^-30 is below F16's smallest number.
        let wide = [257.0, 258.0, 259.0, 260.0];
        assert_eq!(settled(&wide, 4, Dtype::Bf16), (9.0, 0.0));
        assert_eq!(settled(&wide, 4, Dtype::F16), (1.0, 257.0));
        let small = [0.0, 2f32.powi(-30), 2f32.powi(-29), 0.0];
        assert_eq!(settled(&small, 4, Dtype::F16), (9.0, 0.0));
        assert_eq!(settled(&small, 4, Dtype::Bf16), (2f32.powi(-30), 0.0));
    }
}
