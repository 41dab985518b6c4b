//! Whole ranges of rows against the definition, one element at a time: bytes equal, sums within
//! float32's rounding.

use super::*;
use crate::affine::tests::{fit_ref, settle_ref};
use crate::dequantize::{dequantize, Rows};
use crate::encode::tests::{code_ref, decode_ref};
use crate::exact::tests::grid_ref;

struct Answer {
    words: Vec<u8>,
    scales: Vec<u8>,
    biases: Vec<u8>,
    squared_error: f64,
}

fn quantize_ref(source: &Source, weights: &[f32], bits: usize, group: usize) -> Answer {
    let store = |value: f32| {
        let mut bytes = vec![0; source.store.bytes()];
        narrow(source.store, &[value], &mut bytes);
        bytes
    };
    let (mut stream, mut answer) =
        (Vec::new(), Answer { words: vec![], scales: vec![], biases: vec![], squared_error: 0.0 });
    for base in weights.chunks_exact(group) {
        let values: Vec<f32> = base
            .iter()
            .map(|&w| if source.casts() { round_to(source.store, w) } else { w })
            .collect();
        let lo = values.iter().copied().fold(f32::MAX, f32::min);
        let hi = values.iter().copied().fold(f32::MIN, f32::max);
        let as_stored = source.rounding == Rounding::Stored;
        let grid = if as_stored { grid_ref(base, bits, source.store) } else { None };
        let exact = grid.unwrap_or_else(|| fit_ref(lo, hi, bits));
        let stored = settle_ref(exact, source.store, as_stored);
        let chosen = if as_stored { stored } else { exact };
        answer.scales.extend(store(stored.0));
        answer.biases.extend(store(stored.1));
        for (&value, &w) in values.iter().zip(base) {
            let code = code_ref(value, chosen.0, chosen.1, bits);
            stream.extend((0..bits).map(|bit| code >> bit & 1));
            answer.squared_error += f64::from(w - decode_ref(code, stored.0, stored.1)).powi(2);
        }
    }
    answer.words = stream
        .chunks_exact(8)
        .map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit))
        .collect();
    answer
}

/// Weights of every temper: Gaussian-like, one-sided, constant, tiny, outliers.
fn weight(row: usize, k: usize) -> f32 {
    let noise = ((row * 7919 + k * 104_729) % 10_007) as f32 / 10_007.0 - 0.5;
    match (row + k / 64) % 6 {
        0 => noise * 0.05,
        1 => noise.abs() + 0.1,
        2 => -0.37,
        3 => noise * 1e-7,
        4 => noise * if k.is_multiple_of(61) { 300.0 } else { 0.01 },
        _ => (k % 16) as f32 - 7.5,
    }
}

#[test]
fn whole_ranges_agree_with_the_definition() {
    let widths: Vec<(usize, usize)> =
        [4, 8, 2, 3, 5, 6].into_iter().flat_map(|bits| [64, 128, 32].map(|g| (bits, g))).collect();
    for (rows, columns) in [(1, 128), (3, 384), (63, 128), (2, BLOCK + 128), (1, 2 * BLOCK)] {
        for (from, store) in
            Dtype::ALL.into_iter().flat_map(|from| Dtype::ALL.map(|store| (from, store)))
        {
            let mut base: Vec<f32> =
                (0..rows * columns).map(|k| weight(k / columns, k % columns)).collect();
            let mut bytes = vec![0; base.len() * from.bytes()];
            narrow(from, &base, &mut bytes);
            widen(from, &bytes, &mut base);
            for rounding in [Rounding::Stored, Rounding::Mlx] {
                check(&Source { weights: &bytes, from, columns, store, rounding }, &base, &widths);
            }
        }
    }
}

fn check(source: &Source, base: &[f32], widths: &[(usize, usize)]) {
    let mut answers: Vec<Answer> = widths
        .iter()
        .map(|&(bits, group)| Answer {
            words: vec![0; base.len() / 8 * bits],
            scales: vec![0; base.len() / group * source.store.bytes()],
            biases: vec![0; base.len() / group * source.store.bytes()],
            squared_error: 0.0,
        })
        .collect();
    let mut operands: Vec<Width> = answers
        .iter_mut()
        .zip(widths)
        .map(|(Answer { words, scales, biases, .. }, &(bits, group))| Width {
            bits,
            group,
            packed: Packed { words, scales, biases },
            squared_error: 0.0,
        })
        .collect();
    let mut sums = Sums::default();
    quantize(source, &mut operands, &mut sums);
    let errors: Vec<f64> = operands.iter().map(|width| width.squared_error).collect();
    let energy: f64 = base.iter().map(|&w| f64::from(w).powi(2)).sum();
    let found: f64 = sums.energies.iter().sum();
    assert!((found - energy).abs() <= 1e-7 * energy);
    assert_eq!(sums.non_finite, 0.0);
    for ((answer, error), &(bits, group)) in answers.iter().zip(errors).zip(widths) {
        let expected = quantize_ref(source, base, bits, group);
        assert_eq!(
            answer.words, expected.words,
            "{bits} bits g{group}, {:?} {:?}",
            source.from, source.rounding
        );
        assert_eq!(answer.scales, expected.scales);
        assert_eq!(answer.biases, expected.biases);
        assert!((error - expected.squared_error).abs() <= 1e-6 * expected.squared_error);
        let Answer { words, scales, biases, .. } = answer;
        let mut decoded = vec![0.0; base.len()];
        let packed = Packed { words: &words[..], scales: &scales[..], biases: &biases[..] };
        dequantize(&Rows { bits, group, store: source.store, packed }, &mut decoded);
        let decoded_error: f64 =
            base.iter().zip(&decoded).map(|(w, d)| f64::from(w - d).powi(2)).sum();
        assert!((decoded_error - expected.squared_error).abs() <= 1e-12 * expected.squared_error);
    }
}

#[test]
fn what_is_not_finite_is_counted_once() {
    let columns = BLOCK + 64;
    for from in Dtype::ALL {
        let mut weights: Vec<f32> = (0..3 * columns).map(|k| weight(0, k)).collect();
        for (k, odd) in [
            (0, f32::NAN),
            (BLOCK, f32::INFINITY),
            (columns - 1, f32::NEG_INFINITY),
            (3 * columns - 1, f32::NAN),
        ] {
            weights[k] = odd;
        }
        let mut bytes = vec![0; weights.len() * from.bytes()];
        narrow(from, &weights, &mut bytes);
        for (rounding, store) in
            [(Rounding::Stored, from), (Rounding::Mlx, from), (Rounding::Mlx, Dtype::Bf16)]
        {
            let mut sums = Sums::default();
            quantize(
                &Source { weights: &bytes, from, columns, store, rounding },
                &mut [],
                &mut sums,
            );
            assert_eq!(sums.non_finite, 4.0);
        }
    }
}
