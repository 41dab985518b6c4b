//! Upper triangular matrices: solving with them, multiplying by them, inverting them. Recursive halves, so that all but a sliver
//! of the work is [`gemm`]; what remains are blocks of at most [`BLOCK`] rows.
//!
//! Throughout R is upper triangular `[n, n]`, row-major with rows `stride` apart; nothing below its diagonal is read.

use crate::gemm::{gemm, Scratch, View};
use crate::lanes::Floats;

/// Rows of a triangle that is not cut further.
pub const BLOCK: usize = 32;
/// Lanes of a strip of columns, enough sums under way at once to hide the latency of a fused multiply-add.
const STRIP: usize = 8;

/// A triangle of at most BLOCK rows, copied out and filled up with zeros.
type Block = [[f32; BLOCK]; BLOCK];

/// Where to cut n > BLOCK rows in two: at whole blocks.
pub fn half(n: usize) -> usize {
    (n / 2).next_multiple_of(BLOCK)
}

/// B ← R⁻ᵀB: solves RᵀX = B for X `[n, m]`, which replaces B, row-major with rows `across` apart.
///
/// # Safety
/// `r` and `b` cover their matrices and do not overlap.
pub unsafe fn solve_transposed(
    n: usize,
    m: usize,
    r: *const f32,
    stride: usize,
    b: *mut f32,
    across: usize,
    scratch: &mut Scratch,
) {
    if n > BLOCK {
        let top = half(n);
        let lower = b.add(top * across);
        solve_transposed(top, m, r, stride, b, across, scratch);
        let right = View::of_rows(r.add(top), stride).transposed();
        gemm(n - top, m, top, -1.0, right, View::of_rows(b, across), lower, across, scratch);
        solve_transposed(n - top, m, r.add(top * stride + top), stride, lower, across, scratch);
        return;
    }
    // Row i holds what of the rows above is subtracted from row i, on its diagonal the factor that ends it.
    let mut steps: Block = [[0.0; BLOCK]; BLOCK];
    for (i, steps) in steps.iter_mut().enumerate().take(n) {
        (0..i).for_each(|k| steps[k] = -*r.add(k * stride + i));
        steps[i] = 1.0 / *r.add(i * stride + i);
    }
    each_strip(n, m, b, across, Strip::Solve(&steps));
}

/// B ← R·B for B `[n, m]`, row-major with rows `across` apart.
///
/// # Safety
/// As [`solve_transposed`].
pub unsafe fn multiply_left(
    n: usize,
    m: usize,
    r: *const f32,
    stride: usize,
    b: *mut f32,
    across: usize,
    scratch: &mut Scratch,
) {
    if n > BLOCK {
        let top = half(n);
        let lower = b.add(top * across);
        multiply_left(top, m, r, stride, b, across, scratch);
        let (right, below) = (View::of_rows(r.add(top), stride), View::of_rows(lower, across));
        gemm(top, m, n - top, 1.0, right, below, b, across, scratch);
        multiply_left(n - top, m, r.add(top * stride + top), stride, lower, across, scratch);
        return;
    }
    each_strip(n, m, b, across, Strip::Multiply(&block_of(n, r, stride)));
}

/// B ← B·R for B `[m, n]`, row-major with rows `across` apart.
///
/// # Safety
/// As [`solve_transposed`].
pub unsafe fn multiply_right(
    m: usize,
    n: usize,
    r: *const f32,
    stride: usize,
    b: *mut f32,
    across: usize,
    scratch: &mut Scratch,
) {
    if n > BLOCK {
        let left = half(n);
        let right = b.add(left);
        multiply_right(m, n - left, r.add(left * stride + left), stride, right, across, scratch);
        let (before, corner) = (View::of_rows(b, across), View::of_rows(r.add(left), stride));
        gemm(m, n - left, left, 1.0, before, corner, right, across, scratch);
        multiply_right(m, left, r, stride, b, across, scratch);
        return;
    }
    let block = block_of(n, r, stride);
    let mut rows = [[0.0; BLOCK]; 6];
    for i in (0..m).step_by(rows.len()) {
        let present = rows.len().min(m - i);
        for (k, row) in rows.iter_mut().enumerate().take(present) {
            b.add((i + k) * across).copy_to_nonoverlapping(row.as_mut_ptr(), n);
        }
        rows_by_block(&mut rows, &block, n);
        for (k, row) in rows.iter().enumerate().take(present) {
            b.add((i + k) * across).copy_from_nonoverlapping(row.as_ptr(), n);
        }
    }
}

/// R ← R⁻¹, upper triangular too. The diagonal holds no zero.
///
/// # Safety
/// `r` covers its matrix.
pub unsafe fn invert(n: usize, r: *mut f32, stride: usize, scratch: &mut Scratch) {
    if n > BLOCK {
        // (A B; 0 C)⁻¹ = (A⁻¹ -A⁻¹BC⁻¹; 0 C⁻¹)
        let top = half(n);
        let (right, corner) = (r.add(top), r.add(top * stride + top));
        invert(top, r, stride, scratch);
        invert(n - top, corner, stride, scratch);
        multiply_left(top, n - top, r, stride, right, stride, scratch);
        multiply_right(top, n - top, corner, stride, right, stride, scratch);
        for i in 0..top {
            (0..n - top).for_each(|j| *right.add(i * stride + j) *= -1.0);
        }
        return;
    }
    // Bottom to top, row i = (unit row i - R's row i · the rows below) / its diagonal.
    let block = block_of(n, r, stride);
    let mut inverse: Block = [[0.0; BLOCK]; BLOCK];
    for i in (0..n).rev() {
        let mut row = [0.0; BLOCK];
        row[i] = 1.0;
        for k in i + 1..n {
            let factor = Floats::splat(-block[i][k]);
            for j in k / 4..BLOCK / 4 {
                factor.mul_add(Floats::of(&inverse[k], j), Floats::of(&row, j)).put(&mut row, j);
            }
        }
        let factor = Floats::splat(1.0 / block[i][i]);
        (0..BLOCK / 4).for_each(|j| (factor * Floats::of(&row, j)).put(&mut inverse[i], j));
        r.add(i * stride + i).copy_from_nonoverlapping(inverse[i].as_ptr().add(i), n - i);
    }
}

unsafe fn block_of(n: usize, r: *const f32, stride: usize) -> Block {
    let mut block = [[0.0; BLOCK]; BLOCK];
    for (i, row) in block.iter_mut().enumerate().take(n) {
        r.add(i * stride + i).copy_to_nonoverlapping(row.as_mut_ptr().add(i), n - i);
    }
    block
}

/// What happens to a strip of columns.
#[derive(Clone, Copy)]
enum Strip<'a> {
    /// x_i = steps_ii (b_i + Σ_{k<i} steps_ik x_k)
    Solve(&'a Block),
    /// x_i = Σ_{k>=i} r_ik b_k
    Multiply(&'a Block),
}

/// All `m` columns of B `[n, m]`, strip by strip. An element's arithmetic does not depend on the strip that it is in.
unsafe fn each_strip(n: usize, m: usize, b: *mut f32, across: usize, what: Strip) {
    let wide = m / (4 * STRIP) * (4 * STRIP);
    let whole = m / 4 * 4;
    (0..wide).step_by(4 * STRIP).for_each(|j| strip::<STRIP>(n, b.add(j), across, what));
    (wide..whole).step_by(4).for_each(|j| strip::<1>(n, b.add(j), across, what));
    if whole < m {
        let mut rest = [[0.0; 4]; BLOCK];
        let b = b.add(whole);
        for (i, rest) in rest.iter_mut().enumerate().take(n) {
            b.add(i * across).copy_to_nonoverlapping(rest.as_mut_ptr(), m - whole);
        }
        strip::<1>(n, rest.as_mut_ptr().cast(), 4, what);
        for (i, rest) in rest.iter().enumerate().take(n) {
            b.add(i * across).copy_from_nonoverlapping(rest.as_ptr(), m - whole);
        }
    }
}

unsafe fn strip<const LANES: usize>(n: usize, b: *mut f32, across: usize, what: Strip) {
    match what {
        Strip::Solve(steps) => solve_strip::<LANES>(n, b, across, steps),
        Strip::Multiply(block) => multiply_strip::<LANES>(n, b, across, block),
    }
}

#[inline(never)]
unsafe fn solve_strip<const LANES: usize>(n: usize, b: *mut f32, across: usize, steps: &Block) {
    for (i, steps) in steps.iter().enumerate().take(n) {
        let row = b.add(i * across);
        let mut sums = load::<LANES>(row);
        for (k, &step) in steps.iter().enumerate().take(i) {
            add_scaled(&mut sums, step, b.add(k * across));
        }
        let last = Floats::splat(steps[i]);
        store(row, sums.map(|sum| sum * last));
    }
}

#[inline(never)]
unsafe fn multiply_strip<const LANES: usize>(n: usize, b: *mut f32, across: usize, block: &Block) {
    for (i, factors) in block.iter().enumerate().take(n) {
        let mut sums = [Floats::splat(0.0); LANES];
        for (k, &factor) in factors.iter().enumerate().take(n).skip(i) {
            add_scaled(&mut sums, factor, b.add(k * across));
        }
        store(b.add(i * across), sums);
    }
}

/// Six rows times a triangle of n, in place: groups of eight columns from right to left, since each needs those left of it.
#[inline(never)]
fn rows_by_block(rows: &mut [[f32; BLOCK]; 6], block: &Block, n: usize) {
    for group in (0..n.div_ceil(8)).rev() {
        let mut sums = [[Floats::splat(0.0); 2]; 6];
        for k in 0..8 * group + 8 {
            let right = [0, 1].map(|j| Floats::of(&block[k], 2 * group + j));
            for (sums, row) in sums.iter_mut().zip(rows.iter()) {
                let factor = Floats::splat(row[k]);
                *sums = [factor.mul_add(right[0], sums[0]), factor.mul_add(right[1], sums[1])];
            }
        }
        for (row, sums) in rows.iter_mut().zip(sums) {
            (0..2).for_each(|j| sums[j].put(row, 2 * group + j));
        }
    }
}

#[inline(always)]
unsafe fn load<const LANES: usize>(at: *const f32) -> [Floats; LANES] {
    std::array::from_fn(|j| Floats::load(&*at.add(4 * j).cast()))
}

#[inline(always)]
unsafe fn store<const LANES: usize>(at: *mut f32, values: [Floats; LANES]) {
    (0..LANES).for_each(|j| values[j].store(&mut *at.add(4 * j).cast()));
}

/// `sums` += factor · the values at `from`.
#[inline(always)]
unsafe fn add_scaled<const LANES: usize>(
    sums: &mut [Floats; LANES],
    factor: f32,
    from: *const f32,
) {
    let factor = Floats::splat(factor);
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = factor.mul_add(Floats::load(&*from.add(4 * j).cast()), *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::tests::numbers;

    const EDGES: [usize; 12] = [1, 3, 5, 8, 31, 32, 33, 63, 64, 65, 127, 200];
    /// Elements of a row past the matrix.
    const GAP: usize = 5;

    /// A well-conditioned upper triangle with rows `n + GAP` apart. What must not be read is NaN.
    fn triangle(n: usize) -> Vec<f32> {
        let mut r = numbers(n * (n + GAP), 1);
        for (i, row) in r.chunks_mut(n + GAP).enumerate() {
            row[..i].fill(f32::NAN);
            row[i..].iter_mut().for_each(|x| *x /= n as f32);
            row[i] = 1.0 + row[i].abs();
        }
        r
    }

    /// In float64: `out[i][j] = Σ_k left(i, k) right(k, j)`.
    fn product(
        m: usize,
        n: usize,
        k: usize,
        left: impl Fn(usize, usize) -> f32,
        right: impl Fn(usize, usize) -> f32,
    ) -> Vec<f64> {
        let element = |i, j| (0..k).map(|s| f64::from(left(i, s)) * f64::from(right(s, j))).sum();
        (0..m * n).map(|at| element(at / n, at % n)).collect()
    }

    fn upper(r: &[f32], n: usize) -> impl Fn(usize, usize) -> f32 + '_ {
        move |i, j| if i <= j { r[i * (n + GAP) + j] } else { 0.0 }
    }

    fn assert_close(found: &[f32], expected: &[f64], what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{what}");
        }
    }

    /// Runs on B `[rows, columns]` with a gap after each row, and gives the result without.
    fn in_gaps(
        rows: usize,
        columns: usize,
        b: &[f32],
        run: impl FnOnce(*mut f32, usize),
    ) -> Vec<f32> {
        let stride = columns + GAP;
        let mut wide = vec![7.0; rows * stride];
        for (wide, row) in wide.chunks_mut(stride).zip(b.chunks(columns)) {
            wide[..columns].copy_from_slice(row);
        }
        run(wide.as_mut_ptr(), stride);
        assert!(wide.chunks(stride).all(|row| row[columns..] == [7.0; GAP]));
        wide.chunks(stride).flat_map(|row| row[..columns].to_vec()).collect()
    }

    #[test]
    fn solving_undoes_the_transposed_product() {
        let mut scratch = Scratch::default();
        for n in EDGES {
            let r = triangle(n);
            for m in [1, 4, 7, 32, 37, 100] {
                let b = numbers(n * m, 2);
                // SAFETY: both cover their matrices.
                let x = in_gaps(n, m, &b, |b, across| unsafe {
                    solve_transposed(n, m, r.as_ptr(), n + GAP, b, across, &mut scratch)
                });
                let back = product(n, m, n, |i, k| upper(&r, n)(k, i), |k, j| x[k * m + j]);
                assert_close(&b, &back, &format!("{n} {m}"));
            }
        }
    }

    #[test]
    fn products_with_triangles_equal_three_loops() {
        let mut scratch = Scratch::default();
        for n in EDGES {
            let r = triangle(n);
            for m in [1, 5, 6, 7, 32, 37, 100] {
                let b = numbers(n * m, 3);
                // SAFETY: as above.
                let left = in_gaps(n, m, &b, |b, across| unsafe {
                    multiply_left(n, m, r.as_ptr(), n + GAP, b, across, &mut scratch)
                });
                let expected = product(n, m, n, upper(&r, n), |k, j| b[k * m + j]);
                assert_close(&left, &expected, &format!("left {n} {m}"));
                let right = in_gaps(m, n, &b, |b, across| unsafe {
                    multiply_right(m, n, r.as_ptr(), n + GAP, b, across, &mut scratch)
                });
                let expected = product(m, n, n, |i, k| b[i * n + k], upper(&r, n));
                assert_close(&right, &expected, &format!("right {n} {m}"));
            }
        }
    }

    #[test]
    fn an_inverse_times_its_matrix_is_one() {
        for n in EDGES {
            let r = triangle(n);
            let mut inverse = r.clone();
            // SAFETY: as above.
            unsafe { invert(n, inverse.as_mut_ptr(), n + GAP, &mut Scratch::default()) };
            let one = product(n, n, n, upper(&inverse, n), upper(&r, n));
            for (at, value) in one.iter().enumerate() {
                let expected = f64::from(u8::from(at / n == at % n));
                assert!((value - expected).abs() < 1e-5, "{n}: {at} {value}");
            }
            for (i, (after, before)) in inverse.chunks(n + GAP).zip(r.chunks(n + GAP)).enumerate() {
                assert!(after[..i].iter().all(|x| x.is_nan()) && after[n..] == before[n..]);
            }
        }
    }
}
