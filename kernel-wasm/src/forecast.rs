//! Predicts what tuning at a width will lose, without choosing codes. With H' = RᵀR the sweep
//! leaves Σ t_p², t_p = R_pp · (rounding error of position p). Errors spread evenly over a step s
//! have variance s² / 12, so a row loses Σ_p R_pp² s² / 12 (GPTQ as nearest-plane rounding: arXiv
//! 2508.01077). Clipping and coordinate descent are not included; the caller corrects for them with
//! a sample of real results.

use crate::sweep::{chunk, chunk_mut};
use crate::tuning::{Task, CHUNK};
use crate::workspace::Workspace;

/// Σ over rows of Σ_k pivots[k] · s² / 12, s the scale of column k's group as searched. `pivots` in
/// natural order.
pub fn expected_loss(task: &Task, pivots: &[f32], work: &Workspace) -> f64 {
    let groups = pivots.chunks_exact(task.group).enumerate();
    groups
        .map(|(place, pivots)| {
            let sum: f64 = pivots.iter().map(|&pivot| f64::from(pivot)).sum();
            let scales = (0..task.rows).map(|row| work.scales[task.pair(place, row)]);
            sum / 12.0 * scales.map(|scale| f64::from(scale).powi(2)).sum::<f64>()
        })
        .sum()
}

/// Writes the weights in the place of plain rounding's errors, by position. `sweep::add_rounded`
/// then adds up the loss of storing zeros.
pub fn take_weights(task: &Task, work: &mut Workspace) {
    work.rounded_losses.fill(0.0);
    for row in (0..task.padded()).step_by(CHUNK) {
        for (p, &natural) in task.order.iter().enumerate() {
            let weights = chunk(&work.weights[task.place(natural as usize, row)..]);
            *chunk_mut(&mut work.errors[task.place(p, row)..]) = *weights;
        }
    }
}

/// tr(W H' Wᵀ) after all blocks.
pub fn energy(task: &Task, work: &Workspace) -> f64 {
    work.rounded_losses[..task.rows].iter().sum()
}
