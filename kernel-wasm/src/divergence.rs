//! Compares a model's next-token distribution with its base's, in float64 over all tokens. The
//! rounding errors of bf16 or float32 softmaxes are larger than the differences. The vocabulary may
//! come in parts, so that neither all logits nor a whole head need to be in memory.

use crate::doubles::{constants, exp};
use crate::lanes::{Doubles, Floats};

/// Figures of one position, and what continues them with the next part of the vocabulary. All zeros
/// before the first part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Position {
    /// Kullback-Leibler divergence of the model from the base, KL(base ‖ model), in nats.
    pub divergence: f64,
    /// Log-probability of the token that follows under the base, in nats.
    pub base: f64,
    /// The same under the model.
    pub model: f64,
    /// 1 if both models rank the same token first. Of equal logits the lower index ranks first.
    pub same_top: f64,
    /// Of the base and of the model.
    seen: [Seen; 2],
    /// Σ e^p (p - q), where p and q are logits of base and model minus the largest of each.
    cross: f64,
}

/// One model's logits so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
struct Seen {
    largest: f64,
    /// Index of the largest logit.
    top: f64,
    /// Σ e^(logit - largest)
    sum: f64,
    /// Logit of the token that follows.
    next: f64,
}

impl Seen {
    /// Makes the sum relative to the largest logit with those of the tokens `first..`. Returns by
    /// how much it is above the old one.
    fn extend(&mut self, logits: &[f32], first: usize, next: usize) -> f64 {
        if let Some(logit) = next.checked_sub(first).and_then(|at| logits.get(at)) {
            self.next = f64::from(*logit);
        }
        let largest = greatest(logits);
        let is_first = self.sum == 0.0;
        if !is_first && f64::from(largest) <= self.largest {
            return 0.0;
        }
        let rise = if is_first { 0.0 } else { f64::from(largest) - self.largest };
        self.largest = f64::from(largest);
        self.top = (first + place_of(logits, largest)) as f64;
        self.sum *= (-rise).exp();
        rise
    }

    /// Log-probability of the token that follows.
    fn log(&self) -> f64 {
        (self.next - self.largest) - self.sum.ln()
    }
}

/// Logits of the tokens `first..` of one position under the base, which several models are compared
/// with.
pub struct BaseLogits<'a> {
    pub logits: &'a [f32],
    pub first: usize,
    /// The token that follows.
    pub next: usize,
    /// e^(logit - largest so far) of each.
    pub shares: &'a mut [f64],
    /// Whether the shares are known, from a comparison with another model.
    pub known: bool,
}

/// Compares a further part of the vocabulary. `model` has the logits of the same tokens.
pub fn compare(position: &mut Position, base: &mut BaseLogits, model: &[f32]) {
    let [ours, theirs] = &mut position.seen;
    let sum = ours.sum;
    let rise = ours.extend(base.logits, base.first, base.next);
    let other = theirs.extend(model, base.first, base.next);
    let largest = [ours.largest, theirs.largest];
    let sums = if base.known {
        sum_up::<true>(base, model, largest)
    } else {
        sum_up::<false>(base, model, largest)
    };
    base.known = true;
    position.cross = (position.cross - sum * (rise - other)) * (-rise).exp() + sums[2];
    ours.sum += sums[0];
    theirs.sum += sums[1];
    position.divergence = position.cross / ours.sum + (theirs.sum.ln() - ours.sum.ln());
    position.base = ours.log();
    position.model = theirs.log();
    position.same_top = f64::from(u8::from(ours.top == theirs.top));
}

/// Σ e^p, Σ e^q and Σ e^p (p - q). Writes every e^p to the shares, or reads it there.
fn sum_up<const KNOWN: bool>(
    BaseLogits { logits, shares, .. }: &mut BaseLogits,
    model: &[f32],
    largest: [f64; 2],
) -> [f64; 3] {
    let constants = constants();
    let [ours, theirs] = largest.map(Doubles::splat);
    let mut sums = [[Doubles::default(); 2]; 3];
    let ((bases, rest), (models, model_rest)) = (logits.as_chunks(), model.as_chunks());
    let (known, known_rest) = shares.as_chunks_mut::<4>();
    for ((base, model), known) in bases.iter().zip(models).zip(known) {
        let p = Floats::load(base).widen().map(|p| p.minus(ours));
        let q = Floats::load(model).widen().map(|q| q.minus(theirs));
        let (share, other) = if KNOWN {
            ([0, 1].map(|i| Doubles::of(known, i)), exp(q, constants))
        } else {
            let [a, b, c, d] = exp([p[0], p[1], q[0], q[1]], constants);
            a.put(known, 0);
            b.put(known, 1);
            ([a, b], [c, d])
        };
        for i in 0..2 {
            sums[0][i] = sums[0][i].plus(share[i]);
            sums[1][i] = sums[1][i].plus(other[i]);
            sums[2][i] = share[i].mul_add(p[i].minus(q[i]), sums[2][i]);
        }
    }
    let mut sums = sums.map(|[low, high]| low.plus(high).sum());
    for ((p, q), known) in rest.iter().zip(model_rest).zip(known_rest) {
        let (p, q) = (f64::from(*p) - largest[0], f64::from(*q) - largest[1]);
        let [share, other] = exp([p, q].map(Doubles::splat), constants).map(Doubles::first);
        *known = share;
        sums[0] += share;
        sums[1] += other;
        sums[2] += share * (p - q);
    }
    sums
}

/// The largest value. Not for NaN.
fn greatest(values: &[f32]) -> f32 {
    let (sixteens, rest) = values.as_chunks::<16>();
    let mut most = [Floats::splat(f32::NEG_INFINITY); 4];
    for sixteen in sixteens {
        for (i, most) in most.iter_mut().enumerate() {
            *most = most.greater(Floats::of(sixteen, i));
        }
    }
    let [a, b, c, d] = most;
    let most = a.greater(b).greater(c.greater(d)).greatest();
    rest.iter().fold(most, |most, &value| if most < value { value } else { most })
}

/// Index of the first of some values that equals `value`; 0 if none does.
fn place_of(values: &[f32], value: f32) -> usize {
    const STEP: usize = 64;
    let is_here = |values: &[f32]| values.iter().fold(false, |found, &one| found | (one == value));
    let start = values.chunks(STEP).position(is_here).unwrap_or(0) * STEP;
    start + values[start..].iter().position(|&one| one == value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(position: &mut Position, logits: &[f32], model: &[f32], first: usize, next: usize) {
        let mut shares = vec![f64::NAN; logits.len()];
        let shares = &mut shares[..];
        let mut base = BaseLogits { logits, first, next, shares, known: false };
        let mut again = *position;
        compare(position, &mut base, model);
        // The same comparison with known shares.
        compare(&mut again, &mut base, model);
        let bits = |position: &Position| format!("{position:?}");
        assert_eq!(bits(&again), bits(position));
    }

    fn whole(base: &[f32], model: &[f32], next: usize) -> Position {
        let mut position = Position::default();
        add(&mut position, base, model, 0, next);
        position
    }

    #[test]
    fn equal_logits_do_not_diverge_and_a_shift_does_not_matter() {
        let logits = [0.5, -3.0, 7.25, 1.0];
        let shifted = logits.map(|logit| logit + 4.0);
        let position = whole(&logits, &shifted, 1);
        assert!(position.divergence.abs() < 1e-15 && position.same_top == 1.0);
        assert!((position.base - position.model).abs() < 1e-14);
    }

    #[test]
    fn two_outcomes_by_hand() {
        // p = (1/2, 1/2), q = (1/4, 3/4): KL = 1/2 ln 2 + 1/2 ln(2/3).
        let position = whole(&[0.0, 0.0], &[0.0, 3f32.ln()], 0);
        assert!((position.divergence - 0.5 * (2f64.ln() + (2f64 / 3.0).ln())).abs() < 1e-7);
        assert!(
            (position.model - 0.25f64.ln()).abs() < 1e-7
                && (position.base - 0.5f64.ln()).abs() < 1e-7
        );
        assert_eq!(position.same_top, 0.0);
    }

    #[test]
    fn large_logits_stay_finite() {
        let position = whole(&[3e38, -3e38], &[1e4, 0.0], 0);
        assert!(position.divergence.abs() < 1e-12 && position.base == 0.0);
    }

    #[test]
    fn a_logit_that_is_not_a_number_is_never_hidden() {
        for (base, model) in [([0.0, f32::NAN], [0.0, 1.0]), ([0.0, 1.0], [f32::NAN, 0.0])] {
            assert!(whole(&base, &model, 0).divergence.is_nan());
        }
    }

    #[test]
    fn of_equal_logits_the_first_is_the_top() {
        for place in [0, 1, 63, 64, 65, 130] {
            let mut logits = [-1.0; 200];
            logits[place] = 2.0;
            logits[place + 60] = 2.0;
            assert_eq!(place_of(&logits, greatest(&logits)), place);
        }
    }

    fn logits(vocabulary: usize, k: f64) -> Vec<f32> {
        (0..vocabulary).map(|v| (7.0 * (v as f64 * k).sin()) as f32).collect()
    }

    #[test]
    fn agrees_with_its_definition_for_every_remainder() {
        for vocabulary in [1usize, 2, 3, 4, 5, 63, 64, 65, 127] {
            let (base, model) = (logits(vocabulary, 1.7), logits(vocabulary, 1.71));
            let softmax = |logits: &[f32]| -> Vec<f64> {
                let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
                logits.iter().map(|&l| f64::from(l).exp() / sum).collect()
            };
            let (p, q) = (softmax(&base), softmax(&model));
            let expected: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            let found = whole(&base, &model, vocabulary - 1);
            assert!(
                (found.divergence - expected).abs() < 1e-13,
                "{} is not {expected}",
                found.divergence
            );
            assert!((found.model - q[vocabulary - 1].ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn parts_of_the_vocabulary_add_up() {
        for parts in [&[127][..], &[1, 126], &[126, 1], &[40, 40, 47], &[3; 42]] {
            let vocabulary = parts.iter().sum();
            let (base, model) = (logits(vocabulary, 1.7), logits(vocabulary, 1.73));
            for next in [0, 77, vocabulary - 1] {
                let expected = whole(&base, &model, next);
                let (mut found, mut first) = (Position::default(), 0);
                for part in parts {
                    let range = first..first + part;
                    add(&mut found, &base[range.clone()], &model[range], first, next);
                    first += part;
                }
                let near = |x: f64, y: f64| (x - y).abs() < 1e-13;
                assert!(near(found.divergence, expected.divergence));
                assert!(near(found.base, expected.base) && near(found.model, expected.model));
                assert_eq!(found.same_top, expected.same_top);
            }
        }
    }
}
