//! Whole tuning jobs: plain rounding and its loss, the search for scales, then the codes block by
//! block. At the end each row is stored tuned or plainly rounded, whichever is better.

use crate::affine::BLOCK as MOST_AT_ONCE;
use crate::dequantize::{dequantize, Rows};
use crate::descent;
use crate::half::{narrow, widen};
use crate::lanes::Floats;
use crate::pack::pack;
use crate::packed::Packed;
use crate::quantize::{self, Source, Sums, Width};
use crate::refit::{gram_to_natural_order, positions, refit};
use crate::search::search;
use crate::sweep::{add_rounded, chunk, chunk_mut, sweep, Block, Sample};
use crate::tuning::{Task, CHUNK};
use crate::window::{Curvature, Window};
use crate::workspace::{Workspace, Workspaces};

/// The bytes of a task's rows in the file.
pub type Stored<'a> = Packed<&'a mut [u8]>;

/// One row of a task.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
#[repr(C)]
pub struct RowSums {
    /// t H' tᵀ of what is stored, t the row's errors; without a factor Σ h (w - ŵ)².
    pub loss: f64,
    /// The same for plain rounding; infinite if tuning is better and the row is outside the sample.
    pub rounded_loss: f64,
    /// Σ (w - ŵ)² of what is stored.
    pub squared_error: f64,
    /// Σ w²
    pub energy: f64,
}

/// What a task reads and writes.
pub struct Operands<'a> {
    pub source: Source<'a>,
    pub stored: Stored<'a>,
    /// A row each.
    pub sums: &'a mut [RowSums],
}

/// Rounds plainly into the stored bytes. Then finds scales, biases and, without a factor, codes.
/// `importance` is the cost of an error in each natural column. Returns the number of NaN and
/// infinities among the weights of each task. If there are any, the other values are wrong.
pub fn prepare(operands: &mut [Operands], importance: &[f32], works: &mut Workspaces) -> Vec<f64> {
    let non_finite = round(operands, works);
    if non_finite.iter().any(|&count| count > 0.0) {
        return non_finite;
    }
    for (index, operands) in operands.iter().enumerate() {
        let (task, sampled) = (works.job.tasks[index], works.job.sampled);
        let mut work = works.of(index);
        work.losses.fill(0.0);
        work.rounded_losses.fill(0.0);
        spread(&task, &operands.source, &mut work);
        if !(sampled && task.factored) {
            take_rounded(&task, operands, importance, &mut work);
        }
        search(&task, importance, &mut work);
        if !task.factored {
            nearest(&task, importance, &mut work);
        }
    }
    non_finite
}

/// Rounds every source at all its widths in one pass over its weights. Returns the number of NaN
/// and infinities of each task.
fn round(operands: &mut [Operands], works: &Workspaces) -> Vec<f64> {
    let mut counts = vec![0.0; operands.len()];
    for source in 0..works.job.sources {
        let mut sums = Sums::default();
        let tasks = works.job.tasks.iter().zip(operands.iter_mut()).zip(&mut counts);
        let mut own: Vec<_> = tasks.filter(|((task, _), _)| task.source == source).collect();
        let weights = own[0].0 .1.source;
        let mut widths: Vec<Width> = own
            .iter_mut()
            .map(|((task, Operands { stored: Packed { words, scales, biases }, .. }), _)| {
                let packed = Packed { words: &mut **words, scales, biases };
                Width { bits: task.bits, group: task.group, packed, squared_error: 0.0 }
            })
            .collect();
        quantize::quantize(&weights, &mut widths, &mut sums);
        for ((_, operands), count) in own {
            *count = sums.non_finite;
            for (sum, energy) in operands.sums.iter_mut().zip(&sums.energies) {
                sum.energy = *energy;
            }
        }
    }
    counts
}

/// One block of positions. Adds plain rounding's loss in the block. All blocks are visited before
/// the first [`tune_block`]; in a sampled job, after the last one and [`compare`].
pub fn round_block(block: &Block, works: &mut Workspaces) {
    let job = works.job;
    for (index, task) in job.tasks.iter().enumerate() {
        add_rounded(task, block, Sample::of(job), &mut works.of(index));
    }
}

/// Makes a sampled job ready for [`round_block`].
pub fn compare(operands: &[Operands], works: &mut Workspaces) {
    for (index, operands) in operands.iter().enumerate() {
        take_rounded(&works.job.tasks[index], operands, &[], &mut works.of(index));
    }
}

/// One block of positions; all later blocks are finished. Chooses the block's codes.
pub fn tune_block(block: &Block, works: &mut Workspaces) {
    let job = works.job;
    if job.reach() > 0 {
        let window = Window::of(job.reach(), block.columns, block.start);
        let Workspace { gram, inverse, scratch, .. } = works.of(0);
        Curvature { gram, inverse, scratch }.include(&window, block);
    }
    for (index, task) in job.tasks.iter().enumerate() {
        let mut work = works.of(index);
        sweep(task, block, &mut work);
        if task.reach() > 0 {
            descent::include(task, block, &mut work);
            descent::descend(task, block.start, &mut work);
        }
    }
    if block.start == 0 && job.tasks.iter().any(Task::refits) {
        let position = positions(job.tasks[0].order);
        gram_to_natural_order(&position, works.of(0).gram);
        for (index, task) in job.tasks.iter().enumerate().filter(|(_, task)| task.refits()) {
            refit(task, &position, &mut works.of(index));
        }
    }
}

/// Writes the weights, the rows of a column side by side.
fn spread(task: &Task, source: &Source, work: &mut Workspace) {
    let (columns, from) = (task.columns, source.from);
    let mut weights = vec![0.0; CHUNK * columns];
    for (row, bytes) in source.weights.chunks(CHUNK * columns * from.bytes()).enumerate() {
        let present = bytes.len() / from.bytes();
        weights[present..].fill(0.0);
        widen(from, bytes, &mut weights[..present]);
        for k in 0..columns {
            let column = chunk_mut(&mut work.weights[task.place(k, row * CHUNK)..]);
            column.iter_mut().enumerate().for_each(|(i, value)| *value = weights[i * columns + k]);
        }
    }
}

/// Writes the errors of plain rounding by position. Without a factor, adds up its losses.
fn take_rounded(task: &Task, operands: &Operands, importance: &[f32], work: &mut Workspace) {
    let Operands { source, stored, .. } = operands;
    let (columns, from) = (task.columns, source.from);
    let mut weights = vec![0.0; CHUNK * columns];
    let mut rounded = weights.clone();
    for (row, bytes) in source.weights.chunks(CHUNK * columns * from.bytes()).enumerate() {
        let (row, present) = (row * CHUNK, bytes.len() / from.bytes());
        weights[present..].fill(0.0);
        rounded[present..].fill(0.0);
        widen(from, bytes, &mut weights[..present]);
        dequantize(&rows_of(task, stored, row, present / columns), &mut rounded[..present]);
        for (rounded, weight) in rounded.iter_mut().zip(&weights) {
            *rounded = weight - *rounded;
        }
        if task.factored {
            for (p, &natural) in task.order.iter().enumerate() {
                let column = chunk_mut(&mut work.errors[task.place(p, row)..]);
                let values = &rounded[natural as usize..];
                column.iter_mut().enumerate().for_each(|(i, value)| *value = values[i * columns]);
            }
        } else {
            let losses = &mut work.rounded_losses[row..];
            for (loss, errors) in losses.iter_mut().zip(rounded.chunks_exact(columns)) {
                *loss = weigh(errors.iter().copied(), importance);
            }
        }
    }
}

/// Rows `[row, row + rows)` of the stored bytes.
fn rows_of<'a>(task: &Task, stored: &'a Stored, row: usize, rows: usize) -> Rows<'a> {
    let Task { bits, group, store, .. } = *task;
    let words = task.columns / 8 * bits;
    let pairs = task.groups() * store.bytes();
    let cut = |bytes: &'a [u8], width: usize| &bytes[row * width..(row + rows) * width];
    let packed = Packed {
        words: cut(stored.words, words),
        scales: cut(stored.scales, pairs),
        biases: cut(stored.biases, pairs),
    };
    Rows { bits, group, store, packed }
}

/// Σ h e²
fn weigh(errors: impl Iterator<Item = f32>, importance: &[f32]) -> f64 {
    errors
        .zip(importance)
        .map(|(error, &weight)| f64::from(weight) * f64::from(error) * f64::from(error))
        .sum()
}

/// The nearest code for every weight, positions in natural order.
fn nearest(task: &Task, importance: &[f32], work: &mut Workspace) {
    let (zero, levels) = (Floats::splat(0.0), Floats::splat(task.levels()));
    for (k, &weight) in importance.iter().enumerate() {
        for row in (0..task.padded()).step_by(CHUNK) {
            let (at, pair) = (task.place(k, row), task.pair(k / task.group, row));
            let weights = chunk(&work.weights[at..]);
            let (scales, biases) = (chunk(&work.scales[pair..]), chunk(&work.biases[pair..]));
            let (codes, errors) =
                (chunk_mut(&mut work.codes[at..]), chunk_mut(&mut work.errors[at..]));
            for lane in 0..CHUNK / 4 {
                let (scale, bias) = (Floats::of(scales, lane), Floats::of(biases, lane));
                let value = Floats::of(weights, lane);
                let code = levels.lesser(zero.greater(((value - bias) / scale).round_ties_even()));
                code.put(codes, lane);
                (value - (code * scale + bias)).put(errors, lane);
            }
            for (loss, &error) in work.losses[row..].iter_mut().zip(errors.iter()) {
                *loss += f64::from(weight) * f64::from(error) * f64::from(error);
            }
        }
    }
}

/// Stores each row that tuning improved, and writes the sums of all rows.
pub fn finish(operands: &mut [Operands], works: &mut Workspaces) {
    for (index, operands) in operands.iter_mut().enumerate() {
        let sample = Sample::of(works.job);
        finish_task(&works.job.tasks[index], operands, sample, &works.of(index));
    }
}

fn finish_task(task: &Task, operands: &mut Operands, sample: Sample, work: &Workspace) {
    let Operands { source: Source { weights: bytes, from, .. }, stored, sums } = operands;
    let (columns, element) = (task.columns, from.bytes());
    let mut codes = vec![0; CHUNK * columns];
    let mut weights = vec![0.0; columns];
    let mut decoded = vec![0.0; columns];
    for (row, sums) in sums.iter_mut().enumerate() {
        if row % CHUNK == 0 {
            gather_codes(task, row, work, &mut codes);
        }
        let (loss, rounded_loss) = (work.losses[row], work.rounded_losses[row]);
        let improved = loss < rounded_loss;
        if improved {
            store_row(task, row, &codes[row % CHUNK * columns..][..columns], stored, work);
        }
        widen(*from, &bytes[row * columns * element..][..columns * element], &mut weights);
        dequantize(&rows_of(task, stored, row, 1), &mut decoded);
        let squares = weights
            .iter()
            .zip(&decoded)
            .map(|(weight, decoded)| f64::from(weight - decoded).powi(2));
        sums.loss = if improved { loss } else { rounded_loss };
        let is_partial = task.factored && improved && !sample.has(row / CHUNK);
        sums.rounded_loss = if is_partial { f64::INFINITY } else { rounded_loss };
        sums.squared_error = squares.sum();
    }
}

/// Sixteen rows of codes, `[CHUNK, columns]` in natural order.
fn gather_codes(task: &Task, row: usize, work: &Workspace, codes: &mut [u8]) {
    for p in 0..task.columns {
        let natural = if task.factored { task.order[p] as usize } else { p };
        let own = chunk(&work.codes[task.place(p, row)..]);
        own.iter()
            .enumerate()
            .for_each(|(i, &code)| codes[i * task.columns + natural] = code as u8);
    }
}

fn store_row(task: &Task, row: usize, codes: &[u8], stored: &mut Stored, work: &Workspace) {
    let words = task.columns / 8 * task.bits;
    let words = &mut stored.words[row * words..][..words];
    for (codes, words) in
        codes.chunks(MOST_AT_ONCE).zip(words.chunks_mut(MOST_AT_ONCE / 8 * task.bits))
    {
        pack(task.bits, codes, words);
    }
    let (groups, element) = (task.groups(), task.store.bytes());
    let pairs = row * groups * element..(row + 1) * groups * element;
    for (values, bytes) in [(&work.scales, &mut stored.scales), (&work.biases, &mut stored.biases)]
    {
        let values: Vec<f32> = (0..groups).map(|group| values[task.pair(group, row)]).collect();
        narrow(task.store, &values, &mut bytes[pairs.clone()]);
    }
}

#[cfg(test)]
#[path = "tuned_answer.rs"]
mod answer;
#[cfg(test)]
#[path = "tuned_problem.rs"]
mod problem;
#[cfg(test)]
#[path = "tuned_tests.rs"]
mod tests;
