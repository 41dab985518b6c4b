//! Predicts what tuning at a width will lose, without choosing codes. With H' = RᵀR the sweep
//! leaves Σ t_p², t_p = R_pp · (rounding error of position p). Errors spread evenly over a step s
//! have variance s² / 12, so a row loses Σ_p R_pp² s² / 12 (GPTQ as nearest-plane rounding: arXiv
//! 2508.01077). Clipping and coordinate descent are not included; the caller corrects for them with
//! a sample of real results.

use crate::tuning::{Plan, Workspace};

/// Σ over rows of Σ_k pivots[k] · s² / 12, s the scale of column k's group as searched. `pivots` in
/// natural order.
pub fn expected_loss(plan: &Plan, pivots: &[f32], work: &Workspace) -> f64 {
    let stride = plan.stride();
    let groups = pivots.chunks_exact(plan.group).enumerate();
    groups
        .map(|(place, pivots)| {
            let sum: f64 = pivots.iter().map(|&pivot| f64::from(pivot)).sum();
            let scales = &work.scales[place * stride..][..plan.rows];
            sum / 12.0 * scales.iter().map(|&scale| f64::from(scale).powi(2)).sum::<f64>()
        })
        .sum()
}

/// Writes the weights in the place of plain rounding's errors, by position. `sweep::add_rounded`
/// then adds up the loss of storing zeros.
pub fn take_weights(plan: &Plan, work: &mut Workspace) {
    let stride = plan.stride();
    work.rounded_losses.fill(0.0);
    for (p, &natural) in plan.order.iter().enumerate() {
        let from = &work.weights[natural as usize * stride..][..stride];
        work.rounded[p * stride..][..stride].copy_from_slice(from);
    }
}

/// tr(W H' Wᵀ) after all blocks.
pub fn energy(plan: &Plan, work: &Workspace) -> f64 {
    work.rounded_losses[..plan.rows].iter().sum()
}
