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

/// Row r of `rows`, of `columns` values, times sigmoid(gates[r]).
pub fn gate_rows(rows: &mut [f32], gates: &[f32], columns: usize) {
    for (row, gate) in rows.chunks_exact_mut(columns).zip(gates) {
        let share = sigmoid(Floats::splat(*gate));
        map(row, |x| x * share);
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
    fn gated_rows_equal_their_formula() {
        for columns in EDGES {
            let (mut rows, gates) = (numbers(3 * columns, 1), [-9.0, 0.0, 2.5]);
            let share = |i: usize| 1.0 / (1.0 + (-f64::from(gates[i / columns])).exp());
            let gated = |(i, x): (usize, &f32)| (f64::from(*x) * share(i)) as f32;
            let expected: Vec<f32> = rows.iter().enumerate().map(gated).collect();
            gate_rows(&mut rows, &gates, columns);
            assert!(distance(&rows, &expected) < 1e-6, "{columns}");
        }
    }
}
