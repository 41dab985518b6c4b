//! Scale and bias of a group, found by search: those for which nearest codes lose least, every column weighted by its second
//! moment (the diagonal of the Hessian). Candidates are rounded to the stored dtype before they are judged, so that what is judged is
//! what a reader decodes.

use crate::affine::levels;
use crate::half::{round_to, Dtype};
use crate::lanes::Floats;

/// The smallest scale that MLX lets a group have.
const EPSILON: f32 = 1e-7;

/// Shares of a group's range, at either end, that are tried first; then the neighbours of the best at half the distance.
const SHARES: [f32; 6] = [1.0, 0.94, 0.88, 0.82, 0.76, 0.7];
const STEP: f32 = 0.03;
/// Least-squares refits of scale and bias to the codes found.
const REFITS: usize = 2;

/// What decodes a group: w ≈ q · scale + bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub scale: f32,
    pub bias: f32,
}

impl Pair {
    /// As a file of dtype `store` holds it; never a scale of zero, nor infinities.
    fn settled(self, store: Dtype) -> Self {
        let settle = |value: f32| round_to(store, value.clamp(-store.largest(), store.largest()));
        let scale = settle(self.scale);
        Self { scale: if scale == 0.0 { settle(EPSILON) } else { scale }, bias: settle(self.bias) }
    }

    /// The nearest code.
    #[inline(always)]
    pub fn code(self, w: f32, most: f32) -> f32 {
        ((w - self.bias) / self.scale).round_ties_even().clamp(0.0, most)
    }

    /// What a reader makes of a code: product rounded, then sum rounded.
    #[inline(always)]
    pub fn decode(self, code: f32) -> f32 {
        code * self.scale + self.bias
    }
}

/// MLX's own rule (affine.rs): the edge becomes code 0 exactly, and zero falls on a code.
pub fn fit(group: &[f32], bits: usize, store: Dtype) -> Pair {
    let (lo, hi) = range(group);
    let step = ((hi - lo) / levels(bits)).max(EPSILON);
    let (edge, step) = if lo.abs() > hi.abs() { (lo, step) } else { (hi, -step) };
    let steps = (edge / step).round_ties_even();
    let pair =
        if steps == 0.0 { Pair { scale: step, bias: 0.0 } } else { Pair { scale: edge / steps, bias: edge } };
    pair.settled(store)
}

fn range(group: &[f32]) -> (f32, f32) {
    group.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &w| (lo.min(w), hi.max(w)))
}

/// The best pair found for a group of columns with second moments `weights`; `plain` is the first candidate, ties keep the first.
pub fn search(group: &[f32], weights: &[f32], bits: usize, store: Dtype, plain: Pair) -> Pair {
    let (lo, hi) = range(group);
    let most = levels(bits);
    let mut best = Best { pair: plain, loss: error(group, weights, plain, most) };
    let consider = |pair: Pair, best: &mut Best| {
        let pair = pair.settled(store);
        let loss = error(group, weights, pair, most);
        let better = loss < best.loss;
        if better {
            *best = Best { pair, loss };
        }
        better
    };
    let shrunk =
        |low: f32, high: f32| Pair { scale: ((hi * high - lo * low) / most).max(EPSILON), bias: lo * low };
    let mut at = (1.0, 1.0);
    for low in SHARES {
        for high in SHARES {
            if consider(shrunk(low, high), &mut best) {
                at = (low, high);
            }
        }
    }
    for low in [-STEP, 0.0, STEP] {
        for high in [-STEP, 0.0, STEP] {
            consider(shrunk(at.0 + low, at.1 + high), &mut best);
        }
    }
    for _ in 0..REFITS {
        if !consider(refit(group, weights, best.pair, most), &mut best) {
            break;
        }
    }
    best.pair
}

struct Best {
    pair: Pair,
    loss: f32,
}

/// Σ h (w - ŵ)² with (nearly) nearest codes.
#[inline(never)]
fn error(group: &[f32], weights: &[f32], pair: Pair, most: f32) -> f32 {
    let (scale, bias) = (Floats::splat(pair.scale), Floats::splat(pair.bias));
    let inverse = Floats::splat(1.0 / pair.scale);
    let (zero, most) = (Floats::splat(0.0), Floats::splat(most));
    let mut sum = [zero; 2];
    let (groups, weights) = (group.as_chunks::<8>().0, weights.as_chunks::<8>().0);
    for (w, h) in groups.iter().zip(weights) {
        for (half, sum) in sum.iter_mut().enumerate() {
            let (w, h) = (Floats::of(w, half), Floats::of(h, half));
            let code = ((w - bias) * inverse).round_ties_even().greater(zero).lesser(most);
            let off = w - (code * scale + bias);
            *sum = (off * off).mul_add(h, *sum);
        }
    }
    let total = sum[0] + sum[1];
    let pairs = total + total.swap_halves();
    (pairs + pairs.swap_pairs()).first()
}

/// Scale and bias that fit the codes of `pair` best, by weighted least squares.
fn refit(group: &[f32], weights: &[f32], pair: Pair, most: f32) -> Pair {
    let [mut all, mut codes, mut values, mut squares, mut products] = [0f64; 5];
    for (&w, &h) in group.iter().zip(weights) {
        let (code, w, h) = (f64::from(pair.code(w, most)), f64::from(w), f64::from(h));
        all += h;
        codes += h * code;
        values += h * w;
        squares += h * code * code;
        products += h * code * w;
    }
    let spread = squares * all - codes * codes;
    if all.is_nan() || spread.is_nan() || spread <= 1e-9 * squares * all {
        return pair;
    }
    let scale = (products * all - codes * values) / spread;
    Pair { scale: scale as f32, bias: ((values - scale * codes) / all) as f32 }
}
