//! Tuning. A job is `tune_prepare`, then, with a factor, `tune_block` from the last block of
//! positions to the first, then `tune_finish`. They share their data in the arena.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, bytes_mut, dtype, floats_mut, with_scratch};
use crate::forecast;
use crate::packed::Packed;
use crate::quantize::{Rounding, Source};
use crate::sweep::{add_rounded, Block};
use crate::tuned::{self, Job, Stored, Totals};
use crate::tuning::{Task, Workspace, BLOCK};

/// A tuning job: shape, switches, addresses, and the sums so far.
#[repr(C)]
pub struct TuneCall {
    rows: usize,
    columns: usize,
    bits: usize,
    group_size: usize,
    store: usize,
    sweeps: usize,
    /// 1: scales and biases are fitted to the codes at the end.
    refit: usize,
    from: usize,
    weights: usize,
    /// 0: there is no factor.
    order: usize,
    importance: usize,
    words: usize,
    scales: usize,
    biases: usize,
    workspace: usize,
    loss: f64,
    rounded_loss: f64,
    rounded_rows: f64,
    squared_error: f64,
    weight_energy: f64,
    non_finite: f64,
}

impl TuneCall {
    unsafe fn at<'a>(address: usize) -> &'a mut Self {
        &mut *(address as *mut Self)
    }

    /// The task without its order.
    fn shape(&self) -> Task<'static> {
        Task {
            rows: self.rows,
            columns: self.columns,
            bits: self.bits,
            group: self.group_size,
            store: dtype(self.store),
            sweeps: self.sweeps,
            refit: self.refit == 1,
            factored: self.order != 0,
            order: &[],
        }
    }

    unsafe fn task<'a>(&self) -> Task<'a> {
        let order = if self.order == 0 {
            &[]
        } else {
            from_raw_parts(self.order as *const u32, self.columns)
        };
        Task { order, ..self.shape() }
    }

    unsafe fn job<'a>(&self) -> Job<'a> {
        Job { task: self.task(), source: self.source() }
    }

    unsafe fn source<'a>(&self) -> Source<'a> {
        let (from, store) = (dtype(self.from), dtype(self.store));
        let weights = bytes(self.weights, self.rows * self.columns * from.bytes());
        Source { weights, from, columns: self.columns, store, rounding: Rounding::Stored }
    }

    unsafe fn stored<'a>(&self) -> Stored<'a> {
        let task = self.shape();
        let pairs = task.rows * task.groups() * task.store.bytes();
        Packed {
            words: bytes_mut(self.words, task.rows * task.columns / 8 * task.bits),
            scales: bytes_mut(self.scales, pairs),
            biases: bytes_mut(self.biases, pairs),
        }
    }

    unsafe fn with_workspace<T>(&self, run: impl FnOnce(&mut Workspace) -> T) -> T {
        let task = self.shape();
        let memory = from_raw_parts_mut(self.workspace as *mut f64, task.workspace());
        with_scratch(|scratch| run(&mut Workspace::carve(&task, memory, scratch)))
    }

    /// Positions `[start, end)` and their rows of R.
    unsafe fn block<'a>(&self, start: usize, end: usize, factor: usize) -> Block<'a> {
        let factor = floats_mut(factor, (end - start) * (self.columns - start));
        Block::of(start, end, self.columns, factor)
    }

    fn totals(&self) -> Totals {
        Totals {
            loss: self.loss,
            rounded_loss: self.rounded_loss,
            rounded_rows: self.rounded_rows,
            squared_error: self.squared_error,
            energy: self.weight_energy,
            non_finite: self.non_finite,
        }
    }

    fn set_totals(&mut self, totals: Totals) {
        self.loss = totals.loss;
        self.rounded_loss = totals.rounded_loss;
        self.rounded_rows = totals.rounded_rows;
        self.squared_error = totals.squared_error;
        self.weight_energy = totals.energy;
        self.non_finite = totals.non_finite;
    }
}

/// Maximum number of positions in a block.
#[wasm_bindgen]
pub fn tune_block_size() -> usize {
    BLOCK
}

/// How many float64 of workspace a [`TuneCall`] needs. Its addresses may still be missing; of
/// `order` only whether it is 0 counts.
///
/// # Safety
/// `call` is the address of a [`TuneCall`].
#[wasm_bindgen]
pub unsafe fn tune_workspace(call: usize) -> usize {
    TuneCall::at(call).shape().workspace()
}

/// # Safety
/// Every address of the [`TuneCall`] lies in the arena with the memory that its operand needs,
/// aligned to 8.
#[wasm_bindgen]
pub unsafe fn tune_prepare(call: usize) {
    let call = TuneCall::at(call);
    let importance = &*floats_mut(call.importance, call.columns);
    let (job, mut stored) = (call.job(), call.stored());
    let totals = call.with_workspace(|work| tuned::prepare(&job, importance, &mut stored, work));
    call.set_totals(totals);
}

/// Tunes positions `[start, end)`. `factor` = R `[end - start, columns - start]`: their rows from
/// column `start` on.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_block(call: usize, start: usize, end: usize, factor: usize) {
    let call = TuneCall::at(call);
    let (task, block) = (call.task(), call.block(start, end, factor));
    call.with_workspace(|work| tuned::tune_block(&task, &block, work));
}

/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_finish(call: usize) {
    let call = TuneCall::at(call);
    let (job, mut stored) = (call.job(), call.stored());
    let before = call.totals();
    let totals = call.with_workspace(|work| tuned::finish(&job, &mut stored, work, before));
    call.set_totals(totals);
}

/// The expected loss of tuning at the call's width, after `tune_prepare`. `pivots` are float32 in
/// natural order.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_loss(call: usize, pivots: usize) -> f64 {
    let call = TuneCall::at(call);
    let pivots = &*floats_mut(pivots, call.columns);
    let task = call.task();
    call.with_workspace(|work| forecast::expected_loss(&task, pivots, work))
}

/// Prepares `forecast_energy_block`, after `tune_prepare`.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_start(call: usize) {
    let call = TuneCall::at(call);
    let task = call.task();
    call.with_workspace(|work| forecast::take_weights(&task, work));
}

/// Visits blocks as [`tune_block`] does. Returns tr(W H Wᵀ) so far.
///
/// # Safety
/// As [`tune_block`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_block(call: usize, start: usize, end: usize, factor: usize) -> f64 {
    let call = TuneCall::at(call);
    let (task, block) = (call.task(), call.block(start, end, factor));
    call.with_workspace(|work| {
        add_rounded(&task, &block, work);
        forecast::energy(&task, work)
    })
}
