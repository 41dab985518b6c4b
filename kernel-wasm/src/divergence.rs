//! How far a model's next-token distribution is from its base's: in float64 over the whole vocabulary, because differences
//! of bf16 or float32 softmaxes drown what is measured.

/// What one position says of two models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Kullback-Leibler divergence of the model from the base, KL(base ‖ model), in nats.
    pub divergence: f64,
    /// log-probability of the token that follows, in nats: base, model.
    pub base: f64,
    pub model: f64,
    /// Whether both hold the same token for the likeliest. The first of equals counts.
    pub same_top: bool,
}

/// `base` and `model` are the logits `[vocabulary]` of one position.
pub fn compare(base: &[f32], model: &[f32], next: usize) -> Position {
    let (base_top, base_log) = normalizer(base);
    let (model_top, model_log) = normalizer(model);
    let mut divergence = 0.0;
    for (&p, &q) in base.iter().zip(model) {
        let (p, q) = (f64::from(p) - base_log, f64::from(q) - model_log);
        divergence += p.exp() * (p - q);
    }
    Position {
        divergence,
        base: f64::from(base[next]) - base_log,
        model: f64::from(model[next]) - model_log,
        same_top: base_top == model_top,
    }
}

/// Index of the largest logit, and log Σ exp.
fn normalizer(logits: &[f32]) -> (usize, f64) {
    let top = (0..logits.len()).fold(0, |top, i| if logits[i] > logits[top] { i } else { top });
    let largest = f64::from(logits[top]);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    (top, largest + sum.ln())
}

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
        assert!((position.model - 0.25f64.ln()).abs() < 1e-7 && (position.base - 0.5f64.ln()).abs() < 1e-7);
        assert!(!position.same_top);
    }

    #[test]
    fn large_logits_stay_finite() {
        let position = compare(&[3e38, -3e38], &[1e4, 0.0], 0);
        assert!(position.divergence.abs() < 1e-12 && position.base == 0.0);
    }
}
