//! Coordinate descent on codes (QuantEase, arXiv 2309.01885; CDQuant, arXiv 2406.17542) within the
//! sweep. After each block of columns it checks the finished columns again. The columns that follow
//! can still compensate for the changes.
//!
//! The loss that those columns cannot reduce is Σ_{p >= start} t_p². Half its second derivatives
//! are M = Σ_{p >= start} R_pᵀR_p. With all other codes fixed, a column's best code is
//! g / (M_qq · scale) away from the present one, where g = Σ_{p >= start} t_p R_p
//! (arXiv 2309.01885, section 3). Few codes change, so gradients are stored, and each change adds
//! one row of M to them. After the last block M = H'.
//!
//! Gradients and M cover a window of positions (window.rs).

use std::array::from_fn;

use crate::gemm::{gemm, Product, Target, View};
use crate::lanes::{Floats, Mask};
use crate::sweep::{chunk, Block};
use crate::tuning::{Task, CHUNK};
use crate::window::Window;
use crate::workspace::Workspace;

/// Slots that are checked together. The number of columns is a multiple of 32, so the number of
/// slots is too.
const STRIP: usize = 32;
const VECTORS: usize = STRIP / 4;
/// Slots of a strip that are looked at more closely: two vectors.
const LOOK: usize = 8;

/// Adds a block to a task: its codes are chosen, its t is in `work.products`, and M includes it.
pub fn include(task: &Task, block: &Block, work: &mut Workspace) {
    let window = window_of(task, block.start);
    let fresh = window.fresh(block);
    let (rows, reach, stride) = (task.rows, window.reach, task.stride());
    for row in work.gradients.chunks_exact_mut(reach) {
        row[fresh.clone()].fill(0.0);
    }
    let products = View::of_rows(work.products.as_ptr(), stride).transposed();
    for slots in window.filled() {
        let factor = block.at(block.start, window.position(slots.start));
        let shape = [rows, slots.len(), block.end - block.start];
        let data = work.gradients[slots.start..].as_mut_ptr();
        let to = Target { data, stride: reach };
        // SAFETY: the views end with their slices, the slots lie within a row of gradients.
        unsafe { gemm(&Product::of(shape, products, factor, to), work.scratch) };
    }
    for row in (0..task.padded()).step_by(CHUNK) {
        for slot in fresh.clone().step_by(4) {
            set_bounds(task, &window, [row, slot], work);
        }
    }
}

fn window_of(task: &Task, start: usize) -> Window {
    Window::of(task.reach(), task.columns, start)
}

/// Writes the bounds of sixteen rows at four slots.
fn set_bounds(task: &Task, window: &Window, [row, slot]: [usize; 2], work: &mut Workspace) {
    let levels = Floats::splat(task.levels());
    let places = [0, 1, 2, 3].map(|i| {
        let p = window.position(slot + i);
        [task.place(p, row), task.pair(task.order[p] as usize / task.group, row)]
    });
    for lane in 0..CHUNK / 4 {
        let both = places.map(|[place, pair]| {
            let codes = Floats::of(chunk(&work.codes[place..]), lane);
            bounds(codes, Floats::of(chunk(&work.scales[pair..]), lane), levels)
        });
        let low = Floats::transpose(both.map(|[low, _]| low));
        let high = Floats::transpose(both.map(|[_, high]| high));
        for (i, (low, high)) in low.into_iter().zip(high).enumerate() {
            let row = row + 4 * lane + i;
            if row < task.rows {
                let at = row * window.reach + slot;
                low.store(work.low[at..].first_chunk_mut().expect("four slots"));
                high.store(work.high[at..].first_chunk_mut().expect("four slots"));
            }
        }
    }
}

/// Bounds of g / M_qq within which the present codes are the best: half a step, or infinity where
/// there is no code beyond it.
#[inline(always)]
fn bounds(codes: Floats, scales: Floats, levels: Floats) -> [Floats; 2] {
    let (zero, infinity) = (Floats::splat(0.0), Floats::splat(f32::INFINITY));
    let half = Floats::splat(0.5) * scales.abs();
    let lowest = zero.if_below(scales, zero, levels);
    let highest = zero.if_below(scales, levels, zero);
    let low = codes.if_equal(lowest, zero - infinity, zero - half);
    [low, codes.if_equal(highest, infinity, half)]
}

/// Checks every code in the window `task.sweeps` times, from the last position to the first, and
/// changes it where another one is better.
pub fn descend(task: &Task, start: usize, work: &mut Workspace) {
    let window = window_of(task, start);
    let ranges = window.slots(window.count).into_iter().rev();
    let strips: Vec<usize> =
        ranges.flat_map(|slots| (slots.start / STRIP..slots.end / STRIP).rev()).collect();
    let mut descent =
        Descent { task, work, changes: Vec::new(), seen: vec![0; window.reach / STRIP], window };
    for row in 0..task.rows {
        descent.row(row, &strips);
    }
}

/// A change of an error, which adds `step` times row `slot` of M to the gradients.
struct Change {
    slot: usize,
    step: f32,
}

/// The descent of one row. A strip's gradients follow the changes of other strips only when the
/// strip is visited, several changes at a time and in their order.
struct Descent<'a, 'w> {
    task: &'a Task<'a>,
    work: &'a mut Workspace<'w>,
    window: Window,
    /// All changes of the row.
    changes: Vec<Change>,
    /// How many of them each strip's gradients include.
    seen: Vec<usize>,
}

impl Descent<'_, '_> {
    fn row(&mut self, row: usize, strips: &[usize]) {
        self.changes.clear();
        self.seen.fill(0);
        for _ in 0..self.task.sweeps {
            let before = self.changes.len();
            for &strip in strips {
                self.visit(row, strip);
            }
            if self.changes.len() == before {
                break;
            }
        }
        for &strip in strips {
            if self.seen[strip] < self.changes.len() {
                self.catch_up(row, strip);
            }
        }
    }

    /// Brings the strip's gradients up to date and checks its codes.
    #[inline(never)]
    fn visit(&mut self, row: usize, strip: usize) {
        let (at, slot) = (row * self.window.reach + strip * STRIP, strip * STRIP);
        let gradients = self.catch_up(row, strip);
        let (low, high) = (strip_of(&self.work.low[at..]), strip_of(&self.work.high[at..]));
        let inverse = strip_of(&self.work.inverse[slot..]);
        let mut beyond = Mask::none();
        for (lane, gradients) in gradients.into_iter().enumerate() {
            let miss = gradients * Floats::of(inverse, lane);
            beyond = beyond.or(miss.beyond(Floats::of(low, lane), Floats::of(high, lane)));
        }
        if beyond.any() {
            self.change_strip(row, strip);
        }
        self.seen[strip] = self.changes.len();
    }

    /// Adds the changes that the strip's gradients do not include yet. Returns the gradients.
    #[inline(always)]
    fn catch_up(&mut self, row: usize, strip: usize) -> [Floats; VECTORS] {
        let reach = self.window.reach;
        let gradients = &mut self.work.gradients[row * reach + strip * STRIP..];
        let stored: &mut [f32; STRIP] = gradients.first_chunk_mut().expect("a strip");
        let mut gradients = from_fn(|lane| Floats::of(stored, lane));
        let pending = &self.changes[self.seen[strip]..];
        if pending.is_empty() {
            return gradients;
        }
        for &Change { slot, step } in pending {
            let step = Floats::splat(step);
            let gram = strip_of(&self.work.gram[slot * reach + strip * STRIP..]);
            for (lane, gradients) in gradients.iter_mut().enumerate() {
                *gradients = step.mul_add(Floats::of(gram, lane), *gradients);
            }
        }
        for (lane, gradients) in gradients.into_iter().enumerate() {
            gradients.put(stored, lane);
        }
        gradients
    }

    /// Changes codes of a strip whose gradients are up to date.
    #[inline(never)]
    fn change_strip(&mut self, row: usize, strip: usize) {
        for from in (strip * STRIP..(strip + 1) * STRIP).step_by(LOOK).rev() {
            if self.is_beyond(row, from) {
                for slot in (from..from + LOOK).rev() {
                    self.change(row, slot);
                }
            }
        }
    }

    /// Whether one of eight gradients is out of bounds.
    #[inline(always)]
    fn is_beyond(&self, row: usize, slot: usize) -> bool {
        fn eight(values: &[f32]) -> &[f32; LOOK] {
            values.first_chunk().expect("eight slots")
        }
        let (work, at) = (&self.work, row * self.window.reach + slot);
        let (gradients, inverse) = (eight(&work.gradients[at..]), eight(&work.inverse[slot..]));
        let (low, high) = (eight(&work.low[at..]), eight(&work.high[at..]));
        let [one, other] = [0, 1].map(|lane| {
            let miss = Floats::of(gradients, lane) * Floats::of(inverse, lane);
            miss.beyond(Floats::of(low, lane), Floats::of(high, lane))
        });
        one.or(other).any()
    }

    /// Gives a slot its best code if that lowers the loss. Of the gradients, only those of its own
    /// strip follow at once.
    #[inline(never)]
    fn change(&mut self, row: usize, slot: usize) {
        let Self { task, work, window, .. } = self;
        let reach = window.reach;
        let at = row * reach + slot;
        let (gradient, miss) = (work.gradients[at], work.gradients[at] * work.inverse[slot]);
        if miss >= work.low[at] && miss <= work.high[at] {
            return;
        }
        let p = window.position(slot);
        let natural = task.order[p] as usize;
        let pair = task.pair(natural / task.group, row);
        let (scale, bias) = (work.scales[pair], work.biases[pair]);
        let place = task.place(p, row);
        let code = (work.codes[place] + miss / scale).round_ties_even().clamp(0.0, task.levels());
        let error = work.weights[task.place(natural, row)] - (code * scale + bias);
        let step = error - work.errors[place];
        let gram = &work.gram[slot * reach..][..reach];
        let gain = -step * (2.0 * gradient + step * gram[slot]);
        if !(gain > 0.0 && code != work.codes[place]) {
            return;
        }
        work.codes[place] = code;
        work.errors[place] = error;
        work.losses[row] -= f64::from(gain);
        let levels = Floats::splat(task.levels());
        [work.low[at], work.high[at]] =
            bounds(Floats::splat(code), Floats::splat(scale), levels).map(Floats::first);
        let strip = slot / STRIP * STRIP;
        add(&mut work.gradients[row * reach + strip..][..STRIP], step, &gram[strip..][..STRIP]);
        self.changes.push(Change { slot, step });
    }
}

fn strip_of(values: &[f32]) -> &[f32; STRIP] {
    values.first_chunk().expect("a strip")
}

/// `values` += factor · others.
#[inline(always)]
pub fn add(values: &mut [f32], factor: f32, others: &[f32]) {
    let (values, rest) = values.as_chunks_mut::<4>();
    let (others, more) = others.as_chunks::<4>();
    let lanes = Floats::splat(factor);
    for (values, others) in values.iter_mut().zip(others) {
        lanes.mul_add(Floats::load(others), Floats::load(values)).store(values);
    }
    for (value, other) in rest.iter_mut().zip(more) {
        *value = factor.mul_add(*other, *value);
    }
}
