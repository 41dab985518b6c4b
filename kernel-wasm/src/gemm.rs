//! Matrix products: C += α·A·B in float32, the one loop nest that everything of level 3 here is built on.
//!
//! The operands are packed into panels that the innermost loop reads straight through (Goto and van de Geijn, "Anatomy of
//! high-performance matrix multiplication", ACM TOMS 34(3), 2008). A tile of 6 × 8 results is the largest that V8 keeps in
//! registers on x86-64.
//!
//! Every element of C is computed the same way wherever it lies: for each block of [`DEPTH`] steps of k, counted from 0, a sum
//! from zero by fused multiply-adds in order of k, then `c = α·sum + c`, fused. So rows and columns may be cut into jobs at will.

use crate::lanes::Floats;

/// Rows and columns of a tile of C in registers.
const ROWS: usize = 6;
const COLUMNS: usize = 8;
/// Steps of k between two visits of C: a panel of B, DEPTH × COLUMNS, stays in the first-level cache. Part of the results' bits.
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

/// Room for packed panels, kept from call to call.
#[derive(Default)]
pub struct Scratch {
    a: Vec<Line>,
    b: Vec<Line>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; 16]);

/// At least `floats` values at the start of a cache line.
fn room(lines: &mut Vec<Line>, floats: usize) -> *mut f32 {
    let needed = floats.div_ceil(16);
    if lines.len() < needed {
        lines.resize(needed, Line([0.0; 16]));
    }
    lines.as_mut_ptr().cast()
}

/// C += α·A·B for A `[m, k]`, B `[k, n]` and C `[m, n]`, row-major with rows `ldc` apart.
///
/// # Safety
/// The views cover their matrices in readable memory, C is writable and overlaps neither.
#[allow(clippy::too_many_arguments)]
pub unsafe fn gemm(
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
    a: View,
    b: View,
    c: *mut f32,
    ldc: usize,
    scratch: &mut Scratch,
) {
    product(m, n, k, alpha, a, b, c, ldc, None, scratch);
}

/// As [`gemm`] for the elements of C on and above a diagonal, those (i, j) with j >= i + `diagonal`. Elements below it may be
/// changed too (whole tiles are computed) and are not to be read afterwards.
///
/// # Safety
/// As [`gemm`].
#[allow(clippy::too_many_arguments)]
pub unsafe fn gemm_upper(
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
    a: View,
    b: View,
    c: *mut f32,
    ldc: usize,
    diagonal: usize,
    scratch: &mut Scratch,
) {
    product(m, n, k, alpha, a, b, c, ldc, Some(diagonal), scratch);
}

#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn product(
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
    a: View,
    b: View,
    c: *mut f32,
    ldc: usize,
    diagonal: Option<usize>,
    scratch: &mut Scratch,
) {
    // Whether rows from `row` on have nothing on or above the diagonal in columns before `end`.
    let below = |row: usize, end: usize| diagonal.is_some_and(|diagonal| row + diagonal >= end);
    let depth = k.min(DEPTH);
    // Packing six rows writes two values too many.
    let packed_a = room(&mut scratch.a, m.min(HEIGHT).next_multiple_of(ROWS) * depth + 2);
    let packed_b = room(&mut scratch.b, n.min(WIDTH).next_multiple_of(COLUMNS) * depth);
    for left in (diagonal.unwrap_or(0) / COLUMNS * COLUMNS..n).step_by(WIDTH) {
        let width = WIDTH.min(n - left);
        for at in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - at);
            let from_b = b.data.add(at * b.row + left * b.column);
            pack::<COLUMNS>(from_b, b.column, b.row, width, depth, packed_b);
            for top in (0..m).step_by(HEIGHT) {
                if below(top, left + width) {
                    break;
                }
                let height = HEIGHT.min(m - top);
                pack::<ROWS>(
                    a.data.add(top * a.row + at * a.column),
                    a.row,
                    a.column,
                    height,
                    depth,
                    packed_a,
                );
                for j in (0..width).step_by(COLUMNS) {
                    let columns = COLUMNS.min(width - j);
                    for i in (0..height).step_by(ROWS) {
                        if below(top + i, left + j + columns) {
                            break;
                        }
                        let c = c.add((top + i) * ldc + left + j);
                        let (a, b) = (packed_a.add(i * depth), packed_b.add(j * depth));
                        if height - i >= ROWS && columns == COLUMNS {
                            tile(depth, alpha, a, b, c, ldc);
                        } else {
                            edge(depth, alpha, a, b, c, ldc, ROWS.min(height - i), columns);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn load(at: *const f32) -> Floats {
    Floats::load(&*at.cast())
}

#[inline(always)]
unsafe fn store(at: *mut f32, values: Floats) {
    values.store(&mut *at.cast());
}

/// One tile: C += α·A·B over `depth` steps, A packed as `[depth, ROWS]`, B as `[depth, COLUMNS]`.
/// A function of its own, so that V8 swaps in optimized code while a large product is under way; one step an iteration, because
/// unrolled steps make LLVM load ahead and V8 spill.
#[inline(never)]
unsafe fn tile(depth: usize, alpha: f32, a: *const f32, b: *const f32, c: *mut f32, ldc: usize) {
    let (mut a, mut b) = (a, b);
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
        b = b.add(COLUMNS);
    }
    let alpha = Floats::splat(alpha);
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate() {
            let at = c.add(i * ldc + 4 * j);
            store(at, sum.mul_add(alpha, load(at)));
        }
    }
}

/// As [`tile`] where C has fewer rows or columns left: computed beside C, so that the arithmetic is the same.
#[allow(clippy::too_many_arguments)]
unsafe fn edge(
    depth: usize,
    alpha: f32,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    ldc: usize,
    rows: usize,
    columns: usize,
) {
    let mut whole = [0.0; ROWS * COLUMNS];
    for i in 0..rows {
        c.add(i * ldc).copy_to_nonoverlapping(whole.as_mut_ptr().add(i * COLUMNS), columns);
    }
    tile(depth, alpha, a, b, whole.as_mut_ptr(), COLUMNS);
    for i in 0..rows {
        c.add(i * ldc).copy_from_nonoverlapping(whole.as_ptr().add(i * COLUMNS), columns);
    }
}

/// Copies `lines` lines of `depth` values, element (i, k) at `i * line + k * step`, into panels of R lines, each `[depth, R]`;
/// the last one is filled up with zeros. R is at least 4; when it is no multiple of 4, up to 2 values past the end are written.
#[inline(always)]
unsafe fn pack<const R: usize>(
    from: *const f32,
    line: usize,
    step: usize,
    lines: usize,
    depth: usize,
    to: *mut f32,
) {
    let (mut from, mut to) = (from, to);
    for i in (0..lines).step_by(R) {
        let present = R.min(lines - i);
        if present == R && line == 1 {
            pack_across::<R>(from, step, depth, to);
        } else if present == R && step == 1 {
            let whole = depth / 4 * 4;
            pack_along::<R>(from, line, whole, to);
            pack_singly::<R>(from.add(whole), line, step, R, depth - whole, to.add(whole * R));
        } else {
            pack_singly::<R>(from, line, step, present, depth, to);
        }
        from = from.add(R * line);
        to = to.add(R * depth);
    }
}

/// Lines side by side in memory.
#[inline(never)]
unsafe fn pack_across<const R: usize>(from: *const f32, step: usize, depth: usize, to: *mut f32) {
    let (mut from, mut to) = (from, to);
    for _ in 0..depth {
        for j in (0..R / 4 * 4).step_by(4) {
            store(to.add(j), load(from.add(j)));
        }
        if !R.is_multiple_of(4) {
            store(to.add(R - 4), load(from.add(R - 4)));
        }
        from = from.add(step);
        to = to.add(R);
    }
}

/// Each line contiguous in memory, `depth` a multiple of 4: squares of 4 × 4 are transposed in registers.
#[inline(never)]
unsafe fn pack_along<const R: usize>(from: *const f32, line: usize, depth: usize, to: *mut f32) {
    for k in (0..depth).step_by(4) {
        let (from, to) = (from.add(k), to.add(k * R));
        let square = |i: usize| {
            // The lines past R stand for nothing: their values are overwritten by the next step's.
            let at = |i: usize| from.add(i.min(R - 1) * line);
            Floats::transpose([load(at(i)), load(at(i + 1)), load(at(i + 2)), load(at(i + 3))])
        };
        if R.is_multiple_of(4) {
            for i in (0..R).step_by(4) {
                let square = square(i);
                (0..4).for_each(|k| store(to.add(k * R + i), square[k]));
            }
        } else {
            let (first, rest) = (square(0), square(4));
            for k in 0..4 {
                store(to.add(k * R), first[k]);
                store(to.add(k * R + 4), rest[k]);
            }
        }
    }
}

#[inline(never)]
unsafe fn pack_singly<const R: usize>(
    from: *const f32,
    line: usize,
    step: usize,
    present: usize,
    depth: usize,
    to: *mut f32,
) {
    for k in 0..depth {
        for j in 0..R {
            *to.add(k * R + j) = if j < present { *from.add(j * line + k * step) } else { 0.0 };
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Values of both signs and several magnitudes.
    pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next() * (next() * 4.0).exp2()).collect()
    }

    /// C += α·A·B by three loops: A `[m, k]`, B `[k, n]`, C `[m, n]`. In the order that the module promises, to the bit.
    fn gemm_ref(m: usize, n: usize, k: usize, alpha: f32, a: &[f32], b: &[f32], c: &mut [f32]) {
        for i in 0..m {
            for j in 0..n {
                for start in (0..k).step_by(DEPTH) {
                    let steps = start..k.min(start + DEPTH);
                    let sum =
                        steps.fold(0.0, |sum: f32, s| a[i * k + s].mul_add(b[s * n + j], sum));
                    c[i * n + j] = sum.mul_add(alpha, c[i * n + j]);
                }
            }
        }
    }

    fn transpose(rows: usize, columns: usize, values: &[f32]) -> Vec<f32> {
        (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
    }

    const EDGES: [usize; 10] = [1, 3, 5, 6, 7, 8, 63, 64, 65, 127];

    /// All pairs of edges with a depth that changes from pair to pair, and all depths around the blocks.
    fn shapes() -> impl Iterator<Item = (usize, usize, usize)> {
        let depths = [1, 3, 4, 5, 64, DEPTH - 1, DEPTH, DEPTH + 1];
        let pairs = EDGES.into_iter().flat_map(|m| EDGES.map(|n| (m, n)));
        let pairs = pairs.enumerate().map(move |(i, (m, n))| (m, n, depths[i * 7 % 8]));
        pairs.chain([0, 2 * DEPTH - 1, 2 * DEPTH, 2 * DEPTH + 3].map(|k| (13, 17, k))).chain([
            (HEIGHT - 1, 20, 9),
            (HEIGHT, 20, 9),
            (2 * HEIGHT + 7, 20, 9),
            (7, WIDTH - 1, 5),
            (7, WIDTH + 9, 5),
        ])
    }

    #[test]
    fn products_equal_three_loops_in_every_layout() {
        let mut scratch = Scratch::default();
        for (m, n, k) in shapes() {
            let (a, b, before) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
            let (across_a, across_b) = (transpose(m, k, &a), transpose(k, n, &b));
            for alpha in [1.0, -1.0, 0.3] {
                let mut expected = before.clone();
                gemm_ref(m, n, k, alpha, &a, &b, &mut expected);
                for transposed in 0..4 {
                    let a = [
                        View::of_rows(a.as_ptr(), k),
                        View::of_rows(across_a.as_ptr(), m).transposed(),
                    ][transposed % 2];
                    let b = [
                        View::of_rows(b.as_ptr(), n),
                        View::of_rows(across_b.as_ptr(), k).transposed(),
                    ][transposed / 2];
                    let mut c = before.clone();
                    // SAFETY: the views cover the vectors, C is a vector of its own.
                    unsafe { gemm(m, n, k, alpha, a, b, c.as_mut_ptr(), n, &mut scratch) };
                    assert!(c == expected, "{m} x {n} x {k}, alpha {alpha}, layout {transposed}");
                }
            }
        }
    }

    #[test]
    fn the_sum_is_the_product() {
        let (m, n, k) = (9, 10, 700);
        let (a, b) = (numbers(m * k, 4), numbers(k * n, 5));
        let mut c = vec![0.0; m * n];
        let views = (View::of_rows(a.as_ptr(), k), View::of_rows(b.as_ptr(), n));
        // SAFETY: as above.
        unsafe { gemm(m, n, k, 1.0, views.0, views.1, c.as_mut_ptr(), n, &mut Scratch::default()) };
        for (at, &value) in c.iter().enumerate() {
            let terms = (0..k).map(|s| f64::from(a[at / n * k + s]) * f64::from(b[s * n + at % n]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
            assert!((f64::from(value) - sum).abs() <= 1e-6 * size);
        }
    }

    #[test]
    fn strides_and_neighbours_are_kept() {
        let (m, n, k, lda, ldb, ldc) = (7, 9, 11, 40, 50, 13);
        let (a, b, before) = (numbers(m * lda, 6), numbers(k * ldb, 7), numbers(m * ldc, 8));
        let narrow = |values: &[f32], columns: usize, stride: usize| -> Vec<f32> {
            values.chunks(stride).flat_map(|row| row[..columns].to_vec()).collect()
        };
        let mut expected = narrow(&before, n, ldc);
        // Every third column of A.
        let wide: Vec<f32> = a.chunks(lda).flat_map(|row| (0..k).map(|s| row[3 * s])).collect();
        gemm_ref(m, n, k, 1.0, &wide, &narrow(&b, n, ldb), &mut expected);
        let mut c = before.clone();
        let view = View { data: a.as_ptr(), row: lda, column: 3 };
        // SAFETY: as above.
        unsafe {
            let b = View::of_rows(b.as_ptr(), ldb);
            gemm(m, n, k, 1.0, view, b, c.as_mut_ptr(), ldc, &mut Scratch::default());
        }
        for (i, row) in c.chunks(ldc).enumerate() {
            assert_eq!(row[..n], expected[i * n..(i + 1) * n]);
            assert_eq!(row[n..], before[i * ldc + n..(i + 1) * ldc]);
        }
    }

    #[test]
    fn the_upper_part_is_the_same_however_rows_are_cut() {
        let mut scratch = Scratch::default();
        for (n, k) in [(1, 5), (7, 3), (64, 300), (127, 20), (250, 33)] {
            let x = numbers(k * n, 9);
            let x = View::of_rows(x.as_ptr(), n);
            let mut whole = numbers(n * n, 10);
            let before = whole.clone();
            // SAFETY: as above; the rows of a part are its own.
            unsafe { gemm(n, n, k, 0.5, x.transposed(), x, whole.as_mut_ptr(), n, &mut scratch) };
            for height in [1, 5, 6, 64, 100, 250] {
                let mut c = before.clone();
                for top in (0..n).step_by(height) {
                    let rows = height.min(n - top);
                    let part = View { data: unsafe { x.data.add(top) }, ..x }.transposed();
                    let to = unsafe { c.as_mut_ptr().add(top * n) };
                    unsafe { gemm_upper(rows, n, k, 0.5, part, x, to, n, top, &mut scratch) };
                }
                for i in 0..n {
                    assert!(c[i * n + i..(i + 1) * n] == whole[i * n + i..(i + 1) * n]);
                }
                if n == 250 && height == 250 {
                    assert_eq!(c[249 * n..249 * n + 200], before[249 * n..249 * n + 200]);
                }
            }
        }
    }
}
