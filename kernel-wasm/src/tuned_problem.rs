//! Problems for tuning, and factors of their Hessians in float64.

use super::*;
use crate::half::Dtype;

/// Uniform numbers of -1..1.
pub fn noise(seed: usize) -> impl FnMut() -> f64 {
    let mut state = seed as u64 * 0x9e37_79b9_7f4a_7c15 + 1;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

pub fn gaussian(_: usize, _: usize, noise: f64) -> f64 {
    0.05 * noise * (1.0 + noise * noise)
}

/// A layer's problem: weights, and a Hessian with correlated columns, some of them eight times as
/// large.
#[derive(Clone)]
pub struct Problem {
    /// Without its order and the number of its source.
    pub task: Task<'static>,
    pub from: Dtype,
    pub bytes: Vec<u8>,
    /// As `bytes` hold them.
    pub weights: Vec<f32>,
    /// H', `[d, d]`, natural order.
    pub hessian: Vec<f64>,
    pub order: Vec<u32>,
    /// R `[d, d]`, by position.
    pub factor: Vec<f32>,
    pub diagonal: Vec<f32>,
}

pub fn task(rows: usize, columns: usize, bits: usize, group: usize, store: Dtype) -> Task<'static> {
    let (source, sweeps, window, refit, factored, order) = (0, 0, 0, false, true, &[]);
    Task { source, rows, columns, bits, group, store, sweeps, window, refit, factored, order }
}

pub fn problem(
    task: Task<'static>,
    from: Dtype,
    weight: impl Fn(usize, usize, f64) -> f64,
) -> Problem {
    let (rows, d) = (task.rows, task.columns);
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
    Problem { task, from, bytes, weights, hessian, order, factor, diagonal }
}

pub fn permute(hessian: &[f64], order: &[u32]) -> Vec<f64> {
    let d = order.len();
    let at = |p: usize| order[p] as usize;
    (0..d * d).map(|i| hessian[at(i / d) * d + at(i % d)]).collect()
}

/// R, upper, with H = RᵀR.
pub fn cholesky_ref(d: usize, h: &[f64]) -> Vec<f64> {
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
pub fn inverse_ref(d: usize, r: &[f64]) -> Vec<f64> {
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
