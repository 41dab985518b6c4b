//! Tuning: a job comes as `tune_prepare`, `tune_block` from the last block of positions to the first if it has a factor, and
//! `tune_finish`. What they share lies in the arena.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, bytes_mut, dtype, floats_mut, with_scratch};
use crate::forecast;
use crate::sweep::Block;
use crate::tile::{Rounding, Tile};
use crate::tuned::{self, Stored, Totals};
use crate::tuning::{Plan, Rooms, BLOCK};

/// Numbers of a job, as tune.ts writes them: shape, switches, addresses.
struct Job {
    plan: Plan,
    from: usize,
    weights: usize,
    order: usize,
    importance: usize,
    words: usize,
    scales: usize,
    biases: usize,
    room: usize,
    totals: usize,
}

impl Job {
    unsafe fn at(address: usize) -> Self {
        let number = |i: usize| *(address as *const u32).add(i) as usize;
        Self {
            plan: Plan {
                rows: number(0),
                columns: number(1),
                bits: number(2),
                group: number(3),
                store: dtype(number(4)),
                sweeps: number(5),
                refit: number(6) != 0,
                factored: number(9) != 0,
            },
            from: number(7),
            weights: number(8),
            order: number(9),
            importance: number(10),
            words: number(11),
            scales: number(12),
            biases: number(13),
            room: number(14),
            totals: number(15),
        }
    }

    unsafe fn tile(&self) -> Tile<'_> {
        let from = dtype(self.from);
        let weights = bytes(self.weights, self.plan.rows * self.plan.columns * from.bytes());
        Tile {
            weights,
            from,
            columns: self.plan.columns,
            store: self.plan.store,
            rounding: Rounding::Stored,
        }
    }

    unsafe fn order(&self) -> &[u32] {
        if self.plan.factored {
            from_raw_parts(self.order as *const u32, self.plan.columns)
        } else {
            &[]
        }
    }

    unsafe fn stored(&self) -> Stored<'_> {
        let Plan { rows, columns, bits, store, .. } = self.plan;
        let pairs = rows * self.plan.groups() * store.bytes();
        Stored {
            words: bytes_mut(self.words, rows * columns / 8 * bits),
            scales: bytes_mut(self.scales, pairs),
            biases: bytes_mut(self.biases, pairs),
        }
    }

    unsafe fn rooms(&self) -> Rooms<'_> {
        Rooms::carve(&self.plan, from_raw_parts_mut(self.room as *mut f64, self.plan.room()))
    }

    unsafe fn totals(&self) -> &mut [f64; 6] {
        &mut *(self.totals as *mut [f64; 6])
    }
}

/// Positions of a block, at most.
#[wasm_bindgen]
pub fn tune_block_size() -> usize {
    BLOCK
}

/// Float64 of room that the job at `job` needs; its addresses may still be missing, but for whether `order` is 0.
///
/// # Safety
/// `job` are 16 32-bit numbers in the order of [`Job`].
#[wasm_bindgen]
pub unsafe fn tune_room(job: usize) -> usize {
    Job::at(job).plan.room()
}

/// # Safety
/// As [`tune_room`]; every address lies in the arena with the room that its operand needs, aligned to 8.
#[wasm_bindgen]
pub unsafe fn tune_prepare(job: usize) {
    let job = Job::at(job);
    let importance = &*floats_mut(job.importance, job.plan.columns);
    let (mut stored, mut rooms) = (job.stored(), job.rooms());
    let totals =
        tuned::prepare(&job.plan, &job.tile(), job.order(), importance, &mut stored, &mut rooms);
    write(job.totals(), &totals);
}

/// Positions `[start, end)`; `factor` = R `[end - start, columns - start]`, those rows from column `start` on.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_block(job: usize, start: usize, end: usize, factor: usize) {
    let job = Job::at(job);
    let columns = job.plan.columns;
    let factor = floats_mut(factor, (end - start) * (columns - start));
    let block = Block::of(start, end, columns, factor);
    with_scratch(|scratch| {
        tuned::tune_block(&job.plan, job.order(), &block, &mut job.rooms(), scratch)
    });
}

/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn tune_finish(job: usize) {
    let job = Job::at(job);
    let [loss, rounded_loss, rounded_rows, squared_error, energy, non_finite] = *job.totals();
    let mut totals = Totals { loss, rounded_loss, rounded_rows, squared_error, energy, non_finite };
    tuned::finish(
        &job.plan,
        &job.tile(),
        job.order(),
        &mut job.stored(),
        &job.rooms(),
        &mut totals,
    );
    write(job.totals(), &totals);
}

fn write(to: &mut [f64; 6], totals: &Totals) {
    let Totals { loss, rounded_loss, rounded_rows, squared_error, energy, non_finite } = *totals;
    *to = [loss, rounded_loss, rounded_rows, squared_error, energy, non_finite];
}

/// The loss that tuning at the job's width is expected to leave, after `tune_prepare`; `pivots` are float32 in natural order.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_loss(job: usize, pivots: usize) -> f64 {
    let job = Job::at(job);
    let pivots = &*floats_mut(pivots, job.plan.columns);
    forecast::expected_loss(&job.plan, pivots, &job.rooms())
}

/// After `tune_prepare`: makes ready for `forecast_energy_block`.
///
/// # Safety
/// As [`tune_prepare`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_start(job: usize) {
    let job = Job::at(job);
    forecast::take_weights(&job.plan, job.order(), &mut job.rooms());
}

/// As [`tune_block`], for tr(W H Wᵀ) so far.
///
/// # Safety
/// As [`tune_block`].
#[wasm_bindgen]
pub unsafe fn forecast_energy_block(job: usize, start: usize, end: usize, factor: usize) -> f64 {
    let job = Job::at(job);
    let columns = job.plan.columns;
    let factor = floats_mut(factor, (end - start) * (columns - start));
    let block = Block::of(start, end, columns, factor);
    let mut rooms = job.rooms();
    with_scratch(|scratch| forecast::add_energy(&job.plan, &block, &mut rooms, scratch));
    forecast::energy(&job.plan, &rooms)
}
