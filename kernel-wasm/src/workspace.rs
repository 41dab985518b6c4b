//! The memory of a tuning job.

use crate::gemm::Scratch;
use crate::tuning::{Job, Task, BLOCK};

/// The memory of one task. `[chunks, columns, 16]` means one chunk of sixteen rows after another,
/// in each one column after another, in each the rows side by side. So products read it as it is.
pub struct Workspace<'a> {
    /// `[BLOCK, stride]` The t of a block. All tasks use this memory in turn.
    pub products: &'a mut [f32],
    /// `[reach, reach]` Second derivatives, halved; the same for all tasks.
    pub gram: &'a mut [f32],
    /// `[reach]` 1 / their diagonal.
    pub inverse: &'a mut [f32],
    /// Memory for the panels of products.
    pub scratch: &'a mut Scratch,
    /// `[chunks, columns, 16]` W, columns in natural order. Tasks with the same source share it.
    pub weights: &'a mut [f32],
    /// `[rows]` Losses of tuning.
    pub losses: &'a mut [f64],
    /// `[rows]` Losses of plain rounding.
    pub rounded_losses: &'a mut [f64],
    /// `[chunks, columns, 16]` E, by position: first that of plain rounding, then that of tuning.
    pub errors: &'a mut [f32],
    /// `[chunks, columns, 16]` Codes, by position.
    pub codes: &'a mut [f32],
    /// `[chunks, groups, 16]` As stored.
    pub scales: &'a mut [f32],
    pub biases: &'a mut [f32],
    /// `[rows, reach]` Half the loss's derivatives by E, negated by Ŵ.
    pub gradients: &'a mut [f32],
    /// `[rows, reach]` Where gradient / Gram diagonal is outside these bounds, another code is
    /// better.
    pub low: &'a mut [f32],
    pub high: &'a mut [f32],
}

/// The memory of all tasks of a job.
pub struct Workspaces<'a> {
    pub job: &'a Job<'a>,
    pub memory: &'a mut [f64],
    pub scratch: &'a mut Scratch,
}

impl Workspaces<'_> {
    pub fn of(&mut self, index: usize) -> Workspace<'_> {
        Workspace::of(self.job, index, self.memory, self.scratch)
    }
}

impl Job<'_> {
    /// Float64 that the workspaces of all tasks need.
    pub fn workspace(&self) -> usize {
        let (first, reach) = (&self.tasks[0], self.reach());
        let products = usize::from(first.factored) * BLOCK * first.stride();
        line_doubles(products)
            + line_doubles(reach * reach)
            + line_doubles(reach)
            + self.sources * line_doubles(first.columns * first.padded())
            + self.tasks.iter().map(own_doubles).sum::<usize>()
    }
}

/// Float64 of the parts that belong to one task alone.
fn own_doubles(task: &Task) -> usize {
    2 * task.padded()
        + 2 * line_doubles(task.columns * task.padded())
        + 2 * line_doubles(task.groups() * task.padded())
        + 3 * line_doubles(task.rows * task.reach())
}

impl<'a> Workspace<'a> {
    /// Cuts out the memory of task `index`, the same every time: a call finds what the last one
    /// left.
    fn of(job: &Job, index: usize, memory: &'a mut [f64], scratch: &'a mut Scratch) -> Self {
        let (task, reach) = (&job.tasks[index], job.reach());
        let mut memory = Memory { rest: memory };
        let products = memory.floats(usize::from(task.factored) * BLOCK * task.stride());
        let (gram, inverse) = (memory.floats(reach * reach), memory.floats(reach));
        let elements = task.columns * task.padded();
        let mut weights: Vec<_> = (0..job.sources).map(|_| memory.floats(elements)).collect();
        memory.doubles(job.tasks[..index].iter().map(own_doubles).sum());
        let pairs = task.groups() * task.padded();
        let gradients = task.rows * task.reach();
        Self {
            products,
            gram,
            inverse,
            scratch,
            weights: weights.swap_remove(task.source),
            losses: memory.doubles(task.padded()),
            rounded_losses: memory.doubles(task.padded()),
            errors: memory.floats(elements),
            codes: memory.floats(elements),
            scales: memory.floats(pairs),
            biases: memory.floats(pairs),
            gradients: memory.floats(gradients),
            low: memory.floats(gradients),
            high: memory.floats(gradients),
        }
    }
}

/// The rest of a workspace's memory.
struct Memory<'a> {
    rest: &'a mut [f64],
}

impl<'a> Memory<'a> {
    fn doubles(&mut self, count: usize) -> &'a mut [f64] {
        let (part, rest) = std::mem::take(&mut self.rest).split_at_mut(count);
        self.rest = rest;
        part
    }

    /// Whole cache lines, cut to `count`.
    fn floats(&mut self, count: usize) -> &'a mut [f32] {
        let part = self.doubles(line_doubles(count));
        // SAFETY: every float64 is two float32.
        let floats = unsafe { part.align_to_mut::<f32>() }.1;
        &mut floats[..count]
    }
}

/// Float64 in the cache lines of `count` float32.
fn line_doubles(count: usize) -> usize {
    count.div_ceil(16) * 8
}
