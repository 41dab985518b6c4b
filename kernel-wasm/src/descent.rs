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

use std::ops::Range;

use crate::gemm::{gemm, Product, Target, View};
use crate::lanes::Floats;
use crate::sweep::Block;
use crate::tuning::Task;
use crate::window::Window;
use crate::workspace::Workspace;

/// Columns checked together: two vectors.
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
    for slot in fresh {
        let p = window.position(slot);
        for row in 0..rows {
            let (low, high) = bounds(task, work, p, row);
            work.low[row * reach + slot] = low;
            work.high[row * reach + slot] = high;
        }
    }
}

fn window_of(task: &Task, start: usize) -> Window {
    Window::of(task.reach(), task.columns, start)
}

/// Bounds of g / M_qq within which the present code is the best: half a step, or infinity where
/// there is no code beyond it.
fn bounds(task: &Task, work: &Workspace, p: usize, row: usize) -> (f32, f32) {
    let stride = task.stride();
    let code = work.codes[p * stride + row];
    let scale = work.scales[task.order[p] as usize / task.group * stride + row];
    let half = 0.5 * scale.abs();
    let (first, last) = (code == 0.0, code == task.levels());
    let (no_lower, no_higher) = if scale > 0.0 { (first, last) } else { (last, first) };
    let bound = |none: bool| if none { f32::INFINITY } else { half };
    (-bound(no_lower), bound(no_higher))
}

/// Checks every code in the window `task.sweeps` times, from the last position to the first, and
/// changes it where another one is better.
pub fn descend(task: &Task, start: usize, work: &mut Workspace) {
    let window = window_of(task, start);
    for row in 0..task.rows {
        for _ in 0..task.sweeps {
            let mut changes = 0;
            for slots in window.slots(window.count).into_iter().rev() {
                changes += look(task, &window, slots, row, work);
            }
            if changes == 0 {
                break;
            }
        }
    }
}

/// Checks the codes of one row in these slots. Returns how many changed.
#[inline(never)]
fn look(
    task: &Task,
    window: &Window,
    slots: Range<usize>,
    row: usize,
    work: &mut Workspace,
) -> usize {
    let mut changes = 0;
    let base = row * window.reach;
    // The number of columns is a multiple of 32, so the number of slots is too.
    for from in slots.step_by(LOOK).rev() {
        if beyond(work, base + from, from) {
            for slot in (from..from + LOOK).rev() {
                changes += usize::from(change(task, window, slot, row, work));
            }
        }
    }
    changes
}

/// Whether one of eight gradients is out of bounds.
#[inline(always)]
fn beyond(work: &Workspace, at: usize, slot: usize) -> bool {
    fn eight(values: &[f32]) -> &[f32; LOOK] {
        values.first_chunk().expect("eight slots")
    }
    let (gradients, inverse) = (eight(&work.gradients[at..]), eight(&work.inverse[slot..]));
    let (low, high) = (eight(&work.low[at..]), eight(&work.high[at..]));
    (0..LOOK / 4).any(|lane| {
        let miss = Floats::of(gradients, lane) * Floats::of(inverse, lane);
        miss.any_beyond(Floats::of(low, lane), Floats::of(high, lane))
    })
}

/// Gives a slot its best code if that lowers the loss.
#[inline(never)]
fn change(task: &Task, window: &Window, slot: usize, row: usize, work: &mut Workspace) -> bool {
    let (reach, stride) = (window.reach, task.stride());
    let at = row * reach + slot;
    let (gradient, miss) = (work.gradients[at], work.gradients[at] * work.inverse[slot]);
    if miss >= work.low[at] && miss <= work.high[at] {
        return false;
    }
    let p = window.position(slot);
    let natural = task.order[p] as usize;
    let pair = natural / task.group * stride + row;
    let (scale, bias) = (work.scales[pair], work.biases[pair]);
    let place = p * stride + row;
    let code = (work.codes[place] + miss / scale).round_ties_even().clamp(0.0, task.levels());
    let error = work.weights[natural * stride + row] - (code * scale + bias);
    let step = error - work.errors[place];
    let gram = &work.gram[slot * reach..][..reach];
    let gain = -step * (2.0 * gradient + step * gram[slot]);
    if !(gain > 0.0 && code != work.codes[place]) {
        return false;
    }
    work.codes[place] = code;
    work.errors[place] = error;
    work.losses[row] -= f64::from(gain);
    (work.low[at], work.high[at]) = bounds(task, work, p, row);
    for slots in window.slots(window.count) {
        add(
            &mut work.gradients[row * reach..][slots.clone()],
            step,
            &work.gram[slot * reach..][slots],
        );
    }
    true
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
