//! The GPTQ sweep (Frantar et al., arXiv 2210.17323) visits positions from the last to the first.
//! Each takes the code nearest to the value that best compensates for the errors so far.
//!
//! When the columns after p have their codes, the columns before p can no longer reduce
//! Σ_{q >= p} t_q². Here t_p = R_pp e_p + Σ_{q > p} R_pq e_q, which is 0 for the weight
//! w_p + Σ_{q > p} R_pq e_q / R_pp. This is GPTQ's update without an inverse matrix. It needs only
//! the errors, so one matrix product corrects a block of columns (left-looking, level 3).

use std::ops::Range;

use crate::gemm::{gemm_chunks, Chunks, Target, View};
use crate::lanes::Floats;
use crate::tuning::{Job, Task, BLOCK, CHUNK};
use crate::workspace::Workspace;

/// Columns that are corrected one by one.
const LEAF: usize = 32;
const VECTORS: usize = CHUNK / 4;

/// Positions `[start, end)`, at most [`BLOCK`] of them, and their rows of R.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    pub start: usize,
    pub end: usize,
    /// Columns of the matrix.
    pub columns: usize,
    /// `[end - start, columns - start]` R from column `start` on; zero below its diagonal.
    pub factor: &'a [f32],
}

impl<'a> Block<'a> {
    /// Sets the elements below the diagonal to 0.
    pub fn of(start: usize, end: usize, columns: usize, factor: &'a mut [f32]) -> Self {
        let width = columns - start;
        assert!(start < end && end <= columns && end - start <= BLOCK);
        assert_eq!(factor.len(), (end - start) * width);
        for (i, row) in factor.chunks_exact_mut(width).enumerate() {
            row[..i].fill(0.0);
        }
        Self { start, end, columns, factor }
    }

    /// R from row p and column q on.
    pub fn at(&self, p: usize, q: usize) -> View {
        let width = self.columns - self.start;
        View::of_rows(self.factor[(p - self.start) * width + q - self.start..].as_ptr(), width)
    }

    fn row(&self, p: usize) -> &'a [f32] {
        &self.factor[(p - self.start) * (self.columns - self.start)..][..self.columns - self.start]
    }
}

/// Chooses the codes of a block. All later blocks are finished. Afterwards `work.products` holds
/// the block's t; their squares are added to the losses.
pub fn sweep(task: &Task, block: &Block, work: &mut Workspace) {
    clear(task, block, work);
    multiply(task, block, [block.start..block.end, block.end..block.columns], all(task), work);
    halves(task, block, block.start..block.end, work);
    add_squares(task, block.end - block.start, work.products, work.losses);
}

/// Adds the squares of plain rounding's t over the block to its losses. `work.errors` are those of
/// plain rounding. With `sampled`, chunks of rows whose losses are known to be above those of
/// tuning are left out, unless they belong to the sample.
pub fn add_rounded(task: &Task, block: &Block, sampled: Sample, work: &mut Workspace) {
    let is_open = |&chunk: &usize| {
        let rows = chunk * CHUNK..(chunk + 1) * CHUNK;
        let mut losses = work.losses[rows.clone()].iter().zip(&work.rounded_losses[rows]);
        sampled.has(chunk) || losses.any(|(loss, rounded)| loss >= rounded)
    };
    let open: Vec<usize> = all(task).filter(is_open).collect();
    clear(task, block, work);
    let ranges = [block.start..block.end, block.start..block.columns];
    multiply(task, block, ranges, open.into_iter(), work);
    add_squares(task, block.end - block.start, work.products, work.rounded_losses);
}

/// The chunks of rows whose loss of plain rounding is computed in any case: all, or every eighth of
/// the matrix, so that the sample does not depend on how the matrix is cut into jobs.
#[derive(Clone, Copy)]
pub struct Sample {
    sampled: bool,
    first: usize,
}

impl Sample {
    pub const ALL: Self = Self { sampled: false, first: 0 };

    pub fn of(job: &Job) -> Self {
        Self { sampled: job.sampled, first: job.first / CHUNK }
    }

    pub fn has(&self, chunk: usize) -> bool {
        !self.sampled || (self.first + chunk).is_multiple_of(8)
    }
}

/// All chunks of rows.
fn all(task: &Task) -> Range<usize> {
    0..task.padded() / CHUNK
}

fn clear(task: &Task, block: &Block, work: &mut Workspace) {
    work.products[..(block.end - block.start) * task.stride()].fill(0.0);
}

/// Products of the positions `to` += R[to, from] · E[from], in some chunks of rows.
fn multiply(
    task: &Task,
    block: &Block,
    [to, from]: [Range<usize>; 2],
    chunks: impl Iterator<Item = usize> + Clone,
    work: &mut Workspace,
) {
    if from.is_empty() {
        return;
    }
    let factor = block.at(to.start, from.start);
    let errors = work.errors[task.place(from.start, 0)..].as_ptr();
    let errors = Chunks { data: errors, lines: task.columns };
    let stride = task.stride();
    let data = work.products[(to.start - block.start) * stride..].as_mut_ptr();
    let (shape, to) = ([to.len(), from.len()], Target { data, stride });
    // SAFETY: the factor's view and the errors end with their slices; the products are other
    // memory.
    unsafe { gemm_chunks(shape, factor, (errors, chunks), to, work.scratch) }
}

/// Chooses the codes of the later half, adds its errors to the products of the earlier half, then
/// chooses the codes of the earlier half.
fn halves(task: &Task, block: &Block, positions: Range<usize>, work: &mut Workspace) {
    let Range { start, end } = positions;
    if end - start <= LEAF {
        return leaf(task, block, positions, work);
    }
    let middle = end - ((end - start) / 2).next_multiple_of(LEAF);
    halves(task, block, middle..end, work);
    multiply(task, block, [start..middle, middle..end], all(task), work);
    halves(task, block, start..middle, work);
}

fn leaf(task: &Task, block: &Block, positions: Range<usize>, work: &mut Workspace) {
    for row in (0..task.padded()).step_by(CHUNK) {
        leaf_rows(task, block, positions.clone(), row, work);
    }
}

/// Sixteen rows of a leaf.
#[inline(never)]
fn leaf_rows(
    task: &Task,
    block: &Block,
    positions: Range<usize>,
    row: usize,
    work: &mut Workspace,
) {
    let (order, stride) = (task.order, task.stride());
    let Range { start, end } = positions;
    let (zero, levels) = (Floats::splat(0.0), Floats::splat(task.levels()));
    let mut done = [[zero; VECTORS]; LEAF];
    for p in (start..end).rev() {
        let natural = order[p] as usize;
        let at = task.place(p, row);
        let pair = task.pair(natural / task.group, row);
        let weights = chunk(&work.weights[task.place(natural, row)..]);
        let (scales, biases) = (chunk(&work.scales[pair..]), chunk(&work.biases[pair..]));
        let products = chunk_mut(&mut work.products[(p - block.start) * stride + row..]);
        let mut sums = [0, 1, 2, 3].map(|lane| Floats::of(products, lane));
        let factors = &block.row(p)[p - block.start..][..end - p];
        for (&factor, done) in factors[1..].iter().zip(&done[p - start + 1..]) {
            let factor = Floats::splat(factor);
            for lane in 0..VECTORS {
                sums[lane] = factor.mul_add(done[lane], sums[lane]);
            }
        }
        let (own, inverse) = (Floats::splat(factors[0]), Floats::splat(1.0 / factors[0]));
        let codes = chunk_mut(&mut work.codes[at..]);
        let errors = chunk_mut(&mut work.errors[at..]);
        for (lane, sum) in sums.into_iter().enumerate() {
            let (weight, scale, bias) =
                (Floats::of(weights, lane), Floats::of(scales, lane), Floats::of(biases, lane));
            let place = (inverse.mul_add(sum, weight) - bias) / scale;
            let code = levels.lesser(zero.greater(place.round_ties_even()));
            let error = weight - (code * scale + bias);
            code.put(codes, lane);
            error.put(errors, lane);
            own.mul_add(error, sum).put(products, lane);
            done[p - start][lane] = error;
        }
    }
}

/// Adds Σ t² of each row, over the first `height` columns of `products`.
fn add_squares(task: &Task, height: usize, products: &[f32], losses: &mut [f64]) {
    let stride = task.stride();
    for (chunk_index, losses) in losses.as_chunks_mut::<CHUNK>().0.iter_mut().enumerate() {
        let mut sums = [Floats::splat(0.0); VECTORS];
        for column in products[..height * stride].chunks_exact(stride) {
            let values = chunk(&column[chunk_index * CHUNK..]);
            for (lane, sum) in sums.iter_mut().enumerate() {
                let value = Floats::of(values, lane);
                *sum = value.mul_add(value, *sum);
            }
        }
        let mut squares = [0.0; CHUNK];
        (0..VECTORS).for_each(|lane| sums[lane].put(&mut squares, lane));
        losses.iter_mut().zip(squares).for_each(|(loss, square)| *loss += f64::from(square));
    }
}

/// The next sixteen rows.
#[inline(always)]
pub fn chunk(values: &[f32]) -> &[f32; CHUNK] {
    values.first_chunk().expect("rows are padded")
}

#[inline(always)]
pub fn chunk_mut(values: &mut [f32]) -> &mut [f32; CHUNK] {
    values.first_chunk_mut().expect("rows are padded")
}
