//! A tuning job: some rows of a weight matrix at several widths, and their workspace. A task is the
//! work at one width. The tasks of a job advance block by block together. The second derivatives of
//! the loss (descent.rs) depend on the Hessian alone, so they are computed once for all.
//!
//! A matrix is tuned in the order in which its Hessian was factorized. Position p holds natural
//! column `order[p]`, and H' = RᵀR with R upper triangular in positions. With errors E = W - Ŵ
//! (weights minus what a reader decodes) the loss is tr(E H' Eᵀ) = Σ t², t[row][p] = Σ_{q >= p}
//! E[row][q] · R[p][q]. All of this is per row; rows do not interact.

use crate::affine::levels;
use crate::half::Dtype;

/// Rows that are processed together: four vectors. Rows are padded with zeros to a multiple of it.
pub const CHUNK: usize = 16;
/// Columns of a block (sweep.rs).
pub const BLOCK: usize = 128;
/// Up to this many columns, descent checks all of them; its Gram matrix has their number squared.
const WHOLE: usize = 5120;
/// In wider matrices it checks this many. A multiple of BLOCK.
const WINDOW: usize = 1024;

/// The work at one width.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Number of its weights among those of the job.
    pub source: usize,
    pub rows: usize,
    pub columns: usize,
    pub bits: usize,
    pub group: usize,
    /// Dtype of scales and biases.
    pub store: Dtype,
    /// Passes of descent over the finished columns after each block (descent.rs). 0: none.
    pub sweeps: usize,
    /// How many columns descent checks at most, a multiple of BLOCK. 0: as many as pay. The same
    /// for all tasks of a job that descend.
    pub window: usize,
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

    /// Elements between two columns. It is an odd number of cache lines, so that equal rows of many
    /// columns fall into different cache sets.
    pub fn stride(&self) -> usize {
        ((self.padded() / CHUNK) | 1) * CHUNK
    }

    /// Place of a row in a column (or position) where chunks of rows follow one another.
    #[inline(always)]
    pub fn place(&self, column: usize, row: usize) -> usize {
        place(self.columns, column, row)
    }

    /// The same for scales and biases, by group of columns.
    #[inline(always)]
    pub fn pair(&self, group: usize, row: usize) -> usize {
        place(self.groups(), group, row)
    }

    pub fn groups(&self) -> usize {
        self.columns / self.group
    }

    pub fn levels(&self) -> f32 {
        levels(self.bits)
    }

    /// How many columns descent checks, including the block's. 0: it does not run.
    pub fn reach(&self) -> usize {
        let most = match self.window {
            0 if self.columns <= WHOLE => self.columns,
            0 => WINDOW,
            window => window,
        };
        if self.factored && self.sweeps > 0 {
            most.min(self.columns)
        } else {
            0
        }
    }

    /// Refitting needs gradients of all columns.
    pub fn refits(&self) -> bool {
        self.refit && self.reach() == self.columns
    }
}

#[inline(always)]
fn place(columns: usize, column: usize, row: usize) -> usize {
    (row / CHUNK * columns + column) * CHUNK + row % CHUNK
}

/// Tasks with the same rows, columns, factor and order.
pub struct Job<'a> {
    pub tasks: Vec<Task<'a>>,
    /// Number of weights: one for all tasks, or one for each.
    pub sources: usize,
    /// Whether plain rounding is compared after tuning, and its whole loss computed for a sample of
    /// the rows alone (sweep.rs). For the others it is enough to know which of the two is better.
    pub sampled: bool,
    /// Number of the job's first row within its matrix, from which the sample is counted.
    pub first: usize,
}

impl Job<'_> {
    /// How many columns the descent of any task checks.
    pub fn reach(&self) -> usize {
        self.tasks.iter().map(Task::reach).max().unwrap_or(0)
    }
}
