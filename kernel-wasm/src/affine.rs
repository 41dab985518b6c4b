//! MLX's affine group quantization: a weight w becomes a code q in 0..=n (n = 2^bits - 1) with w ≈ q · scale + bias.
//! Source of the formulas: the behaviour of `mx.quantize(mode="affine")` of MLX 0.32 on a CPU. All arithmetic is float32 with
//! one rounding an operation (never a fused multiply-add), rounding to integers is half to even.

use crate::half::{round_to, Dtype};

/// Which scale and bias the codes are chosen against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Those that the file holds: the nearest code is then the nearest that a reader can decode.
    Stored,
    /// The float32 ones before they are rounded to the file's dtype, as `mx.quantize` does.
    Mlx,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Affine {
    pub scale: f32,
    pub bias: f32,
}

/// The smallest scale that MLX lets a group have.
const EPSILON: f32 = 1e-7;

/// Scale and bias of a group whose values span `[lo, hi]`. The value of largest magnitude (the edge; a tie goes to `hi`) becomes
/// code 0 exactly, and the scale is nudged so that zero falls on a code too. The scale is positive only where the edge is `lo`.
pub fn group_affine(lo: f32, hi: f32, bits: usize) -> Affine {
    let levels = ((1 << bits) - 1) as f32;
    let step = ((hi - lo) / levels).max(EPSILON);
    let from_below = lo.abs() > hi.abs();
    let (edge, step) = if from_below { (lo, step) } else { (hi, -step) };
    let steps = (edge / step).round_ties_even();
    if steps == 0.0 {
        Affine { scale: step, bias: 0.0 }
    } else {
        Affine { scale: edge / steps, bias: edge }
    }
}

/// The pair as a reader of the file sees it. Beyond the range of `store` it saturates rather than becomes infinite. It never
/// becomes zero: |scale| ≥ EPSILON / 2, and half of the smallest F16 is below that.
pub fn stored_affine(exact: Affine, store: Dtype) -> Affine {
    let limit = store.largest();
    Affine {
        scale: round_to(store, exact.scale.clamp(-limit, limit)),
        bias: round_to(store, exact.bias.clamp(-limit, limit)),
    }
}

/// The nearest code; a NaN gives 0.
#[inline]
pub fn code(value: f32, affine: Affine, levels: f32) -> u8 {
    ((value - affine.bias) / affine.scale).round_ties_even().clamp(0.0, levels) as u8
}

/// What a reader makes of a code: product rounded, then sum rounded.
#[inline]
pub fn decode(code: u8, affine: Affine) -> f32 {
    f32::from(code) * affine.scale + affine.bias
}
