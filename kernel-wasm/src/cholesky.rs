//! The Cholesky factor, upper: H = RᵀR.

use crate::gemm::{gemm, Product, Scratch, Target, View};
use crate::lanes::Floats;
use crate::triangular::{half, solve_transposed, BLOCK};

/// Replaces the upper triangle of a symmetric H `[n, n]`, row-major with rows `stride` apart, by R:
/// upper triangular with a positive diagonal and H = RᵀR. Elements below the diagonal are not read;
/// their values afterwards have no meaning. Returns the index of the first pivot that is not
/// positive and finite, if any. Rows before it are right.
///
/// # Safety
/// `h` covers its matrix.
pub unsafe fn cholesky(
    n: usize,
    h: *mut f32,
    stride: usize,
    scratch: &mut Scratch,
) -> Option<usize> {
    if n <= BLOCK {
        return block(n, h, stride);
    }
    let top = half(n);
    let (right, corner) = (h.add(top), h.add(top * stride + top));
    let pivot = cholesky(top, h, stride, scratch);
    if pivot.is_some() {
        return pivot;
    }
    let b = Target { data: right, stride };
    solve_transposed([top, n - top], View::of_rows(h, stride), b, scratch);
    let rows = View::of_rows(right, stride);
    let to = Target { data: corner, stride };
    let product = Product::of([n - top, n - top, top], rows.transposed(), rows, to);
    gemm(&Product { alpha: -1.0, diagonal: Some(0), ..product }, scratch);
    cholesky(n - top, corner, stride, scratch).map(|pivot| top + pivot)
}

/// At most BLOCK rows. Each finished row is subtracted from those below.
#[inline(never)]
unsafe fn block(n: usize, h: *mut f32, stride: usize) -> Option<usize> {
    let mut rows = [[0.0; BLOCK]; BLOCK];
    for (i, row) in rows.iter_mut().enumerate().take(n) {
        h.add(i * stride + i).copy_to_nonoverlapping(row.as_mut_ptr().add(i), n - i);
    }
    let mut failed = None;
    for k in 0..n {
        let pivot = rows[k][k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            failed = Some(k);
            break;
        }
        let (done, below) = rows.split_at_mut(k + 1);
        let row = &mut done[k];
        let root = Floats::splat(pivot.sqrt());
        (k / 4..BLOCK / 4).for_each(|j| (Floats::of(row, j) / root).put(row, j));
        for (i, other) in below.iter_mut().enumerate().take(n - k - 1) {
            let i = k + 1 + i;
            let factor = Floats::splat(-row[i]);
            for j in i / 4..n.div_ceil(4) {
                factor.mul_add(Floats::of(row, j), Floats::of(other, j)).put(other, j);
            }
        }
    }
    for (i, row) in rows.iter().enumerate().take(n) {
        h.add(i * stride + i).copy_from_nonoverlapping(row.as_ptr().add(i), n - i);
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::tests::numbers;

    const EDGES: [usize; 13] = [1, 2, 3, 31, 32, 33, 63, 64, 65, 96, 127, 129, 260];

    /// XᵀX of more rows than columns, upper triangle, rows `stride` apart, NaN below.
    fn gram(n: usize, stride: usize) -> Vec<f32> {
        let x = numbers((n + 20) * n, 1);
        let element = |i: usize, j: usize| -> f64 {
            x.chunks(n).map(|row| f64::from(row[i]) * f64::from(row[j])).sum()
        };
        let mut h = vec![f32::NAN; n * stride];
        for i in 0..n {
            (i..n).for_each(|j| h[i * stride + j] = element(i, j) as f32);
        }
        h
    }

    /// The factor column by column in float64: r_kk² = h_kk - Σ r_ik²,
    /// r_kj = (h_kj - Σ r_ik r_ij) / r_kk.
    fn cholesky_ref(n: usize, h: &[f32], stride: usize) -> Vec<f64> {
        let mut r = vec![0.0; n * n];
        for k in 0..n {
            for j in k..n {
                let known: f64 = (0..k).map(|i| r[i * n + k] * r[i * n + j]).sum();
                let left = f64::from(h[k * stride + j]) - known;
                r[k * n + j] = if j == k { left.sqrt() } else { left / r[k * n + k] };
            }
        }
        r
    }

    #[test]
    fn factors_equal_the_plain_ones() {
        for n in EDGES {
            let stride = n + 3;
            let mut h = gram(n, stride);
            let expected = cholesky_ref(n, &h, stride);
            // SAFETY: the vector covers the matrix.
            let pivot = unsafe { cholesky(n, h.as_mut_ptr(), stride, &mut Scratch::default()) };
            assert_eq!(pivot, None);
            for i in 0..n {
                for j in i..n {
                    let (found, expected) = (f64::from(h[i * stride + j]), expected[i * n + j]);
                    let size = expected.abs() + expected_diagonal(&h, n, stride);
                    assert!(
                        (found - expected).abs() < 2e-5 * size,
                        "{n}: {i} {j} {found} {expected}"
                    );
                }
            }
            assert!(h.chunks(stride).all(|row| row[n..].iter().all(|x| x.is_nan())));
        }
    }

    fn expected_diagonal(h: &[f32], n: usize, stride: usize) -> f64 {
        (0..n).map(|i| f64::from(h[i * stride + i])).sum::<f64>() / n as f64
    }

    #[test]
    fn the_pivot_that_fails_is_named() {
        for n in EDGES {
            for at in [0, n / 3, n / 2, n - 1] {
                for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
                    let mut h = gram(n, n);
                    h[at * n + at] = value;
                    // SAFETY: as above.
                    let pivot = unsafe { cholesky(n, h.as_mut_ptr(), n, &mut Scratch::default()) };
                    assert_eq!(pivot, Some(at), "{n} {value}");
                }
            }
        }
    }
}
