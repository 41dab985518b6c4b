//! Tuning. A job is `tune_prepare`; with a factor, `tune_rounded_block` and then `tune_block`, each
//! from the last block of positions to the first; then `tune_finish`. They share their data in the
//! arena.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, bytes_mut, dtype, floats_mut, with_scratch};
use crate::forecast;
use crate::packed::Packed;
use crate::quantize::{Rounding, Source};
use crate::sweep::{add_rounded, Block, Sample};
use crate::tuned::{self, Operands, RowSums};
use crate::tuning::{Job, Task, BLOCK};
use crate::workspace::Workspaces;

/// A tuning job: the shape of its rows, and addresses.
#[repr(C)]
pub struct TuneCall {
    rows: usize,
    columns: usize,
    store: usize,
    from: usize,
    /// 0: there is no factor.
    order: usize,
    importance: usize,
    /// Address of `count` tasks, each a [`TaskCall`].
    tasks: usize,
    count: usize,
    /// Number of weights: 1 for all tasks, or `count`.
    sources: usize,
    /// 1: plain rounding's whole loss is computed for a sample of the rows (tuning.rs).
    sampled: usize,
    /// Number of the first row within its matrix.
    first: usize,
    /// 0, or how many columns descent checks at most.
    window: usize,
    workspace: usize,
}

/// One of the tasks of a [`TuneCall`].
#[repr(C)]
pub struct TaskCall {
    bits: usize,
    group_size: usize,
    sweeps: usize,
    /// 1: scales and biases are fitted to the codes at the end.
    refit: usize,
    weights: usize,
    words: usize,
    scales: usize,
    biases: usize,
    /// Float64 `[rows, 4]`: loss, loss of plain rounding, squared error, energy (tuned.rs).
    sums: usize,
    /// NaN and infinities among its weights.
    non_finite: f64,
}

impl TuneCall {
    unsafe fn at<'a>(address: usize) -> &'a Self {
        &*(address as *const Self)
    }

    unsafe fn tasks<'a>(&self) -> &'a mut [TaskCall] {
        from_raw_parts_mut(self.tasks as *mut TaskCall, self.count)
    }

    /// The job without its order.
    unsafe fn shape(&self) -> Job<'static> {
        let task = |(index, task): (usize, &TaskCall)| Task {
            source: index.min(self.sources - 1),
            rows: self.rows,
            columns: self.columns,
            bits: task.bits,
            group: task.group_size,
            store: dtype(self.store),
            sweeps: task.sweeps,
            window: self.window,
            refit: task.refit == 1,
            factored: self.order != 0,
            order: &[],
        };
        let tasks = self.tasks().iter().enumerate().map(task).collect();
        Job { tasks, sources: self.sources, sampled: self.sampled == 1, first: self.first }
    }

    unsafe fn job<'a>(&self) -> Job<'a> {
        let mut job: Job<'a> = self.shape();
        if self.order != 0 {
            let order = from_raw_parts(self.order as *const u32, self.columns);
            job.tasks.iter_mut().for_each(|task| task.order = order);
        }
        job
    }

    unsafe fn operands<'a>(&self, job: &Job) -> Vec<Operands<'a>> {
        let (from, store, columns) = (dtype(self.from), dtype(self.store), self.columns);
        let elements = self.rows * columns;
        let operands = |(task, call): (&Task, &mut TaskCall)| {
            let weights = bytes(call.weights, elements * from.bytes());
            let pairs = self.rows * task.groups() * store.bytes();
            Operands {
                source: Source { weights, from, columns, store, rounding: Rounding::Stored },
                stored: Packed {
                    words: bytes_mut(call.words, elements / 8 * task.bits),
                    scales: bytes_mut(call.scales, pairs),
                    biases: bytes_mut(call.biases, pairs),
                },
                sums: from_raw_parts_mut(call.sums as *mut RowSums, self.rows),
            }
        };
        job.tasks.iter().zip(self.tasks()).map(operands).collect()
    }

    unsafe fn with_works<T>(&self, run: impl FnOnce(&mut Workspaces) -> T) -> T {
        let job = self.job();
        let memory = from_raw_parts_mut(self.workspace as *mut f64, job.workspace());
        with_scratch(|scratch| run(&mut Workspaces { job: &job, memory, scratch }))
    }

    /// Positions `[start, end)` and their rows of R.
    unsafe fn block<'a>(&self, start: usize, end: usize, factor: usize) -> Block<'a> {
        let factor = floats_mut(factor, (end - start) * (self.columns - start));
        Block::of(start, end, self.columns, factor)
    }
}

/// Maximum number of positions in a block.
#[wasm_bindgen]
pub fn tune_block_size() -> usize {
    BLOCK
}

/// How many float64 of workspace a [`TuneCall`] needs. Of its addresses, only `tasks` must be set.
/// `order` is only compared with 0.
///
/// # Safety
/// `call` is the address of a [`TuneCall`].
#[wasm_bindgen]
pub unsafe fn tune_workspace(call: usize) -> usize {
    TuneCall::at(call).shape().workspace()
}

/// Writes the number of NaN and infinities among the weights of each task. If there are any, the
/// job ends here.
///
/// # Safety
/// Every address of the [`TuneCall`] lies in the arena with the memory that its operand needs,
/// aligned to 8.
#[wasm_bindgen]
pub unsafe fn tune_prepare(call: usize) {
    let call = TuneCall::at(call);
    let importance = &*floats_mut(call.importance, call.columns);
    let counts =
        call.with_works(|works| tuned::prepare(&mut call.operands(works.job), importance, works));
    for (task, count) in call.tasks().iter_mut().zip(counts) {
        task.non_finite = count;
    }
}

/// Adds up the loss of plain rounding. Visits all blocks before the first [`tune_block`]; in a
/// sampled job, after the last one and [`tune_compare`].
///
/// # Safety
/// As [`tune_block`].
#[wasm_bindgen]
pub unsafe fn tune_rounded_block(call: usize, start: usize, end: usize, factor: usize) {
    let call = TuneCall::at(call);
    let block = call.block(start, end, factor);
    call.with_works(|works| tuned::round_block(&block, works));
}

/// Tunes positions `[start, end)`. `factor` = R `[end - start, columns - start]`: their rows from
/// column `start` on.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_block(call: usize, start: usize, end: usize, factor: usize) {
    let call = TuneCall::at(call);
    let block = call.block(start, end, factor);
    call.with_works(|works| tuned::tune_block(&block, works));
}

/// Makes a sampled job ready for [`tune_rounded_block`], after the last [`tune_block`].
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_compare(call: usize) {
    let call = TuneCall::at(call);
    call.with_works(|works| tuned::compare(&call.operands(works.job), works));
}

/// Writes the stored bytes and the sums of all rows.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_finish(call: usize) {
    let call = TuneCall::at(call);
    call.with_works(|works| tuned::finish(&mut call.operands(works.job), works));
}

/// The expected loss of a task, after `tune_prepare`. `pivots` are float32 in natural order.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_loss(call: usize, index: usize, pivots: usize) -> f64 {
    let call = TuneCall::at(call);
    let pivots = &*floats_mut(pivots, call.columns);
    call.with_works(|works| {
        forecast::expected_loss(&works.job.tasks[index], pivots, &works.of(index))
    })
}

/// Prepares `forecast_energy_block`, after `tune_prepare`. It uses the memory of task 0.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_start(call: usize) {
    let call = TuneCall::at(call);
    call.with_works(|works| forecast::take_weights(&works.job.tasks[0], &mut works.of(0)));
}

/// Visits blocks as [`tune_block`] does. Returns tr(W H Wᵀ) so far.
///
/// # Safety
/// As [`tune_block`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_block(call: usize, start: usize, end: usize, factor: usize) -> f64 {
    let call = TuneCall::at(call);
    let block = call.block(start, end, factor);
    call.with_works(|works| {
        let (task, mut work) = (works.job.tasks[0], works.of(0));
        add_rounded(&task, &block, Sample::ALL, &mut work);
        forecast::energy(&task, &work)
    })
}
