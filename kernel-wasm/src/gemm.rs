//! Matrix products: C += α·A·B in float32, the loop nest behind all matrix work here.
//!
//! The operands are packed into panels that the innermost loop reads sequentially (Goto and van de
//! Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008). A micro-tile
//! of 6 × 8 results is the largest that V8 keeps in registers on x86-64.
//!
//! Every element of C is computed the same way wherever it lies. For each block of [`DEPTH`] steps
//! of k, counted from 0, a sum from zero is made by fused multiply-adds in order of k; then `c =
//! α·sum + c`, fused. So rows and columns may be split into jobs freely.

use crate::lanes::Floats;
use crate::panels::{load, pack, store};

/// Rows and columns of a micro-tile, the part of C in registers.
const ROWS: usize = 6;
const COLUMNS: usize = 8;
/// Steps of k between two visits of C: a panel of B, DEPTH × COLUMNS, stays in the first-level
/// cache. Part of the results' bits.
pub const DEPTH: usize = 256;
/// Rows of A packed at a time: HEIGHT × DEPTH stay in the second-level cache.
const HEIGHT: usize = 96;
/// Columns of B packed at a time.
const WIDTH: usize = 2048;

/// A matrix in memory: element (i, k) at `data[i * row + k * column]`.
#[derive(Clone, Copy)]
pub struct View {
    pub data: *const f32,
    pub row: usize,
    pub column: usize,
}

impl View {
    /// Row-major with rows `stride` elements apart.
    pub fn of_rows(data: *const f32, stride: usize) -> Self {
        Self { data, row: stride, column: 1 }
    }

    /// The same memory with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { data: self.data, row: self.column, column: self.row }
    }
}

/// Memory for packed panels, reused from call to call.
#[derive(Default)]
pub struct Scratch {
    a: Vec<Line>,
    b: Vec<Line>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; 16]);

/// Memory for at least `floats` values, at the start of a cache line.
fn memory_for(lines: &mut Vec<Line>, floats: usize) -> *mut f32 {
    let needed = floats.div_ceil(16);
    if lines.len() < needed {
        lines.resize(needed, Line([0.0; 16]));
    }
    lines.as_mut_ptr().cast()
}

/// A matrix to add to: row-major with rows `stride` elements apart.
#[derive(Clone, Copy)]
pub struct Target {
    pub data: *mut f32,
    pub stride: usize,
}

/// C += α·A·B for A `[m, k]`, B `[k, n]` and C `[m, n]`.
#[derive(Clone, Copy)]
pub struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub alpha: f32,
    pub a: View,
    pub b: View,
    pub c: Target,
    /// If d is given, only elements (i, j) with j >= i + d are needed. Whole micro-tiles are
    /// computed, so other elements may change too; do not read them afterwards.
    pub diagonal: Option<usize>,
}

impl Product {
    /// All of C += A·B.
    pub fn of([m, n, k]: [usize; 3], a: View, b: View, c: Target) -> Self {
        Self { m, n, k, alpha: 1.0, a, b, c, diagonal: None }
    }

    /// Whether rows from `row` on have no needed element in columns before `end`.
    fn is_below(&self, row: usize, end: usize) -> bool {
        self.diagonal.is_some_and(|diagonal| row + diagonal >= end)
    }
}

/// Computes a product.
///
/// # Safety
/// The views cover their matrices in readable memory. C is writable and overlaps neither.
pub unsafe fn gemm(product: &Product, scratch: &mut Scratch) {
    let &Product { m, n, k, a, b, .. } = product;
    let depth = k.min(DEPTH);
    // Packing six rows writes two values too many.
    let packed_a = memory_for(&mut scratch.a, m.min(HEIGHT).next_multiple_of(ROWS) * depth + 2);
    let packed_b = memory_for(&mut scratch.b, n.min(WIDTH).next_multiple_of(COLUMNS) * depth);
    for left in (product.diagonal.unwrap_or(0) / COLUMNS * COLUMNS..n).step_by(WIDTH) {
        let width = WIDTH.min(n - left);
        for at in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - at);
            let from_b = View { data: b.data.add(at * b.row + left * b.column), ..b };
            pack::<COLUMNS>(from_b.transposed(), width, depth, packed_b);
            for top in (0..m).step_by(HEIGHT) {
                if product.is_below(top, left + width) {
                    break;
                }
                let height = HEIGHT.min(m - top);
                let from_a = View { data: a.data.add(top * a.row + at * a.column), ..a };
                pack::<ROWS>(from_a, height, depth, packed_a);
                let panels = Panels { depth, a: packed_a, b: packed_b, top, left, height, width };
                add_panels(product, panels);
            }
        }
    }
}

/// A matrix `[lines, columns]` in chunks of [`CHUNK`] columns, one after another: element (k, j) at
/// `data[(j / CHUNK * lines + k) * CHUNK + j % CHUNK]`. The innermost loop reads it as it is.
#[derive(Clone, Copy)]
pub struct Chunks {
    pub data: *const f32,
    pub lines: usize,
}

/// Columns of a chunk: a cache line.
const CHUNK: usize = 16;

/// C += A·B in the columns of some chunks: A `[m, k]` with m of at most some hundred, B `[k, n]`, C
/// `[m, n]`. The same bits as [`gemm`].
///
/// # Safety
/// As [`gemm`].
pub unsafe fn gemm_chunks(
    [m, k]: [usize; 2],
    a: View,
    (b, chunks): (Chunks, impl Iterator<Item = usize> + Clone),
    c: Target,
    scratch: &mut Scratch,
) {
    let packed = memory_for(&mut scratch.a, m.next_multiple_of(ROWS) * k.min(DEPTH) + 2);
    for at in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - at);
        pack::<ROWS>(View { data: a.data.add(at * a.column), ..a }, m, depth, packed);
        let halves = |chunk| [chunk * CHUNK, chunk * CHUNK + COLUMNS];
        for j in chunks.clone().flat_map(halves) {
            let b = b.data.add((j / CHUNK * b.lines + at) * CHUNK + j % CHUNK);
            for i in (0..m).step_by(ROWS) {
                let step = Step { depth, alpha: 1.0, a: packed.add(i * depth), b, line: CHUNK };
                let to = Target { data: c.data.add(i * c.stride + j), ..c };
                add_micro_tile(&step, to, ROWS.min(m - i), COLUMNS);
            }
        }
    }
}

/// Packed rows `top..` of A and columns `left..` of B, over `depth` steps.
struct Panels {
    depth: usize,
    a: *const f32,
    b: *const f32,
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

#[inline(always)]
unsafe fn add_panels(product: &Product, panels: Panels) {
    let Panels { depth, top, left, height, width, .. } = panels;
    let Target { data, stride } = product.c;
    for j in (0..width).step_by(COLUMNS) {
        let columns = COLUMNS.min(width - j);
        for i in (0..height).step_by(ROWS) {
            if product.is_below(top + i, left + j + columns) {
                break;
            }
            let to = Target { data: data.add((top + i) * stride + left + j), stride };
            let (a, b) = (panels.a.add(i * depth), panels.b.add(j * depth));
            let step = Step { depth, alpha: product.alpha, a, b, line: COLUMNS };
            add_micro_tile(&step, to, ROWS.min(height - i), columns);
        }
    }
}

/// One micro-tile's share of packed A and B.
struct Step {
    depth: usize,
    alpha: f32,
    a: *const f32,
    b: *const f32,
    /// Elements from one line of B to the next.
    line: usize,
}

#[inline(always)]
unsafe fn add_micro_tile(step: &Step, to: Target, rows: usize, columns: usize) {
    if rows == ROWS && columns == COLUMNS {
        micro_kernel(step, to);
    } else {
        edge(step, to, rows, columns);
    }
}

/// One micro-tile: C += α·A·B over `depth` steps, A packed as `[depth, ROWS]`, B in
/// lines of COLUMNS.
///
/// It is a separate function, so that V8 switches to optimized code during a large product. The
/// loop is not unrolled: unrolling makes V8 spill registers.
#[inline(never)]
unsafe fn micro_kernel(step: &Step, Target { data, stride }: Target) {
    let &Step { depth, alpha, mut a, mut b, line } = step;
    let mut sums = [[Floats::splat(0.0); COLUMNS / 4]; ROWS];
    let end = a.add(depth * ROWS);
    while a != end {
        let (left, right) = (load(b), load(b.add(4)));
        for (i, sums) in sums.iter_mut().enumerate() {
            let factor = Floats::splat(*a.add(i));
            sums[0] = factor.mul_add(left, sums[0]);
            sums[1] = factor.mul_add(right, sums[1]);
        }
        a = a.add(ROWS);
        b = b.add(line);
    }
    let alpha = Floats::splat(alpha);
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            let at = data.add(i * stride + 4 * j);
            store(at, sum.mul_add(alpha, load(at)));
        }
    }
}

/// As [`micro_kernel`], where fewer rows or columns of C are left. Computes a whole micro-tile
/// beside C, so that the arithmetic is the same.
unsafe fn edge(step: &Step, to: Target, rows: usize, columns: usize) {
    let mut whole = [0.0; ROWS * COLUMNS];
    for i in 0..rows {
        let from = to.data.add(i * to.stride);
        from.copy_to_nonoverlapping(whole.as_mut_ptr().add(i * COLUMNS), columns);
    }
    micro_kernel(step, Target { data: whole.as_mut_ptr(), stride: COLUMNS });
    for i in 0..rows {
        let row = to.data.add(i * to.stride);
        row.copy_from_nonoverlapping(whole.as_ptr().add(i * COLUMNS), columns);
    }
}

#[cfg(test)]
#[path = "gemm_tests.rs"]
pub(crate) mod tests;
