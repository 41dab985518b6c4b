//! Whole jobs against the textbook, in float64: GPTQ through the inverse, losses as traces, bytes as a reader decodes them.

use super::*;
use crate::affine::tests::{fit_ref, settle_ref};
use crate::half::{round_to, Dtype};
use crate::tile::Rounding;
use crate::tuning::BLOCK;

/// Uniform numbers of -1..1.
fn noise(seed: usize) -> impl FnMut() -> f64 {
    let mut state = seed as u64 * 0x9e37_79b9_7f4a_7c15 + 1;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A layer's problem: weights, and a Hessian with correlated columns, some of them loud.
#[derive(Clone)]
struct Problem {
    plan: Plan,
    from: Dtype,
    bytes: Vec<u8>,
    /// As `bytes` hold them.
    weights: Vec<f32>,
    /// H', `[d, d]`, natural order.
    hessian: Vec<f64>,
    order: Vec<u32>,
    /// R `[d, d]`, by position.
    factor: Vec<f32>,
    diagonal: Vec<f32>,
}

fn plan(rows: usize, columns: usize, bits: usize, group: usize, store: Dtype) -> Plan {
    Plan { rows, columns, bits, group, store, sweeps: 0, refit: false, factored: true }
}

fn problem(plan: Plan, from: Dtype, weight: impl Fn(usize, usize, f64) -> f64) -> Problem {
    let (rows, d) = (plan.rows, plan.columns);
    let mut next = noise(rows * 1000 + d);
    let mut weights: Vec<f32> =
        (0..rows * d).map(|at| weight(at / d, at % d, next()) as f32).collect();
    let mut bytes = vec![0; weights.len() * from.bytes()];
    narrow(from, &weights, &mut bytes);
    widen(from, &bytes, &mut weights);
    // Tokens: few latent directions, own noise, every 23rd column eight times as loud.
    let (tokens, latent) = (2 * d, d / 4);
    let mix: Vec<f64> = (0..latent * d).map(|_| next()).collect();
    let mut hessian = vec![0.0; d * d];
    for _ in 0..tokens {
        let source: Vec<f64> = (0..latent).map(|_| next()).collect();
        let x: Vec<f64> = (0..d)
            .map(|k| {
                let shared: f64 = source.iter().enumerate().map(|(l, s)| s * mix[l * d + k]).sum();
                (shared / (latent as f64).sqrt() + 0.3 * next())
                    * if k % 23 == 5 { 8.0 } else { 1.0 }
            })
            .collect();
        for (i, row) in hessian.chunks_exact_mut(d).enumerate() {
            row.iter_mut().zip(&x).for_each(|(h, other)| *h += x[i] * other);
        }
    }
    let mean = (0..d).map(|k| hessian[k * d + k]).sum::<f64>() / d as f64;
    (0..d).for_each(|k| hessian[k * d + k] += 0.01 * mean);
    let diagonal: Vec<f32> = (0..d).map(|k| hessian[k * d + k] as f32).collect();
    let mut order: Vec<u32> = (0..d as u32).collect();
    order.sort_by(|&a, &b| diagonal[a as usize].total_cmp(&diagonal[b as usize]).then(b.cmp(&a)));
    let permuted = permute(&hessian, &order);
    let factor = cholesky_ref(d, &permuted).iter().map(|&r| r as f32).collect();
    Problem { plan, from, bytes, weights, hessian, order, factor, diagonal }
}

fn permute(hessian: &[f64], order: &[u32]) -> Vec<f64> {
    let d = order.len();
    let at = |p: usize| order[p] as usize;
    (0..d * d).map(|i| hessian[at(i / d) * d + at(i % d)]).collect()
}

/// R, upper, with H = RᵀR.
fn cholesky_ref(d: usize, h: &[f64]) -> Vec<f64> {
    let mut r = vec![0.0; d * d];
    for i in 0..d {
        for j in i..d {
            let sum: f64 = (0..i).map(|k| r[k * d + i] * r[k * d + j]).sum();
            r[i * d + j] = if i == j {
                (h[i * d + i] - sum).sqrt()
            } else {
                (h[i * d + j] - sum) / r[i * d + i]
            };
        }
    }
    r
}

/// H⁻¹ from its factor, column by column.
fn inverse_ref(d: usize, r: &[f64]) -> Vec<f64> {
    let mut inverse = vec![0.0; d * d];
    for unit in 0..d {
        let mut x = vec![0.0; d];
        for i in 0..d {
            let sum: f64 = (0..i).map(|k| r[k * d + i] * x[k]).sum();
            x[i] = (f64::from(u8::from(i == unit)) - sum) / r[i * d + i];
        }
        for i in (0..d).rev() {
            let sum: f64 = (i + 1..d).map(|k| r[i * d + k] * x[k]).sum();
            x[i] = (x[i] - sum) / r[i * d + i];
        }
        (0..d).for_each(|i| inverse[i * d + unit] = x[i]);
    }
    inverse
}

struct Answer {
    totals: Totals,
    words: Vec<u8>,
    scales: Vec<u8>,
    biases: Vec<u8>,
    /// Ŵ `[rows, columns]`
    decoded: Vec<f32>,
    room: Vec<f64>,
}

impl Problem {
    fn solve(&self) -> Answer {
        let Self { plan, order, .. } = self;
        let (rows, d) = (plan.rows, plan.columns);
        let pairs = rows * plan.groups() * plan.store.bytes();
        let (mut words, mut scales, mut biases) =
            (vec![0; rows * d / 8 * plan.bits], vec![0; pairs], vec![0; pairs]);
        let mut stored = Stored { words: &mut words, scales: &mut scales, biases: &mut biases };
        // What an earlier job left must not matter.
        let mut room = vec![f64::NAN; plan.room()];
        let mut rooms = Rooms::carve(plan, &mut room);
        let tile = Tile {
            weights: &self.bytes,
            from: self.from,
            columns: d,
            store: plan.store,
            rounding: Rounding::Stored,
        };
        let mut totals = prepare(plan, &tile, order, &self.diagonal, &mut stored, &mut rooms);
        let mut end = if plan.factored { d } else { 0 };
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            // Below the diagonal stands anything.
            let mut panel: Vec<f32> = (start..end)
                .flat_map(|p| (start..d).map(move |q| (p, q)))
                .map(|(p, q)| if q < p { f32::NAN } else { self.factor[p * d + q] })
                .collect();
            let block = Block::of(start, end, d, &mut panel);
            tune_block(plan, order, &block, &mut rooms, &mut Scratch::default());
            end = start;
        }
        finish(plan, &tile, order, &mut stored, &rooms, &mut totals);
        let mut decoded = vec![0.0; rows * d];
        let Plan { bits, group, store, .. } = *plan;
        let packed = Packed { words: &words[..], scales: &scales[..], biases: &biases[..] };
        dequantize(&Rows { bits, group, store, packed }, &mut decoded);
        Answer { totals, words, scales, biases, decoded, room }
    }

    /// e H eᵀ of a row.
    fn loss(&self, row: usize, decoded: &[f32]) -> f64 {
        let d = self.plan.columns;
        let own = row * d..(row + 1) * d;
        let errors: Vec<f64> = self.weights[own.clone()]
            .iter()
            .zip(&decoded[own])
            .map(|(w, v)| f64::from(*w) - f64::from(*v))
            .collect();
        if !self.plan.factored {
            return errors.iter().zip(&self.diagonal).map(|(e, h)| e * e * f64::from(*h)).sum();
        }
        let product = |i: usize| -> f64 {
            self.hessian[i * d..][..d].iter().zip(&errors).map(|(h, e)| h * e).sum()
        };
        errors.iter().enumerate().map(|(i, e)| e * product(i)).sum()
    }

    /// Plain rounding by its definition.
    fn rounded(&self) -> Vec<f32> {
        let Plan { bits, group, store, .. } = self.plan;
        let groups = self.weights.chunks_exact(group);
        groups
            .flat_map(|values| {
                let lo = values.iter().copied().fold(f32::MAX, f32::min);
                let hi = values.iter().copied().fold(f32::MIN, f32::max);
                let (scale, bias) = settle_ref(fit_ref(lo, hi, bits), store, true);
                let most = crate::affine::levels(bits);
                values.iter().map(move |w| {
                    ((w - bias) / scale).round_ties_even().clamp(0.0, most) * scale + bias
                })
            })
            .collect()
    }

    /// What every answer promises.
    fn check(&self, answer: &Answer) {
        let (totals, plan) = (answer.totals, &self.plan);
        let rounded = self.rounded();
        let (mut loss, mut rounded_loss) = (0.0, 0.0);
        for row in 0..plan.rows {
            let (own, plain) = (self.loss(row, &answer.decoded), self.loss(row, &rounded));
            assert!(
                own <= plain * (1.0 + 1e-5) + 1e-30,
                "row {row} of {plan:?}: {own:e} is above {plain:e}"
            );
            loss += own;
            rounded_loss += plain;
        }
        let close = |a: f64, b: f64| (a - b).abs() <= 2e-4 * b.abs() + 1e-30;
        assert!(close(totals.loss, loss), "{plan:?}: loss {:e} is {loss:e}", totals.loss);
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
        assert_eq!(totals.non_finite, 0.0);
    }
}

fn gaussian(_: usize, _: usize, noise: f64) -> f64 {
    0.05 * noise * (1.0 + noise * noise)
}

#[test]
fn the_sweep_is_gptq() {
    for (d, bits, group) in [(64, 4, 64), (160, 3, 32), (128, 8, 128), (288, 4, 32), (320, 2, 64)] {
        let problem = problem(plan(5, d, bits, group, Dtype::Bf16), Dtype::Bf16, gaussian);
        let answer = problem.solve();
        problem.check(&answer);
        let mut room = answer.room;
        let rooms = Rooms::carve(&problem.plan, &mut room);
        let (stride, most) = (problem.plan.stride(), problem.plan.levels());
        // Frantar et al., algorithm 1, a column at a time, columns from the last position to the first: the factor of the inverse
        // of H with its order reversed.
        let reversed: Vec<u32> = problem.order.iter().rev().copied().collect();
        let inverse = inverse_ref(d, &cholesky_ref(d, &permute(&problem.hessian, &reversed)));
        let u = cholesky_ref(d, &inverse);
        let (mut same, mut different) = (0, 0);
        for row in 0..problem.plan.rows {
            let mut w: Vec<f64> = reversed
                .iter()
                .map(|&k| f64::from(problem.weights[row * d + k as usize]))
                .collect();
            for i in 0..d {
                let pair = reversed[i] as usize / group * stride + row;
                let (scale, bias) = (f64::from(rooms.scales[pair]), f64::from(rooms.biases[pair]));
                let code = ((w[i] - bias) / scale).round_ties_even().clamp(0.0, f64::from(most));
                if code == f64::from(rooms.codes[(d - 1 - i) * stride + row]) {
                    same += 1;
                } else {
                    different += 1;
                }
                // One flip moves all that follows: go on from ours.
                let ours = f64::from(rooms.codes[(d - 1 - i) * stride + row]);
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
        problem(plan(19, 256, 4, 64, Dtype::Bf16), from, |row, k, noise| match (row + k / 64) % 6 {
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
                let plan = Plan { sweeps, refit, ..plan(19, 256, bits, group, store) };
                let from = Dtype::ALL[(bits + sweeps) % 3];
                let problem =
                    problems.iter().find(|problem| problem.from == from).expect("all three");
                Problem { plan, ..problem.clone() }.check_solved();
            }
            let plan = Plan { factored: false, ..plan(19, 256, bits, group, store) };
            Problem { plan, ..problems[0].clone() }.check_solved();
        }
    }
}

impl Problem {
    fn check_solved(&self) -> Totals {
        let answer = self.solve();
        self.check(&answer);
        answer.totals
    }
}

#[test]
fn rows_do_not_show_how_they_were_cut() {
    let cut = Plan { sweeps: 2, refit: true, ..plan(37, 192, 4, 64, Dtype::Bf16) };
    let whole = problem(cut, Dtype::Bf16, gaussian);
    let expected = whole.solve();
    for height in [1, 3, 16, 17, 36] {
        for start in (0..37).step_by(height) {
            let rows = height.min(37 - start);
            let part = Problem {
                plan: Plan { rows, ..cut },
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
fn each_step_lowers_the_loss() {
    let base = plan(48, 320, 4, 64, Dtype::Bf16);
    let loss = |plan: Plan| problem(plan, Dtype::Bf16, gaussian).check_solved().loss;
    let diagonal = problem(base, Dtype::Bf16, gaussian).check_solved().rounded_loss;
    let swept = loss(base);
    let descended = loss(Plan { sweeps: 1, ..base });
    let more = loss(Plan { sweeps: 4, ..base });
    let refitted = loss(Plan { sweeps: 4, refit: true, ..base });
    assert!(swept < 0.5 * diagonal, "{swept} of {diagonal}");
    assert!(descended < 0.95 * swept, "{descended} of {swept}");
    assert!(more < descended, "{more} of {descended}");
    assert!(refitted < 0.99 * more, "{refitted} of {more}");
}

#[test]
fn values_that_float32_can_hardly_square_are_left_as_sane_as_rounding_leaves_them() {
    for (unit, store) in [1e-38, 1e-30, 1e-20, 1e4, 1e18, 1e37]
        .into_iter()
        .flat_map(|unit| Dtype::ALL.map(|store| (unit, store)))
    {
        let plan = Plan { sweeps: 2, refit: true, ..plan(3, 128, 4, 64, store) };
        let problem = problem(plan, Dtype::F32, |_, _, noise| unit * noise);
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
fn what_is_not_finite_is_counted_and_nothing_else_done() {
    let mut problem = problem(plan(3, 64, 4, 64, Dtype::Bf16), Dtype::F32, gaussian);
    problem.bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    problem.bytes[128 * 4..129 * 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let tile = Tile {
        weights: &problem.bytes,
        from: Dtype::F32,
        columns: 64,
        store: Dtype::Bf16,
        rounding: Rounding::Stored,
    };
    let mut room = vec![0.0; problem.plan.room()];
    let (mut words, mut scales, mut biases) = (vec![0; 3 * 32], vec![0; 6], vec![0; 6]);
    let mut stored = Stored { words: &mut words, scales: &mut scales, biases: &mut biases };
    let mut rooms = Rooms::carve(&problem.plan, &mut room);
    let totals =
        prepare(&problem.plan, &tile, &problem.order, &problem.diagonal, &mut stored, &mut rooms);
    assert_eq!(totals.non_finite, 2.0);
}

/// Every candidate by hand, one group at a time: none is better than what the search found, in float64.
#[test]
fn the_search_finds_the_best_of_what_it_tries() {
    for (bits, store) in
        [2, 4, 8].into_iter().flat_map(|bits| Dtype::ALL.map(|store| (bits, store)))
    {
        let plan = Plan { factored: false, ..plan(17, 128, bits, 64, store) };
        let problem = problem(plan, Dtype::F32, gaussian);
        let mut answer = problem.solve();
        let rooms = Rooms::carve(&plan, &mut answer.room);
        for (at, values) in problem.weights.chunks_exact(64).enumerate() {
            let (row, group) = (at / 2, at % 2);
            let importance = &problem.diagonal[group * 64..][..64];
            let most = f64::from(plan.levels());
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
                let scale = (hi - lo) * (1.0 - low - high) / plan.levels();
                best = best.min(error(scale, lo + low * (hi - lo)));
            }
            let at = group * plan.stride() + row;
            let found = error(rooms.scales[at], rooms.biases[at]);
            assert!(
                found <= best * 1.001,
                "{bits} bits, {store:?}: {found:e} where {best:e} is to be had"
            );
        }
    }
}
