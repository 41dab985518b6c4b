//! MLX's affine group quantization: a weight w becomes a code q in 0..=n (n = 2^bits - 1) with
//! w ≈ q · scale + bias. This module finds a group's scale and bias; encode.rs finds the codes.
//! Source of the formulas: the behaviour of `mx.quantize(mode="affine")` of MLX 0.32 on a CPU. All
//! arithmetic is float32 with one rounding an operation, without fused multiply-adds. Rounding to
//! integers is half to even.

use crate::half::{narrow, widen, Dtype};
use crate::lanes::Floats;
use crate::ranges::Ranges;

/// The smallest group, in columns.
pub const SMALLEST_GROUP: usize = 32;
/// Columns visited at once: a multiple of every group, and in float32 a small part of the
/// first-level cache.
pub const BLOCK: usize = 2048;
pub const GROUPS: usize = BLOCK / SMALLEST_GROUP;

/// The smallest scale of a group in MLX.
pub const EPSILON: f32 = 1e-7;

/// Scale and bias of each group of a block.
#[derive(Clone)]
pub struct Affines {
    pub scale: [f32; GROUPS],
    pub bias: [f32; GROUPS],
}

impl Affines {
    pub const ZERO: Affines = Affines { scale: [0.0; GROUPS], bias: [0.0; GROUPS] };

    /// Finds scale and bias of the first `groups` ranges. The value of largest magnitude (the edge;
    /// of equal ones `hi`) gets code 0 exactly. The scale is adjusted so that 0 has a code too. It
    /// is positive only if the edge is `lo`.
    #[inline(never)]
    pub fn fit(&mut self, ranges: &Ranges, groups: usize, bits: usize) {
        let (lo, hi) = (ranges.lo.as_chunks::<4>().0, ranges.hi.as_chunks::<4>().0);
        let (scale, bias) = (self.scale.as_chunks_mut::<4>().0, self.bias.as_chunks_mut::<4>().0);
        let levels = Floats::splat(levels(bits));
        for i in 0..groups.div_ceil(4) {
            let pair = pair(Floats::load(&lo[i]), Floats::load(&hi[i]), levels);
            pair.0.store(&mut scale[i]);
            pair.1.store(&mut bias[i]);
        }
    }

    /// Writes them in dtype `store`, and rounds itself to what a reader of the file gets. With
    /// `saturate`, values beyond the range of `store` become its largest value instead of infinity.
    /// No scale becomes 0: it is at least about EPSILON / 2, and half of the smallest F16 is less.
    #[inline(never)]
    pub fn settle(&mut self, store: Dtype, saturate: bool, scales: &mut [u8], biases: &mut [u8]) {
        let limit = if saturate { store.largest() } else { f32::INFINITY };
        for (values, bytes) in [(&mut self.scale, scales), (&mut self.bias, biases)] {
            let values = &mut values[..bytes.len() / store.bytes()];
            values.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
            narrow(store, values, bytes);
            widen(store, bytes, values);
        }
    }
}

/// Scale and bias of four groups with values from `lo` to `hi`, as [`Affines::fit`] finds them.
#[inline(always)]
pub fn pair(lo: Floats, hi: Floats, levels: Floats) -> (Floats, Floats) {
    let zero = Floats::splat(0.0);
    let step = Floats::splat(EPSILON).greater((hi - lo) / levels);
    let edge = hi.abs().if_below(lo.abs(), lo, hi);
    let step = hi.abs().if_below(lo.abs(), step, zero - step);
    let steps = (edge / step).round_ties_even();
    (steps.if_equal(zero, step, edge / steps), steps.if_equal(zero, zero, edge))
}

/// The highest code.
pub fn levels(bits: usize) -> f32 {
    ((1u32 << bits) - 1) as f32
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::half::round_to;

    /// Scale and bias of a group whose values span `[lo, hi]`, one at a time and in so many words.
    pub fn fit_ref(lo: f32, hi: f32, bits: usize) -> (f32, f32) {
        let step = ((hi - lo) / levels(bits)).max(EPSILON);
        let from_below = lo.abs() > hi.abs();
        let (edge, step) = if from_below { (lo, step) } else { (hi, -step) };
        let steps = (edge / step).round_ties_even();
        if steps == 0.0 {
            (step, 0.0)
        } else {
            (edge / steps, edge)
        }
    }

    /// A pair as a reader of a file of dtype `store` sees it.
    pub fn settle_ref((scale, bias): (f32, f32), store: Dtype, saturate: bool) -> (f32, f32) {
        let limit = if saturate { store.largest() } else { f32::INFINITY };
        let settle = |value: f32| round_to(store, value.clamp(-limit, limit));
        (settle(scale), settle(bias))
    }

    const EDGES: [f32; 14] =
        [0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 5e-8, -4e-8, 1e-7, 1e-30, 65504.0, 7e4, 3e38, f32::MAX];

    #[test]
    fn pairs_agree_with_their_definition() {
        for bits in [2, 3, 4, 5, 6, 8] {
            for groups in [1, 3, 4, 31, 63, GROUPS] {
                let mut ranges = Ranges::ZERO;
                for i in 0..groups {
                    let (a, b) = (EDGES[i % EDGES.len()], -EDGES[(i * 5 + groups) % EDGES.len()]);
                    (ranges.lo[i], ranges.hi[i]) = (a.min(b), a.max(b));
                }
                for (store, saturate) in
                    Dtype::ALL.into_iter().flat_map(|store| [(store, true), (store, false)])
                {
                    let mut affines = Affines::ZERO;
                    affines.fit(&ranges, groups, bits);
                    let exact = affines.clone();
                    let mut bytes = vec![0; 2 * groups * store.bytes()];
                    let (scales, biases) = bytes.split_at_mut(groups * store.bytes());
                    affines.settle(store, saturate, scales, biases);
                    for i in 0..groups {
                        let expected = fit_ref(ranges.lo[i], ranges.hi[i], bits);
                        assert_eq!((exact.scale[i], exact.bias[i]), expected);
                        let settled = settle_ref(expected, store, saturate);
                        assert_eq!((affines.scale[i], affines.bias[i]), settled);
                        assert!(
                            affines.scale[i] != 0.0 && (!saturate || affines.scale[i].is_finite())
                        );
                    }
                }
            }
        }
    }
}
