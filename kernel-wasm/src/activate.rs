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

/// Slope of the sigmoid and bound of both operands of [`clamped_swiglu`].
const ALPHA: f32 = 1.702;
const LIMIT: f32 = 7.0;

/// `gate` = (u + 1) · g · sigmoid(1.702 g), with g = min(gate, 7) and u = up between -7 and 7
/// (gpt-oss: GptOssExperts in transformers' modeling_gpt_oss.py).
pub fn clamped_swiglu(gate: &mut [f32], up: &[f32]) {
    zip(gate, up, |gate, up| {
        let (least, most) = (Floats::splat(-LIMIT), Floats::splat(LIMIT));
        let gate = most.if_below(gate, most, gate);
        let up = most.if_below(up, most, up.if_below(least, least, up));
        (up + Floats::splat(1.0)) * (gate * sigmoid(Floats::splat(ALPHA) * gate))
    });
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

    fn clamped_swiglu_ref(gate: &[f32], up: &[f32]) -> Vec<f32> {
        gate.iter()
            .zip(up)
            .map(|(gate, up)| {
                let (gate, up) = (f64::from(*gate).min(7.0), f64::from(*up).clamp(-7.0, 7.0));
                ((up + 1.0) * gate / (1.0 + (-1.702 * gate).exp())) as f32
            })
            .collect()
    }

    #[test]
    fn clamped_swiglu_is_clamped_on_its_three_sides() {
        let up = [20.0, 7.0, -20.0, -7.0, 1.0, 1.0, 1.0, 0.5];
        let mut gate = [1.0, 1.0, 1.0, 1.0, 20.0, 7.0, -20.0, f32::NAN];
        clamped_swiglu(&mut gate, &up);
        assert_eq!(gate[0], gate[1]);
        assert_eq!(gate[2], gate[3]);
        assert_eq!(gate[4], gate[5]);
        assert!(gate[6] < 0.0 && gate[6] > -1e-12);
        assert!(gate[7].is_nan());
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
            let far = |seed| -> Vec<f32> { numbers(count, seed).iter().map(|x| 5.0 * x).collect() };
            let (mut gate, up) = (far(6), far(7));
            let expected = clamped_swiglu_ref(&gate, &up);
            clamped_swiglu(&mut gate, &up);
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
