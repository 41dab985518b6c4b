//! The functions between the matrices of an MLP.

use crate::elementary::{map, sigmoid, silu, zip};
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

/// Row r of `y` += sigmoid(gates[r]) · row r of `x`, for rows of `columns` values.
pub fn add_gated(y: &mut [f32], x: &[f32], gates: &[f32], columns: usize) {
    for ((y, x), gate) in y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)).zip(gates) {
        let share = sigmoid(Floats::splat(*gate));
        zip(y, x, |y, x| x.mul_add(share, y));
    }
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

    #[test]
    fn a_gated_sum_equals_its_formula() {
        for columns in EDGES {
            let (mut y, x, gates) =
                (numbers(3 * columns, 1), numbers(3 * columns, 2), [-9.0, 0.0, 2.5f64]);
            let expected: Vec<f32> = y
                .iter()
                .zip(&x)
                .enumerate()
                .map(|(i, (y, x))| {
                    let share = 1.0 / (1.0 + (-gates[i / columns]).exp());
                    (f64::from(*y) + share * f64::from(*x)) as f32
                })
                .collect();
            add_gated(&mut y, &x, &gates.map(|gate| gate as f32), columns);
            assert!(distance(&y, &expected) < 1e-6, "{columns}");
        }
    }
}
