//! The functions between the matrices of an MLP.

use crate::elementary::{map, silu, zip};
use crate::lanes::Floats;

/// max(x, 0)², in place.
pub fn relu_squared(values: &mut [f32]) {
    map(values, |x| {
        let positive = Floats::splat(0.0).if_below(x, x, Floats::splat(0.0));
        positive * positive
    });
}

/// `gate` = SiLU(gate) · up (Shazeer, "GLU variants improve transformer", 2020).
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    zip(gate, up, |gate, up| silu(gate) * up);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementary::tests::{distance, numbers, EDGES};

    fn swiglu_ref(gate: &[f32], up: &[f32]) -> Vec<f32> {
        let silu = |x: f64| x / (1.0 + (-x).exp());
        gate.iter()
            .zip(up)
            .map(|(gate, up)| (silu(f64::from(*gate)) * f64::from(*up)) as f32)
            .collect()
    }

    #[test]
    fn equal_their_references() {
        for count in EDGES {
            let (mut gate, up) = (numbers(count, 4), numbers(count, 5));
            let mut squared = gate.clone();
            relu_squared(&mut squared);
            let expected: Vec<f32> = gate.iter().map(|x| x.max(0.0) * x.max(0.0)).collect();
            assert_eq!(squared, expected);
            let expected = swiglu_ref(&gate, &up);
            swiglu(&mut gate, &up);
            assert!(distance(&gate, &expected) < 1e-6, "{count}");
        }
    }
}
