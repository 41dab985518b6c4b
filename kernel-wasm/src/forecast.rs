//! What tuning at a width will lose, told without choosing a code. With H' = RᵀR the sweep leaves Σ t_p², t_p = R_pp · (rounding
//! error of position p): errors spread evenly over a step s have s² / 12, so a row loses Σ_p R_pp² s² / 12 (docs/measuring.md;
//! GPTQ as nearest-plane rounding: arXiv 2508.01077). Clipping and coordinate descent are not in it: the caller holds
//! a sample of real results against it.

use crate::gemm::Scratch;
use crate::sweep::{add_rounded, Block};
use crate::tuning::{Plan, Rooms};

/// Σ over rows of Σ_k pivots[k] · s² / 12, s the scale of column k's group as searched. `pivots` in natural order.
pub fn expected_loss(plan: &Plan, pivots: &[f32], rooms: &Rooms) -> f64 {
    let stride = plan.stride();
    let groups = pivots.chunks_exact(plan.group).enumerate();
    groups
        .map(|(place, pivots)| {
            let sum: f64 = pivots.iter().map(|&pivot| f64::from(pivot)).sum();
            let scales = &rooms.scales[place * stride..][..plan.rows];
            sum / 12.0 * scales.iter().map(|&scale| f64::from(scale).powi(2)).sum::<f64>()
        })
        .sum()
}

/// Puts the weights themselves where the errors of plain rounding would stand, by position: what storing zeros would lose.
pub fn take_weights(plan: &Plan, order: &[u32], rooms: &mut Rooms) {
    let stride = plan.stride();
    rooms.rounded_losses.fill(0.0);
    for (p, &natural) in order.iter().enumerate() {
        let from = &rooms.weights[natural as usize * stride..][..stride];
        rooms.rounded[p * stride..][..stride].copy_from_slice(from);
    }
}

/// Adds a block's share of tr(W H' Wᵀ).
pub fn add_energy(plan: &Plan, block: &Block, rooms: &mut Rooms, scratch: &mut Scratch) {
    add_rounded(plan, block, rooms, scratch);
}

/// tr(W H' Wᵀ) after all blocks.
pub fn energy(plan: &Plan, rooms: &Rooms) -> f64 {
    rooms.rounded_losses[..plan.rows].iter().sum()
}
