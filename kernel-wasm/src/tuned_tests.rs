//! Compares whole jobs with the textbook in float64: GPTQ through the inverse, losses as traces,
//! bytes as a reader decodes them.

use super::answer::{solve_all, solve_job};
use super::problem::*;
use super::*;
use crate::affine::tests::fit_ref;
use crate::gemm::Scratch;
use crate::half::{round_to, Dtype};
use crate::tuning::Job;

#[test]
fn the_sweep_is_gptq() {
    for (d, bits, group) in [(64, 4, 64), (160, 3, 32), (128, 8, 128), (288, 4, 32), (320, 2, 64)] {
        let problem = problem(task(5, d, bits, group, Dtype::Bf16), Dtype::Bf16, gaussian);
        let answer = problem.solve();
        problem.check(&answer);
        let [scales, biases] = &answer.searched;
        let (task, most) = (problem.task, problem.task.levels());
        // Frantar et al., algorithm 1, a column at a time, columns from the last position to the
        // first: the factor of the inverse of H with its order reversed.
        let reversed: Vec<u32> = problem.order.iter().rev().copied().collect();
        let inverse = inverse_ref(d, &cholesky_ref(d, &permute(&problem.hessian, &reversed)));
        let u = cholesky_ref(d, &inverse);
        let (mut same, mut different) = (0, 0);
        for row in 0..problem.task.rows {
            let mut w: Vec<f64> = reversed
                .iter()
                .map(|&k| f64::from(problem.weights[row * d + k as usize]))
                .collect();
            for i in 0..d {
                let pair = task.pair(reversed[i] as usize / group, row);
                let (scale, bias) = (f64::from(scales[pair]), f64::from(biases[pair]));
                let code = ((w[i] - bias) / scale).round_ties_even().clamp(0.0, f64::from(most));
                if code == f64::from(answer.codes[task.place(d - 1 - i, row)]) {
                    same += 1;
                } else {
                    different += 1;
                }
                // One different code changes all later ones, so continue from ours.
                let ours = f64::from(answer.codes[task.place(d - 1 - i, row)]);
                let error = (w[i] - (ours * scale + bias)) / u[i * d + i];
                (i..d).for_each(|j| w[j] -= error * u[i * d + j]);
            }
        }
        assert!(
            different * 1000 <= same,
            "{d} columns, {bits} bits: {different} of {same} codes differ"
        );
    }
}

#[test]
fn never_worse_than_rounding_and_as_reported() {
    let problems = Dtype::ALL.map(|from| {
        problem(task(19, 256, 4, 64, Dtype::Bf16), from, |row, k, noise| match (row + k / 64) % 6 {
            0 => gaussian(row, k, noise),
            1 => noise.abs() + 0.1,
            2 => -0.37,
            3 => noise * 1e-7,
            4 => noise * if k % 61 == 0 { 30.0 } else { 0.01 },
            _ => (k % 16) as f64 - 7.5,
        })
    });
    for bits in [2, 3, 4, 5, 6, 8] {
        for (group, store) in
            [32, 64, 128].into_iter().flat_map(|group| Dtype::ALL.map(|store| (group, store)))
        {
            for (sweeps, refit) in [(0, false), (1, false), (2, true)] {
                let task = Task { sweeps, refit, ..task(19, 256, bits, group, store) };
                let from = Dtype::ALL[(bits + sweeps) % 3];
                let problem =
                    problems.iter().find(|problem| problem.from == from).expect("all three");
                Problem { task, ..problem.clone() }.check_solved();
            }
            let task = Task { factored: false, ..task(19, 256, bits, group, store) };
            Problem { task, ..problems[0].clone() }.check_solved();
        }
    }
}

#[test]
fn rows_do_not_show_how_they_were_cut() {
    let cut = Task { sweeps: 2, refit: true, ..task(37, 192, 4, 64, Dtype::Bf16) };
    let whole = problem(cut, Dtype::Bf16, gaussian);
    let expected = whole.solve();
    for height in [1, 3, 16, 17, 36] {
        for start in (0..37).step_by(height) {
            let rows = height.min(37 - start);
            let part = Problem {
                task: Task { rows, ..cut },
                bytes: whole.bytes[start * 384..(start + rows) * 384].to_vec(),
                weights: whole.weights[start * 192..(start + rows) * 192].to_vec(),
                ..whole.clone()
            };
            let answer = part.solve();
            assert!(answer.words == expected.words[start * 96..(start + rows) * 96]);
            assert!(answer.scales == expected.scales[start * 6..(start + rows) * 6]);
            assert!(answer.biases == expected.biases[start * 6..(start + rows) * 6]);
        }
    }
}

#[test]
fn tasks_of_a_job_do_not_affect_each_other() {
    let first = problem(task(21, 320, 4, 64, Dtype::Bf16), Dtype::Bf16, gaussian);
    let other = problem(first.task, Dtype::Bf16, |row, k, noise| 2.0 * gaussian(row, k, noise));
    let of = |weights: &Problem, bits, sweeps, refit| Problem {
        task: Task { bits, sweeps, refit, ..first.task },
        bytes: weights.bytes.clone(),
        weights: weights.weights.clone(),
        ..first.clone()
    };
    for second in [&first, &other] {
        let all = [
            of(&first, 8, 0, false),
            of(second, 4, 2, true),
            of(&first, 6, 1, false),
            of(second, 2, 1, true),
        ];
        let together = solve_all(&all.each_ref());
        for (problem, answer) in all.iter().zip(&together) {
            let alone = problem.solve();
            assert_eq!(answer.rows, alone.rows);
            assert!(answer.words == alone.words);
            assert!(answer.scales == alone.scales && answer.biases == alone.biases);
        }
    }
}

#[test]
fn a_sampled_job_decides_the_same_rows() {
    let weight = |row: usize, k: usize, noise: f64| match row % 6 {
        0 => (k % 16) as f64 - 7.5, // rounded without an error
        1 => -0.37,
        _ => gaussian(row, k, noise),
    };
    let four = problem(task(300, 320, 4, 64, Dtype::Bf16), Dtype::Bf16, weight);
    let five = Problem { task: Task { bits: 5, sweeps: 1, ..four.task }, ..four.clone() };
    let (whole, sampled) = (solve_all(&[&four, &five]), solve_job(&[&four, &five], true));
    for (whole, sampled) in whole.iter().zip(&sampled) {
        assert!(whole.words == sampled.words);
        assert!(whole.scales == sampled.scales && whole.biases == sampled.biases);
        let mut left_out = 0;
        for (row, (whole, sampled)) in whole.rows.iter().zip(&sampled.rows).enumerate() {
            let is_known = row / 16 % 8 == 0 || whole.loss == whole.rounded_loss;
            let rounded_loss = if is_known { whole.rounded_loss } else { f64::INFINITY };
            assert_eq!(*sampled, RowSums { rounded_loss, ..*whole });
            left_out += usize::from(!is_known);
        }
        assert!(left_out > 100 && left_out < 252, "{left_out}");
    }
}

#[test]
fn each_step_lowers_the_loss() {
    let base = task(48, 320, 4, 64, Dtype::Bf16);
    let loss = |task: Task<'static>| problem(task, Dtype::Bf16, gaussian).check_solved().loss;
    let diagonal = problem(base, Dtype::Bf16, gaussian).check_solved().rounded_loss;
    let swept = loss(base);
    let descended = loss(Task { sweeps: 1, ..base });
    let windowed = loss(Task { sweeps: 1, window: 128, ..base });
    let more = loss(Task { sweeps: 4, ..base });
    let refitted = loss(Task { sweeps: 4, refit: true, ..base });
    assert!(swept < 0.5 * diagonal, "{swept} of {diagonal}");
    assert!(descended < 0.95 * swept, "{descended} of {swept}");
    assert!(descended < windowed && windowed < 0.99 * swept, "{windowed} of {swept}");
    assert!(more < descended, "{more} of {descended}");
    assert!(refitted < 0.99 * more, "{refitted} of {more}");
}

#[test]
fn values_that_float32_can_hardly_square_are_left_as_sane_as_rounding_leaves_them() {
    for (unit, store) in [1e-38, 1e-30, 1e-20, 1e4, 1e18, 1e37]
        .into_iter()
        .flat_map(|unit| Dtype::ALL.map(|store| (unit, store)))
    {
        let task = Task { sweeps: 2, refit: true, ..task(3, 128, 4, 64, store) };
        let problem = problem(task, Dtype::F32, |_, _, noise| unit * noise);
        let answer = problem.solve();
        let (own, rounded) = (answer.decoded, problem.rounded());
        assert!(own.iter().all(|value| value.is_finite()));
        let worst = |decoded: &[f32]| {
            problem
                .weights
                .iter()
                .zip(decoded)
                .map(|(w, v)| f64::from(w - v).abs())
                .fold(0.0, f64::max)
        };
        assert!(worst(&own) <= 2.0 * worst(&rounded), "{unit:e} {store:?}");
    }
}

#[test]
fn non_finite_weights_are_counted_and_nothing_else_is_done() {
    let mut problem = problem(task(3, 64, 4, 64, Dtype::Bf16), Dtype::F32, gaussian);
    problem.bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    problem.bytes[128 * 4..129 * 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let (mut words, mut scales, mut biases) = (vec![0; 3 * 32], vec![0; 6], vec![0; 6]);
    let stored = Stored { words: &mut words, scales: &mut scales, biases: &mut biases };
    let mut operands =
        [Operands { source: problem.source(), stored, sums: &mut [RowSums::default(); 3] }];
    let job = Job { tasks: vec![problem.task], sources: 1, sampled: false, first: 0 };
    let (mut memory, mut scratch) = (vec![0.0; job.workspace()], Scratch::default());
    let mut works = Workspaces { job: &job, memory: &mut memory, scratch: &mut scratch };
    assert_eq!(prepare(&mut operands, &problem.diagonal, &mut works), [2.0]);
}

/// Computes every candidate in float64, one group at a time. None is better than what the search
/// found.
#[test]
fn the_search_finds_the_best_of_what_it_tries() {
    for (bits, store) in
        [2, 4, 8].into_iter().flat_map(|bits| Dtype::ALL.map(|store| (bits, store)))
    {
        let task = Task { factored: false, ..task(17, 128, bits, 64, store) };
        let problem = problem(task, Dtype::F32, gaussian);
        let answer = problem.solve();
        let [scales, biases] = &answer.searched;
        for (at, values) in problem.weights.chunks_exact(64).enumerate() {
            let (row, group) = (at / 2, at % 2);
            let importance = &problem.diagonal[group * 64..][..64];
            let most = f64::from(task.levels());
            let error = |scale: f32, bias: f32| -> f64 {
                let (scale, bias) =
                    (f64::from(round_to(store, scale)), f64::from(round_to(store, bias)));
                let misses = values.iter().zip(importance).map(|(&w, &h)| {
                    let w = f64::from(w);
                    let code = ((w - bias) / scale).round_ties_even().clamp(0.0, most);
                    f64::from(h) * (w - (code * scale + bias)).powi(2)
                });
                misses.sum()
            };
            let lo = values.iter().copied().fold(f32::MAX, f32::min);
            let hi = values.iter().copied().fold(f32::MIN, f32::max);
            let own = fit_ref(lo, hi, bits);
            let mut best = error(own.0, own.1);
            let least = [0.25, 0.2, 0.15, 0.1, 0.06, 0.04, 0.02][bits - 2];
            for (low, high) in (0..11).flat_map(|low| (0..11).map(move |high| (low, high))) {
                let [low, high] = [low, high].map(|end| least * end as f32 / 10.0);
                let scale = (hi - lo) * (1.0 - low - high) / task.levels();
                best = best.min(error(scale, lo + low * (hi - lo)));
            }
            let at = task.pair(group, row);
            let found = error(scales[at], biases[at]);
            assert!(
                found <= best * 1.001,
                "{bits} bits, {store:?}: {found:e} where {best:e} is to be had"
            );
        }
    }
}
