//! Solving with upper triangular matrices. Recursive halves, so that nearly all of the work is
//! [`gemm`]; what remains are blocks of at most [`BLOCK`] rows.

use crate::gemm::{gemm, Product, Scratch, Target, View};
use crate::lanes::Floats;

/// Rows of a triangle that is not cut further.
pub const BLOCK: usize = 32;
/// Vectors of a strip of columns: enough sums at once to hide the latency of a fused multiply-add.
const STRIP: usize = 8;

/// A triangle of at most BLOCK rows, copied out and filled up with zeros.
type Block = [[f32; BLOCK]; BLOCK];

/// Where to split n > BLOCK rows in two: at whole blocks.
pub fn half(n: usize) -> usize {
    (n / 2).next_multiple_of(BLOCK)
}

/// B ← R⁻ᵀB: solves RᵀX = B for X `[n, m]`, which replaces B. R is upper triangular `[n, n]`,
/// row-major; nothing below its diagonal is read.
///
/// # Safety
/// `r` and `b` cover their matrices and do not overlap.
pub unsafe fn solve_transposed([n, m]: [usize; 2], r: View, b: Target, scratch: &mut Scratch) {
    let at = |i: usize, j: usize| r.data.add(i * r.row + j);
    if n > BLOCK {
        let top = half(n);
        let lower = Target { data: b.data.add(top * b.stride), ..b };
        solve_transposed([top, m], r, b, scratch);
        let right = View { data: at(0, top), ..r }.transposed();
        let product = Product::of([n - top, m, top], right, View::of_rows(b.data, b.stride), lower);
        gemm(&Product { alpha: -1.0, ..product }, scratch);
        solve_transposed([n - top, m], View { data: at(top, top), ..r }, lower, scratch);
        return;
    }
    // Row i has the factors of the rows above it in row i's sum; on its diagonal the last factor.
    let mut steps: Block = [[0.0; BLOCK]; BLOCK];
    for (i, steps) in steps.iter_mut().enumerate().take(n) {
        (0..i).for_each(|k| steps[k] = -*at(k, i));
        steps[i] = 1.0 / *at(i, i);
    }
    each_strip([n, m], b, &steps);
}

/// All `m` columns of B `[n, m]`, strip by strip. An element's arithmetic does not depend on the
/// strip that it is in.
unsafe fn each_strip([n, m]: [usize; 2], b: Target, steps: &Block) {
    let from = |j: usize| Target { data: b.data.add(j), ..b };
    let wide = m / (4 * STRIP) * (4 * STRIP);
    let whole = m / 4 * 4;
    (0..wide).step_by(4 * STRIP).for_each(|j| solve_strip::<STRIP>(n, from(j), steps));
    (wide..whole).step_by(4).for_each(|j| solve_strip::<1>(n, from(j), steps));
    if whole < m {
        let mut rest = [[0.0; 4]; BLOCK];
        let b = from(whole);
        for (i, rest) in rest.iter_mut().enumerate().take(n) {
            b.data.add(i * b.stride).copy_to_nonoverlapping(rest.as_mut_ptr(), m - whole);
        }
        solve_strip::<1>(n, Target { data: rest.as_mut_ptr().cast(), stride: 4 }, steps);
        for (i, rest) in rest.iter().enumerate().take(n) {
            b.data.add(i * b.stride).copy_from_nonoverlapping(rest.as_ptr(), m - whole);
        }
    }
}

/// x_i = steps_ii (b_i + Σ_{k<i} steps_ik x_k) for a strip of columns.
#[inline(never)]
unsafe fn solve_strip<const LANES: usize>(n: usize, b: Target, steps: &Block) {
    for (i, steps) in steps.iter().enumerate().take(n) {
        let row = b.data.add(i * b.stride);
        let mut sums = load::<LANES>(row);
        for (k, &step) in steps.iter().enumerate().take(i) {
            add_scaled(&mut sums, step, b.data.add(k * b.stride));
        }
        let last = Floats::splat(steps[i]);
        store(row, sums.map(|sum| sum * last));
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

    /// A well-conditioned upper triangle with rows `n + GAP` apart. Elements not to be read are
    /// NaN.
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
        [m, n, k]: [usize; 3],
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
    fn in_gaps([rows, columns]: [usize; 2], b: &[f32], run: impl FnOnce(Target)) -> Vec<f32> {
        let stride = columns + GAP;
        let mut wide = vec![7.0; rows * stride];
        for (wide, row) in wide.chunks_mut(stride).zip(b.chunks(columns)) {
            wide[..columns].copy_from_slice(row);
        }
        run(Target { data: wide.as_mut_ptr(), stride });
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
                let x = in_gaps([n, m], &b, |b| {
                    let r = View::of_rows(r.as_ptr(), n + GAP);
                    // SAFETY: both cover their matrices.
                    unsafe { solve_transposed([n, m], r, b, &mut scratch) }
                });
                let back = product([n, m, n], |i, k| upper(&r, n)(k, i), |k, j| x[k * m + j]);
                assert_close(&b, &back, &format!("{n} {m}"));
            }
        }
    }
}
