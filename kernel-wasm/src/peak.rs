//! The reference rate of the benchmarks: fused multiply-adds on registers, without memory access.

use std::array::from_fn;

use crate::lanes::Floats;

/// Enough sums to hide the latency of an instruction, few enough to stay in registers.
const SUMS: usize = 12;

/// `steps` times a fused multiply-add of four lanes on each of twelve independent sums: 96 float32
/// operations a step.
#[inline(never)]
pub fn run(steps: u32, factor: f32) -> f32 {
    let (factor, addend) = (Floats::splat(factor), Floats::splat(factor * 0.5));
    let mut sums: [Floats; SUMS] = from_fn(|i| Floats::splat(i as f32));
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = sum.mul_add(factor, addend);
        }
    }
    sums.into_iter().reduce(|a, b| a + b).map_or(0.0, Floats::first)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_step_counts() {
        // x -> x / 2 + 1/4 from 0, 1, … 11: each ends near 1/2, by 2^-steps of its distance.
        assert_eq!(super::run(0, 0.5), 66.0);
        assert_eq!(super::run(3, 0.5), 6.0 + (66.0 - 6.0) / 8.0);
    }
}
