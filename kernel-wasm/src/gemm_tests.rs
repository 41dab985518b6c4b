//! Products against three loops, to the bit.

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

fn target(c: &mut [f32], stride: usize) -> Target {
    Target { data: c.as_mut_ptr(), stride }
}

/// C += α·A·B by three loops: A `[m, k]`, B `[k, n]`, C `[m, n]`. In the order that the module
/// promises, to the bit.
fn gemm_ref([m, n, k]: [usize; 3], alpha: f32, [a, b]: [&[f32]; 2], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            for start in (0..k).step_by(DEPTH) {
                let steps = start..k.min(start + DEPTH);
                let sum = steps.fold(0.0, |sum: f32, s| a[i * k + s].mul_add(b[s * n + j], sum));
                c[i * n + j] = sum.mul_add(alpha, c[i * n + j]);
            }
        }
    }
}

fn transpose(rows: usize, columns: usize, values: &[f32]) -> Vec<f32> {
    (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
}

const EDGES: [usize; 10] = [1, 3, 5, 6, 7, 8, 63, 64, 65, 127];

/// All pairs of edges with a depth that changes from pair to pair, and all depths around the
/// blocks.
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
            gemm_ref([m, n, k], alpha, [&a, &b], &mut expected);
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
                unsafe {
                    gemm(
                        &Product { alpha, ..Product::of([m, n, k], a, b, target(&mut c, n)) },
                        &mut scratch,
                    )
                };
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
    let product = Product::of([m, n, k], views.0, views.1, target(&mut c, n));
    unsafe { gemm(&product, &mut Scratch::default()) };
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
    gemm_ref([m, n, k], 1.0, [&wide, &narrow(&b, n, ldb)], &mut expected);
    let mut c = before.clone();
    let view = View { data: a.as_ptr(), row: lda, column: 3 };
    // SAFETY: as above.
    unsafe {
        let b = View::of_rows(b.as_ptr(), ldb);
        let product = Product::of([m, n, k], view, b, target(&mut c, ldc));
        gemm(&product, &mut Scratch::default());
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
        let product = Product::of([n, n, k], x.transposed(), x, target(&mut whole, n));
        unsafe { gemm(&Product { alpha: 0.5, ..product }, &mut scratch) };
        for height in [1, 5, 6, 64, 100, 250] {
            let mut c = before.clone();
            for top in (0..n).step_by(height) {
                let rows = height.min(n - top);
                let part = View { data: unsafe { x.data.add(top) }, ..x }.transposed();
                let product = Product {
                    alpha: 0.5,
                    diagonal: Some(top),
                    ..Product::of([rows, n, k], part, x, target(&mut c[top * n..], n))
                };
                unsafe { gemm(&product, &mut scratch) };
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
