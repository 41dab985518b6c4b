//! One tuning job: some rows of a weight matrix at one width, and their workspace.
//!
//! A matrix is tuned in the order in which its Hessian was factorized. Position p holds natural
//! column `order[p]`, and H' = RᵀR with R upper triangular in positions. With errors E = W - Ŵ
//! (weights minus what a reader decodes) the loss is tr(E H' Eᵀ) = Σ t², t[row][p] = Σ_{q >= p}
//! E[row][q] · R[p][q]. All of this is per row; rows do not interact.

use crate::affine::levels;
use crate::gemm::Scratch;
use crate::half::Dtype;

/// Rows that are processed together: four vectors. Rows are padded with zeros to a multiple of it.
pub const CHUNK: usize = 16;
/// Columns of a block (sweep.rs).
pub const BLOCK: usize = 128;
/// Up to this many columns, descent checks all of them; its Gram matrix has their number squared.
const WHOLE: usize = 5120;
/// In wider matrices it checks this many. A multiple of BLOCK.
const WINDOW: usize = 1024;

#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    pub rows: usize,
    pub columns: usize,
    pub bits: usize,
    pub group: usize,
    /// Dtype of scales and biases.
    pub store: Dtype,
    /// Passes of descent over the finished columns after each block (descent.rs). 0: none.
    pub sweeps: usize,
    /// Whether scales and biases are fitted to the codes at the end (refit.rs).
    pub refit: bool,
    /// Whether there is a factor. Without one only the weights of the columns count.
    pub factored: bool,
    /// Natural column of each position; empty without a factor.
    pub order: &'a [u32],
}

impl Task<'_> {
    /// Rows with their padding.
    pub fn padded(&self) -> usize {
        self.rows.next_multiple_of(CHUNK)
    }

    /// Elements from one column to the next where rows lie side by side: whole cache lines, and an
    /// odd number of them, so that the same rows of many columns do not compete for one set of the
    /// cache.
    pub fn stride(&self) -> usize {
        ((self.padded() / CHUNK) | 1) * CHUNK
    }

    pub fn groups(&self) -> usize {
        self.columns / self.group
    }

    pub fn levels(&self) -> f32 {
        levels(self.bits)
    }

    /// How many columns descent checks, including the block's. 0: it does not run.
    pub fn reach(&self) -> usize {
        match (self.factored && self.sweeps > 0, self.columns <= WHOLE) {
            (false, _) => 0,
            (true, true) => self.columns,
            (true, false) => WINDOW,
        }
    }

    /// Refitting needs gradients of all columns.
    pub fn refits(&self) -> bool {
        self.refit && self.reach() == self.columns
    }

    /// Float64 that the job's [`Workspace`] needs.
    pub fn workspace(&self) -> usize {
        let factored = usize::from(self.factored);
        2 * self.padded()
            + (3 + factored) * line_doubles(self.columns * self.stride())
            + 2 * line_doubles(self.groups() * self.stride())
            + factored * line_doubles(BLOCK * self.stride())
            + 3 * line_doubles(self.rows * self.reach())
            + line_doubles(self.reach() * self.reach())
            + line_doubles(self.reach())
    }
}

/// The memory of a job. `[columns, stride]` means one column after another, the rows of each side
/// by side.
pub struct Workspace<'a> {
    /// `[rows]` Losses of tuning.
    pub losses: &'a mut [f64],
    /// `[rows]` Losses of plain rounding.
    pub rounded_losses: &'a mut [f64],
    /// `[columns, stride]` W, columns in natural order.
    pub weights: &'a mut [f32],
    /// `[columns, stride]` E, by position.
    pub errors: &'a mut [f32],
    /// `[columns, stride]` E of plain rounding, by position; empty without a factor.
    pub rounded: &'a mut [f32],
    /// `[columns, stride]` Codes, by position.
    pub codes: &'a mut [f32],
    /// `[groups, stride]` As stored.
    pub scales: &'a mut [f32],
    pub biases: &'a mut [f32],
    /// `[BLOCK, stride]` The t of a block.
    pub products: &'a mut [f32],
    /// `[rows, reach]` Half the loss's derivatives by E, negated by Ŵ.
    pub gradients: &'a mut [f32],
    /// `[rows, reach]` Where gradient / Gram diagonal is outside these bounds, another code is
    /// better.
    pub low: &'a mut [f32],
    pub high: &'a mut [f32],
    /// `[reach, reach]` Second derivatives, halved.
    pub gram: &'a mut [f32],
    /// `[reach]` 1 / their diagonal.
    pub inverse: &'a mut [f32],
    /// Memory for the panels of products.
    pub scratch: &'a mut Scratch,
}

impl<'a> Workspace<'a> {
    /// Cuts the memory into its parts, the same every time: a call finds what the last one left.
    pub fn carve(task: &Task, memory: &'a mut [f64], scratch: &'a mut Scratch) -> Self {
        let mut memory = Memory { rest: memory };
        let side_by_side = task.columns * task.stride();
        let factored = usize::from(task.factored);
        let pairs = task.groups() * task.stride();
        let gradients = task.rows * task.reach();
        Self {
            losses: memory.doubles(task.padded()),
            rounded_losses: memory.doubles(task.padded()),
            weights: memory.floats(side_by_side),
            errors: memory.floats(side_by_side),
            rounded: memory.floats(side_by_side * factored),
            codes: memory.floats(side_by_side),
            scales: memory.floats(pairs),
            biases: memory.floats(pairs),
            products: memory.floats(BLOCK * task.stride() * factored),
            gradients: memory.floats(gradients),
            low: memory.floats(gradients),
            high: memory.floats(gradients),
            gram: memory.floats(task.reach() * task.reach()),
            inverse: memory.floats(task.reach()),
            scratch,
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
