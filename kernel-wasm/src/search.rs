//! Searches the scale and bias of each group with the smallest Σ h (w - ŵ)². Here h is the weight
//! of a column, and ŵ comes from the nearest codes. Every candidate is first rounded to the file's
//! dtype, so its error is the one that a reader sees.
//!
//! The candidates come in this order. First MLX's own pair; then ranges that leave out more and
//! more at both ends; then, twice, the least-squares line through the codes of the best pair so
//! far. Of equal candidates the first is used.

use crate::affine::{pair, EPSILON};
use crate::half::{round_to, Dtype};
use crate::lanes::Floats;
use crate::tuning::Task;
use crate::workspace::Workspace;

/// Ends of a range to try on each side, from the full range on.
const ENDS: usize = 11;
/// Fits of a line to the codes.
const FITS: usize = 2;
/// Rows searched together: two vectors.
const ROWS: usize = 8;

/// The largest share of the range that is left out at each end. Low widths gain most from it.
fn shortest(bits: usize) -> f32 {
    [0.25, 0.2, 0.15, 0.1, 0.06, 0.04, 0.02][bits - 2]
}

/// Finds scales and biases of all groups of all rows. `importance` = h of each natural column.
pub fn search(task: &Task, importance: &[f32], work: &mut Workspace) {
    let group = task.group;
    let mut weights = [0.0; 128];
    let mut values = [[Floats::splat(0.0); 2]; 128];
    for (place, importance) in importance.chunks_exact(group).enumerate() {
        balance(importance, &mut weights[..group]);
        for row in (0..task.padded()).step_by(ROWS) {
            for (k, values) in values[..group].iter_mut().enumerate() {
                let from: &[f32; ROWS] = work.weights[task.place(place * group + k, row)..]
                    .first_chunk()
                    .expect("rows are padded");
                *values = [Floats::of(from, 0), Floats::of(from, 1)];
            }
            let best = Search::of(task, &values[..group], &weights[..group]).best();
            for (lane, best) in best.into_iter().enumerate() {
                let at = task.pair(place, row) + 4 * lane;
                best.scale.store(work.scales[at..].first_chunk_mut().expect("rows are padded"));
                best.bias.store(work.biases[at..].first_chunk_mut().expect("rows are padded"));
            }
        }
    }
}

/// `weights` = importance with 1 for the largest; all 1 where nothing in the group is important.
fn balance(importance: &[f32], weights: &mut [f32]) {
    let largest = importance.iter().copied().fold(0.0, f32::max);
    for (weight, importance) in weights.iter_mut().zip(importance) {
        *weight = if largest > 0.0 { importance.max(0.0) / largest } else { 1.0 };
    }
}

/// The best pair of four groups.
#[derive(Clone, Copy)]
struct Best {
    scale: Floats,
    bias: Floats,
    error: Floats,
}

/// Groups of eight rows.
struct Search<'a> {
    values: &'a [[Floats; 2]],
    weights: &'a [f32],
    levels: Floats,
    shortest: f32,
    store: Dtype,
    lo: [Floats; 2],
    hi: [Floats; 2],
    /// 1 / largest magnitude. In this unit squares of errors neither overflow nor vanish.
    unit: [Floats; 2],
}

impl<'a> Search<'a> {
    fn of(task: &Task, values: &'a [[Floats; 2]], weights: &'a [f32]) -> Self {
        let fold = |join: fn(Floats, Floats) -> Floats| {
            [0, 1]
                .map(|lane| values.iter().map(|values| values[lane]).reduce(join).expect("a group"))
        };
        let (lo, hi) = (fold(Floats::lesser), fold(Floats::greater));
        let smallest = Floats::splat(f32::MIN_POSITIVE);
        let unit = [0, 1].map(|lane| {
            Floats::splat(1.0) / smallest.greater(lo[lane].abs().greater(hi[lane].abs()))
        });
        let (levels, shortest) = (Floats::splat(task.levels()), shortest(task.bits));
        Self { values, weights, levels, shortest, store: task.store, lo, hi, unit }
    }

    fn best(&self) -> [Best; 2] {
        let own = [0, 1].map(|lane| pair(self.lo[lane], self.hi[lane], self.levels));
        let settle = |value: Floats| settle(self.store, value);
        let own = own.map(|(scale, bias)| (settle(scale), settle(bias)));
        let errors = self.errors(own);
        let mut best =
            [0, 1].map(|lane| Best { scale: own[lane].0, bias: own[lane].1, error: errors[lane] });
        let span = [0, 1].map(|lane| self.hi[lane] - self.lo[lane]);
        for low in 0..ENDS {
            for high in 0..ENDS {
                let [low, high] = [low, high]
                    .map(|end| self.shortest * end as f32 / (ENDS - 1) as f32)
                    .map(Floats::splat);
                self.consider(&mut best, |lane| {
                    let left = (Floats::splat(1.0) - (low + high)) * span[lane];
                    (left / self.levels, low.mul_add(span[lane], self.lo[lane]))
                });
            }
        }
        for _ in 0..FITS {
            let lines = self.lines(&best);
            self.consider(&mut best, |lane| lines[lane]);
        }
        best
    }

    /// Takes a pair where it is better. Scales below half of MLX's smallest are not considered.
    #[inline(always)]
    fn consider(&self, best: &mut [Best; 2], tried: impl Fn(usize) -> (Floats, Floats)) {
        let tried = [0, 1].map(|lane| {
            let (scale, bias) = tried(lane);
            (settle(self.store, scale), settle(self.store, bias))
        });
        let errors = self.errors(tried);
        for (lane, best) in best.iter_mut().enumerate() {
            let ((scale, bias), infinite) = (tried[lane], Floats::splat(f32::INFINITY));
            let error = scale.abs().if_below(Floats::splat(EPSILON / 2.0), infinite, errors[lane]);
            *best = Best {
                scale: error.if_below(best.error, scale, best.scale),
                bias: error.if_below(best.error, bias, best.bias),
                error: error.if_below(best.error, error, best.error),
            };
        }
    }

    /// Σ h (w - ŵ)², with w - ŵ taken in steps of the scale.
    #[inline(always)]
    fn errors(&self, pairs: [(Floats, Floats); 2]) -> [Floats; 2] {
        let zero = Floats::splat(0.0);
        let inverse = pairs.map(|(scale, _)| Floats::splat(1.0) / scale);
        let start = [0, 1].map(|lane| zero - pairs[lane].1 * inverse[lane]);
        let mut sums = [zero; 2];
        for (values, &weight) in self.values.iter().zip(self.weights) {
            let weight = Floats::splat(weight);
            for lane in [0, 1] {
                let place = values[lane].mul_add(inverse[lane], start[lane]);
                let miss = place - self.levels.lesser(zero.greater(place)).round_ties_even();
                sums[lane] = (miss * weight).mul_add(miss, sums[lane]);
            }
        }
        [0, 1].map(|lane| {
            let step = pairs[lane].0 * self.unit[lane];
            sums[lane] * step * step
        })
    }

    /// The weighted least-squares line through (code, value). Where all codes are equal, the scale
    /// stays.
    fn lines(&self, best: &[Best; 2]) -> [(Floats, Floats); 2] {
        let zero = Floats::splat(0.0);
        [0, 1].map(|lane| {
            let Best { scale, bias, .. } = best[lane];
            let code = |values: &[Floats; 2]| {
                self.levels.lesser(zero.greater((values[lane] - bias) / scale)).round_ties_even()
            };
            let points = || self.values.iter().zip(self.weights);
            let (mut mass, mut codes, mut sum) = (zero, zero, zero);
            for (values, &weight) in points() {
                let weight = Floats::splat(weight);
                mass = mass + weight;
                codes = weight.mul_add(code(values), codes);
                sum = weight.mul_add(values[lane] * self.unit[lane], sum);
            }
            let (mean_code, mean) = (codes / mass, sum / mass);
            let (mut spread, mut joint) = (zero, zero);
            for (values, &weight) in points() {
                let code = code(values) - mean_code;
                let weighted = Floats::splat(weight) * code;
                spread = weighted.mul_add(code, spread);
                joint = weighted.mul_add(values[lane] * self.unit[lane] - mean, joint);
            }
            let slope = spread.if_equal(zero, scale, joint / spread / self.unit[lane]);
            let slope = settle(self.store, slope);
            (slope, mean / self.unit[lane] - slope * mean_code)
        })
    }
}

/// Rounds to dtype `store`. Values beyond its range become its largest value.
#[inline(always)]
pub fn settle(store: Dtype, values: Floats) -> Floats {
    let largest = Floats::splat(store.largest());
    let values = largest.lesser((Floats::splat(0.0) - largest).greater(values));
    match store {
        Dtype::F32 => values,
        Dtype::Bf16 => values.to_bf16(),
        Dtype::F16 => {
            let mut lanes = [0.0; 4];
            values.store(&mut lanes);
            Floats::load(&lanes.map(|value| round_to(store, value)))
        }
    }
}
