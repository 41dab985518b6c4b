//! Solves problems by whole jobs, and checks the answers in float64.

use super::problem::Problem;
use super::*;
use crate::affine::tests::{fit_ref, settle_ref};
use crate::exact::tests::grid_ref;
use crate::gemm::Scratch;
use crate::quantize::Rounding;
use crate::tuning::{Job, BLOCK};

pub struct Answer {
    pub rows: Vec<RowSums>,
    pub words: Vec<u8>,
    pub scales: Vec<u8>,
    pub biases: Vec<u8>,
    /// Ŵ `[rows, columns]`
    pub decoded: Vec<f32>,
    /// Scales and biases of the workspace, `[chunks, groups, 16]`.
    pub searched: [Vec<f32>; 2],
    /// Codes of the workspace, `[chunks, columns, 16]`.
    pub codes: Vec<f32>,
}

/// Solves problems with the same Hessian in one job. The first source counts if all are the same.
pub fn solve_all(problems: &[&Problem]) -> Vec<Answer> {
    solve_job(problems, false)
}

/// The same; a sampled job compares plain rounding with the result of tuning.
pub fn solve_job(problems: &[&Problem], sampled: bool) -> Vec<Answer> {
    let (first, bytes) = (problems[0], |problem: &&Problem| problem.bytes == problems[0].bytes);
    let sources = if problems.iter().all(bytes) { 1 } else { problems.len() };
    let numbered = |(index, problem): (usize, &&Problem)| {
        let order = if first.task.factored { &first.order[..] } else { &[] };
        Task { order, source: index.min(sources - 1), ..problem.task }
    };
    let job = Job {
        tasks: problems.iter().enumerate().map(numbered).collect(),
        sources,
        sampled,
        first: 0,
    };
    let mut answers: Vec<Answer> =
        problems.iter().map(|problem| Answer::of(&problem.task)).collect();
    let mut operands: Vec<Operands> = problems
        .iter()
        .zip(&mut answers)
        .map(|(problem, Answer { words, scales, biases, rows, .. })| {
            let stored = Stored { words, scales, biases };
            Operands { source: problem.source(), stored, sums: rows }
        })
        .collect();
    // The result must not depend on what an earlier job left.
    let mut memory = vec![f64::NAN; job.workspace()];
    let mut scratch = Scratch::default();
    let mut works = Workspaces { job: &job, memory: &mut memory, scratch: &mut scratch };
    prepare(&mut operands, &first.diagonal, &mut works);
    if first.task.factored && sampled {
        first.each_block(|block| tune_block(block, &mut works));
        compare(&operands, &mut works);
        first.each_block(|block| round_block(block, &mut works));
    } else if first.task.factored {
        first.each_block(|block| round_block(block, &mut works));
        first.each_block(|block| tune_block(block, &mut works));
    }
    finish(&mut operands, &mut works);
    for (index, (problem, answer)) in problems.iter().zip(&mut answers).enumerate() {
        answer.take(&problem.task, &works.of(index));
    }
    answers
}

impl Answer {
    fn of(task: &Task) -> Self {
        let pairs = task.rows * task.groups() * task.store.bytes();
        Self {
            rows: vec![RowSums::default(); task.rows],
            words: vec![0; task.rows * task.columns / 8 * task.bits],
            scales: vec![0; pairs],
            biases: vec![0; pairs],
            decoded: vec![0.0; task.rows * task.columns],
            searched: [vec![], vec![]],
            codes: vec![],
        }
    }

    /// Decodes the stored bytes, and copies what tests read of the workspace.
    fn take(&mut self, task: &Task, work: &Workspace) {
        let Task { bits, group, store, .. } = *task;
        let Self { words, scales, biases, decoded, .. } = self;
        let packed = Packed { words: &words[..], scales: &scales[..], biases: &biases[..] };
        dequantize(&Rows { bits, group, store, packed }, decoded);
        self.searched = [work.scales.to_vec(), work.biases.to_vec()];
        self.codes = work.codes.to_vec();
    }

    /// Sums over all rows.
    pub fn totals(&self) -> RowSums {
        let sum = |of: fn(&RowSums) -> f64| self.rows.iter().map(of).sum();
        RowSums {
            loss: sum(|row| row.loss),
            rounded_loss: sum(|row| row.rounded_loss),
            squared_error: sum(|row| row.squared_error),
            energy: sum(|row| row.energy),
        }
    }
}

impl Problem {
    /// Visits all blocks from the last to the first.
    fn each_block(&self, mut visit: impl FnMut(&Block)) {
        let d = self.task.columns;
        let mut end = d;
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            // Elements below the diagonal can be anything.
            let mut panel: Vec<f32> = (start..end)
                .flat_map(|p| (start..d).map(move |q| (p, q)))
                .map(|(p, q)| if q < p { f32::NAN } else { self.factor[p * d + q] })
                .collect();
            visit(&Block::of(start, end, d, &mut panel));
            end = start;
        }
    }

    pub fn solve(&self) -> Answer {
        solve_all(&[self]).remove(0)
    }

    pub fn source(&self) -> Source<'_> {
        let (columns, store) = (self.task.columns, self.task.store);
        Source { weights: &self.bytes, from: self.from, columns, store, rounding: Rounding::Stored }
    }

    /// e H eᵀ of a row.
    pub fn loss(&self, row: usize, decoded: &[f32]) -> f64 {
        let d = self.task.columns;
        let own = row * d..(row + 1) * d;
        let errors: Vec<f64> = self.weights[own.clone()]
            .iter()
            .zip(&decoded[own])
            .map(|(w, v)| f64::from(*w) - f64::from(*v))
            .collect();
        if !self.task.factored {
            return errors.iter().zip(&self.diagonal).map(|(e, h)| e * e * f64::from(*h)).sum();
        }
        let product = |i: usize| -> f64 {
            self.hessian[i * d..][..d].iter().zip(&errors).map(|(h, e)| h * e).sum()
        };
        errors.iter().enumerate().map(|(i, e)| e * product(i)).sum()
    }

    /// Plain rounding, by its definition.
    pub fn rounded(&self) -> Vec<f32> {
        let Task { bits, group, store, .. } = self.task;
        let groups = self.weights.chunks_exact(group);
        groups
            .flat_map(|values| {
                let lo = values.iter().copied().fold(f32::MAX, f32::min);
                let hi = values.iter().copied().fold(f32::MIN, f32::max);
                let grid = grid_ref(values, bits, store);
                let fit = grid.unwrap_or_else(|| fit_ref(lo, hi, bits));
                let (scale, bias) = settle_ref(fit, store, true);
                let most = crate::affine::levels(bits);
                values.iter().map(move |w| {
                    ((w - bias) / scale).round_ties_even().clamp(0.0, most) * scale + bias
                })
            })
            .collect()
    }

    /// Checks what holds for every answer.
    pub fn check(&self, answer: &Answer) {
        let (totals, task) = (answer.totals(), &self.task);
        let rounded = self.rounded();
        let (mut loss, mut rounded_loss) = (0.0, 0.0);
        for row in 0..task.rows {
            let (own, plain) = (self.loss(row, &answer.decoded), self.loss(row, &rounded));
            assert!(
                own <= plain * (1.0 + 1e-5) + 1e-30,
                "row {row} of {task:?}: {own:e} is above {plain:e}"
            );
            loss += own;
            rounded_loss += plain;
        }
        let close = |a: f64, b: f64| (a - b).abs() <= 2e-4 * b.abs() + 1e-30;
        assert!(close(totals.loss, loss), "{task:?}: loss {:e} is {loss:e}", totals.loss);
        assert!(
            close(totals.rounded_loss, rounded_loss),
            "{:e} is {rounded_loss:e}",
            totals.rounded_loss
        );
        let squares = |values: &mut dyn Iterator<Item = f32>| {
            values.map(|v| f64::from(v).powi(2)).sum::<f64>()
        };
        let error = squares(&mut self.weights.iter().zip(&answer.decoded).map(|(w, v)| w - v));
        assert!((totals.squared_error - error).abs() <= 1e-12 * error);
        assert!(
            (totals.energy - squares(&mut self.weights.iter().copied())).abs()
                <= 1e-6 * totals.energy
        );
    }

    pub fn check_solved(&self) -> RowSums {
        let answer = self.solve();
        self.check(&answer);
        answer.totals()
    }
}
