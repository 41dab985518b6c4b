//! Sixteen rows of one group of columns, as refit.rs visits them: the fit of their scales and
//! biases, then one descent over their codes.

use crate::affine::EPSILON;
use crate::lanes::Floats;
use crate::search::settle;
use crate::sweep::{chunk, chunk_mut};
use crate::tuning::{Task, CHUNK};
use crate::workspace::Workspace;

const VECTORS: usize = CHUNK / 4;
const LARGEST_GROUP: usize = 128;
type Lanes = [Floats; VECTORS];

/// Where a [`GroupRows`] lies: sixteen rows of one group of columns.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The first of the rows.
    pub row: usize,
    /// Natural number of the group's first column.
    pub first: usize,
    /// Positions of the group's columns.
    pub positions: &'a [usize],
}

impl Place<'_> {
    /// Where the group's scales and biases of these rows begin.
    fn pair(&self, task: &Task) -> usize {
        task.pair(self.first / task.group, self.row)
    }
}

/// Sixteen rows of a group.
pub struct GroupRows {
    codes: [Lanes; LARGEST_GROUP],
    /// Codes minus their mean.
    centred: [Lanes; LARGEST_GROUP],
    /// H_gg · centred
    curved: [Lanes; LARGEST_GROUP],
    gradients: [Lanes; LARGEST_GROUP],
    errors: [Lanes; LARGEST_GROUP],
    weights: [Lanes; LARGEST_GROUP],
}

/// A group's own block of H.
pub struct Own {
    group: usize,
    rows: Vec<f32>,
    /// The sum of each row.
    sums: Vec<f32>,
    /// The sum of all elements.
    total: f32,
}

impl Own {
    pub fn of(task: &Task, gram: &[f32], first: usize) -> Self {
        let group = task.group;
        let rows: Vec<f32> = (first..first + group)
            .flat_map(|k| &gram[k * task.columns + first..][..group])
            .copied()
            .collect();
        let sums: Vec<f32> = rows.chunks_exact(group).map(|row| row.iter().sum()).collect();
        let total = sums.iter().sum();
        Self { group, rows, sums, total }
    }

    fn row(&self, k: usize) -> &[f32] {
        &self.rows[k * self.group..][..self.group]
    }
}

impl GroupRows {
    pub fn zero() -> Self {
        let zero = [[Floats::splat(0.0); VECTORS]; LARGEST_GROUP];
        Self {
            codes: zero,
            centred: zero,
            curved: zero,
            gradients: zero,
            errors: zero,
            weights: zero,
        }
    }

    pub fn load(&mut self, task: &Task, place: Place, work: &Workspace) {
        let Place { row, first, positions } = place;
        let lanes = |values: &[f32]| [0, 1, 2, 3].map(|lane| Floats::of(chunk(values), lane));
        for (k, &p) in positions.iter().enumerate() {
            self.codes[k] = lanes(&work.codes[task.place(p, row)..]);
            self.errors[k] = lanes(&work.errors[task.place(p, row)..]);
            self.weights[k] = lanes(&work.weights[task.place(first + k, row)..]);
            let mut gradients = [0.0; CHUNK];
            for (i, value) in gradients.iter_mut().enumerate().take(task.rows.saturating_sub(row)) {
                *value = work.gradients[(row + i) * task.columns + first + k];
            }
            self.gradients[k] = lanes(&gradients);
        }
    }

    /// Writes codes and errors back, and the changes of the errors to `work.products`.
    pub fn store(&self, task: &Task, place: Place, work: &mut Workspace) {
        let Place { row, positions, .. } = place;
        let stride = task.stride();
        for (k, &p) in positions.iter().enumerate() {
            let errors = chunk_mut(&mut work.errors[task.place(p, row)..]);
            let codes = chunk_mut(&mut work.codes[task.place(p, row)..]);
            let changes = chunk_mut(&mut work.products[k * stride + row..]);
            for lane in 0..VECTORS {
                (self.errors[k][lane] - Floats::of(errors, lane)).put(changes, lane);
                self.errors[k][lane].put(errors, lane);
                self.codes[k][lane].put(codes, lane);
            }
        }
    }
}

impl GroupRows {
    /// New scales and biases where they lower the loss.
    pub fn fit(&mut self, task: &Task, own: &Own, place: Place, work: &mut Workspace) {
        let mean = self.centre(own.group);
        self.curve(own);
        let pair = place.pair(task);
        let (scales, biases) =
            (chunk_mut(&mut work.scales[pair..]), chunk_mut(&mut work.biases[pair..]));
        let (zero, total) = (Floats::splat(0.0), Floats::splat(own.total));
        let mut gains = [0.0; CHUNK];
        for (lane, &mean) in mean.iter().enumerate() {
            let (mut spread, mut joint, mut along, mut across) = (zero, zero, zero, zero);
            for k in 0..own.group {
                let (code, gradient) = (self.centred[k][lane], self.gradients[k][lane]);
                spread = code.mul_add(self.curved[k][lane], spread);
                joint = joint + self.curved[k][lane];
                along = code.mul_add(gradient, along);
                across = across + gradient;
            }
            let (scale, bias) = (Floats::of(scales, lane), Floats::of(biases, lane));
            let whole = spread * total;
            let determinant = whole - joint * joint;
            let slope = (along * total - across * joint) / determinant;
            let solvable = (whole * Floats::splat(1e-6)).if_below(determinant, slope, zero);
            let new_scale = settle(task.store, scale + solvable);
            let slope = new_scale - scale;
            let shift = (across - slope * joint) / total;
            let new_bias = settle(task.store, bias + shift - slope * mean);
            let shift = slope * mean + (new_bias - bias);
            // The loss falls by 2 δ·g - δHδᵀ.
            let linear = slope * along + shift * across;
            let square =
                slope * slope * spread + (slope + slope) * shift * joint + shift * shift * total;
            let gain = linear + linear - square;
            let sound = new_scale.abs().if_below(Floats::splat(EPSILON / 2.0), zero, gain);
            let taken = |new: Floats, old: Floats| zero.if_below(sound, new, old);
            taken(new_scale, scale).put(scales, lane);
            taken(new_bias, bias).put(biases, lane);
            taken(sound, zero).put(&mut gains, lane);
            self.shift(own, lane, [taken(slope, zero), taken(shift, zero)]);
        }
        for lane in 0..VECTORS {
            let (scale, bias) = (Floats::of(scales, lane), Floats::of(biases, lane));
            for k in 0..own.group {
                self.errors[k][lane] = self.weights[k][lane] - (self.codes[k][lane] * scale + bias);
            }
        }
        subtract(&mut work.losses[place.row..], gains);
    }

    /// Subtracts the mean of the codes from them. Returns it.
    fn centre(&mut self, group: usize) -> Lanes {
        let share = Floats::splat(1.0 / group as f32);
        let mean = [0, 1, 2, 3].map(|lane| {
            let sum =
                self.codes[..group].iter().fold(Floats::splat(0.0), |sum, codes| sum + codes[lane]);
            sum * share
        });
        for (centred, codes) in self.centred.iter_mut().zip(&self.codes[..group]) {
            *centred = [0, 1, 2, 3].map(|lane| codes[lane] - mean[lane]);
        }
        mean
    }

    /// Computes `curved`.
    #[inline(never)]
    fn curve(&mut self, own: &Own) {
        for k in (0..own.group).step_by(2) {
            let mut sums = [[Floats::splat(0.0); VECTORS]; 2];
            let codes = self.centred[..own.group].iter();
            for ((codes, &one), &other) in codes.zip(own.row(k)).zip(own.row(k + 1)) {
                let factors = [Floats::splat(one), Floats::splat(other)];
                for (sums, factor) in sums.iter_mut().zip(factors) {
                    (0..VECTORS)
                        .for_each(|lane| sums[lane] = factor.mul_add(codes[lane], sums[lane]));
                }
            }
            self.curved[k..k + 2].copy_from_slice(&sums);
        }
    }

    /// Updates the gradients after ŵ changed by slope · centred + shift.
    fn shift(&mut self, own: &Own, lane: usize, [slope, shift]: [Floats; 2]) {
        for (k, &sum) in own.sums.iter().enumerate() {
            let change = slope * self.curved[k][lane] + shift * Floats::splat(sum);
            self.gradients[k][lane] = self.gradients[k][lane] - change;
        }
    }

    /// Checks every code of the group once.
    #[inline(never)]
    pub fn descend(&mut self, task: &Task, own: &Own, place: Place, work: &mut Workspace) {
        let (zero, levels) = (Floats::splat(0.0), Floats::splat(task.levels()));
        let pair = place.pair(task);
        let (scales, biases) = (chunk(&work.scales[pair..]), chunk(&work.biases[pair..]));
        let mut gains = [zero; VECTORS];
        for k in (0..own.group).rev() {
            let curvature = own.row(k);
            let diagonal = Floats::splat(curvature[k]);
            let inverse = Floats::splat(1.0 / curvature[k]);
            let mut steps = [zero; VECTORS];
            let mut any = false;
            for lane in 0..VECTORS {
                let (scale, bias) = (Floats::of(scales, lane), Floats::of(biases, lane));
                let (gradient, code) = (self.gradients[k][lane], self.codes[k][lane]);
                let place = code + gradient * inverse / scale;
                let new = levels.lesser(zero.greater(place.round_ties_even()));
                let error = self.weights[k][lane] - (new * scale + bias);
                let step = error - self.errors[k][lane];
                let gain = (zero - step) * (gradient + gradient + step * diagonal);
                let taken = |new: Floats, old: Floats| zero.if_below(gain, new, old);
                steps[lane] = taken(step, zero);
                gains[lane] = gains[lane] + taken(gain, zero);
                self.codes[k][lane] = taken(new, code);
                self.errors[k][lane] = taken(error, self.errors[k][lane]);
                any |= steps[lane].any_beyond(zero, zero);
            }
            if any {
                for (gradients, &curvature) in self.gradients.iter_mut().zip(curvature) {
                    let curvature = Floats::splat(curvature);
                    for lane in 0..VECTORS {
                        gradients[lane] = curvature.mul_add(steps[lane], gradients[lane]);
                    }
                }
            }
        }
        let mut total = [0.0; CHUNK];
        (0..VECTORS).for_each(|lane| gains[lane].put(&mut total, lane));
        subtract(&mut work.losses[place.row..], total);
    }
}

fn subtract(losses: &mut [f64], gains: [f32; CHUNK]) {
    losses.iter_mut().zip(gains).for_each(|(loss, gain)| *loss -= f64::from(gain));
}
