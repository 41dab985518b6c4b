//! Copies one triangle of a symmetric matrix into the other.

use crate::gemm::Target;
use crate::lanes::Floats;
use crate::panels::{load, store};

/// Rows and columns that are copied together: their cache lines stay in the first-level cache.
const SQUARE: usize = 32;

/// Copies the elements above the diagonal of a matrix `[n, n]` to their places below it. n is a
/// multiple of 4.
///
/// # Safety
/// The matrix is writable memory.
pub unsafe fn mirror(n: usize, matrix: Target) {
    let Target { data, stride } = matrix;
    for top in (0..n).step_by(SQUARE) {
        let bottom = n.min(top + SQUARE);
        for i in (top..bottom).step_by(4) {
            for row in i..i + 4 {
                (i..row).for_each(|column| {
                    *data.add(row * stride + column) = *data.add(column * stride + row);
                });
            }
            (i + 4..bottom).step_by(4).for_each(|j| transpose_four(matrix, [i, j]));
        }
        for left in (bottom..n).step_by(SQUARE) {
            for i in (top..bottom).step_by(4) {
                for j in (left..n.min(left + SQUARE)).step_by(4) {
                    transpose_four(matrix, [i, j]);
                }
            }
        }
    }
}

/// Copies rows i.. and columns j.., four of each, to rows j.. and columns i...
#[inline(always)]
unsafe fn transpose_four(Target { data, stride }: Target, [i, j]: [usize; 2]) {
    let rows = [0, 1, 2, 3].map(|row| load(data.add((i + row) * stride + j)));
    for (row, values) in Floats::transpose(rows).into_iter().enumerate() {
        store(data.add((j + row) * stride + i), values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_the_diagonal_is_copied_below_it() {
        for (n, stride) in [(4, 4), (32, 33), (36, 40), (100, 100)] {
            let mut values: Vec<f32> = (0..n * stride).map(|at| at as f32).collect();
            let before = values.clone();
            unsafe { mirror(n, Target { data: values.as_mut_ptr(), stride }) };
            for (at, &value) in values.iter().enumerate() {
                let (row, column) = (at / stride, at % stride);
                let from = if column < row { column * stride + row } else { at };
                assert_eq!(value, before[from], "row {row}, column {column} of {n}");
            }
        }
    }
}
