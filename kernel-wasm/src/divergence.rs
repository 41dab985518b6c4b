//! Compares a model's next-token distribution with its base's, in float64 over all tokens. The
//! rounding errors of bf16 or float32 softmaxes are larger than the differences.

/// Figures of one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Kullback-Leibler divergence of the model from the base, KL(base ‖ model), in nats.
    pub divergence: f64,
    /// Log-probability of the token that follows under the base, in nats.
    pub base: f64,
    /// The same under the model.
    pub model: f64,
    /// Whether both models rank the same token first. Of equal logits the lower index ranks first.
    pub same_top: bool,
}

/// Compares one position: `base` and `model` are logits `[vocabulary]`, `next` is the token that
/// follows.
pub fn compare(base: &[f32], model: &[f32], next: usize) -> Position {
    let mut shares = vec![0.0; base.len()];
    let (model_top, model_log) = normalizer(model, &mut shares);
    let (base_top, base_log) = normalizer(base, &mut shares);
    let mut sums = [0.0; LANES];
    let logits = base.chunks(LANES).zip(model.chunks(LANES));
    for (shares, (base, model)) in shares.chunks(LANES).zip(logits) {
        for (sum, (&share, (&p, &q))) in
            sums.iter_mut().zip(shares.iter().zip(base.iter().zip(model)))
        {
            *sum += share * ((f64::from(p) - base_log) - (f64::from(q) - model_log));
        }
    }
    let largest = f64::from(base[base_top]);
    Position {
        divergence: total(sums) * (largest - base_log).exp(),
        base: f64::from(base[next]) - base_log,
        model: f64::from(model[next]) - model_log,
        same_top: base_top == model_top,
    }
}

/// Independent sums: two vectors of float64.
const LANES: usize = 4;

fn total(sums: [f64; LANES]) -> f64 {
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Index of the largest logit, and log Σ exp. `shares` become exp(logit - largest).
fn normalizer(logits: &[f32], shares: &mut [f64]) -> (usize, f64) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let top = logits.iter().position(|&logit| logit == largest).unwrap_or(0);
    let mut sums = [0.0; LANES];
    for (shares, logits) in shares.chunks_mut(LANES).zip(logits.chunks(LANES)) {
        let mut below = [LEAST; LANES];
        for (below, &logit) in below.iter_mut().zip(logits) {
            *below = f64::from(logit) - f64::from(largest);
        }
        let values = exponentials(below);
        for ((share, sum), value) in shares.iter_mut().zip(&mut sums).zip(values) {
            *share = value;
            *sum += value;
        }
    }
    (top, f64::from(largest) + total(sums).ln())
}

/// Smaller terms do not change a sum that contains a 1.
const LEAST: f64 = -700.0;

/// e^x for x <= 0, to a few units in the last place: 2^n e^r with |r| <= ln 2 / 2, by the Taylor
/// series up to r^13. Only basic operations, four at a time: several times faster than library
/// calls, and the same on every machine.
fn exponentials(x: [f64; LANES]) -> [f64; LANES] {
    // Adding it rounds to a whole number, which is then in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    const HIGH: f64 = 0.693_147_180_369_123_8;
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    x.map(|x| {
        let x = if x > LEAST { x } else { LEAST };
        let shifted = x * std::f64::consts::LOG2_E + SHIFT;
        let n = shifted - SHIFT;
        let r = (x - n * HIGH) - n * LOW;
        let mut sum = FACTORIALS[0];
        for factor in &FACTORIALS[1..] {
            sum = sum * r + factor;
        }
        sum * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
    })
}

/// 1 / k!, from k = 13 down to 0.
const FACTORIALS: [f64; 14] = {
    let mut factors = [1.0; 14];
    let (mut factorial, mut k) = (1.0, 1);
    while k <= 13 {
        factorial *= k as f64;
        factors[13 - k] = 1.0 / factorial;
        k += 1;
    }
    factors
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_do_not_diverge_and_a_shift_does_not_matter() {
        let logits = [0.5, -3.0, 7.25, 1.0];
        let shifted = logits.map(|logit| logit + 4.0);
        let position = compare(&logits, &shifted, 1);
        assert!(position.divergence.abs() < 1e-15 && position.same_top);
        assert!((position.base - position.model).abs() < 1e-14);
    }

    #[test]
    fn two_outcomes_by_hand() {
        // p = (1/2, 1/2), q = (1/4, 3/4): KL = 1/2 ln 2 + 1/2 ln(2/3).
        let position = compare(&[0.0, 0.0], &[0.0, 3f32.ln()], 0);
        assert!((position.divergence - 0.5 * (2f64.ln() + (2f64 / 3.0).ln())).abs() < 1e-7);
        assert!(
            (position.model - 0.25f64.ln()).abs() < 1e-7
                && (position.base - 0.5f64.ln()).abs() < 1e-7
        );
        assert!(!position.same_top);
    }

    #[test]
    fn large_logits_stay_finite() {
        let position = compare(&[3e38, -3e38], &[1e4, 0.0], 0);
        assert!(position.divergence.abs() < 1e-12 && position.base == 0.0);
    }

    #[test]
    fn exponentials_are_those_of_the_library() {
        for i in 0..4000 {
            let x = -f64::from(i) * 0.1733;
            let [found, ..] = exponentials([x, 0.0, -1.0, x]);
            let expected = if x > LEAST { x.exp() } else { LEAST.exp() };
            assert!((found / expected - 1.0).abs() < 4e-16, "e^{x} is {found}, not {expected}");
        }
        assert_eq!(exponentials([0.0, f64::NEG_INFINITY, 0.0, 0.0])[0], 1.0);
    }

    #[test]
    fn agrees_with_its_definition_for_every_remainder() {
        for vocabulary in [1usize, 2, 3, 4, 5, 63, 64, 65, 127] {
            let logits = |k: f64| -> Vec<f32> {
                (0..vocabulary).map(|v| (7.0 * (v as f64 * k).sin()) as f32).collect()
            };
            let (base, model) = (logits(1.7), logits(1.71));
            let softmax = |logits: &[f32]| -> Vec<f64> {
                let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
                logits.iter().map(|&l| f64::from(l).exp() / sum).collect()
            };
            let (p, q) = (softmax(&base), softmax(&model));
            let expected: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            let found = compare(&base, &model, vocabulary - 1);
            assert!(
                (found.divergence - expected).abs() < 1e-13,
                "{} is not {expected}",
                found.divergence
            );
            assert!((found.model - q[vocabulary - 1].ln()).abs() < 1e-12);
        }
    }
}
