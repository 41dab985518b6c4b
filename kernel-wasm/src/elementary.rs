//! Elementary functions, four at a time. They use only fused multiply-adds, so all processors give
//! the same bits.

use std::hint::black_box;

use crate::lanes::Floats;

/// Below this [`exp`] is 0.
const LEAST: f32 = -87.0;
/// Above this [`exp`] is constant.
const GREATEST: f32 = 88.0;
/// ln 2 in two parts. Whole multiples of the first are exact.
const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The constants of [`exp`], each in all four lanes. Each takes one load; V8 would build known
/// constants again at every use.
static CONSTANTS: [[f32; 4]; 13] = {
    let numbers = [
        LEAST,
        GREATEST,
        std::f32::consts::LOG2_E,
        -LN2[0],
        -LN2[1],
        // Taylor coefficients of e^r; for |r| <= ln 2 / 2 the rest of the series is below 6e-9.
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let mut lanes = [[0.0; 4]; 13];
    let mut i = 0;
    while i < numbers.len() {
        lanes[i] = [numbers[i]; 4];
        i += 1;
    }
    lanes
};

/// e^x within 2 units in the last place; 0 below -87, e^88 above 88. NaN stays NaN.
#[inline(always)]
pub fn exp(x: Floats) -> Floats {
    let constants = black_box(&CONSTANTS);
    let at = |i: usize| Floats::load(&constants[i]);
    let (least, greatest) = (at(0), at(1));
    let clamped = greatest.if_below(x, greatest, x.if_below(least, least, x));
    let power = (clamped * at(2)).round_ties_even();
    let rest = power.mul_add(at(4), power.mul_add(at(3), clamped));
    let mut sum = at(5);
    for i in 6..13 {
        sum = sum.mul_add(rest, at(i));
    }
    x.if_below(least, Floats::splat(0.0), sum * power.two_to())
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub fn sigmoid(x: Floats) -> Floats {
    let one = Floats::splat(1.0);
    one / (one + exp(Floats::splat(0.0) - x))
}

/// x / (1 + e^-x)
#[inline(always)]
pub fn silu(x: Floats) -> Floats {
    x / (Floats::splat(1.0) + exp(Floats::splat(0.0) - x))
}

/// limit * tanh(x / limit), to a few units in the last place of `limit`.
#[inline(always)]
pub fn softcap(x: Floats, limit: f32) -> Floats {
    // tanh(z) = 2 / (1 + e^-2z) - 1
    let gate = sigmoid((x + x) / Floats::splat(limit));
    Floats::splat(limit) * (gate + gate - Floats::splat(1.0))
}

/// ln(1 + e^x) without overflow.
pub fn softplus(x: f32) -> f32 {
    if x > 20.0 {
        x
    } else {
        x.exp().ln_1p()
    }
}

/// Replaces every value by `f` of it.
#[inline(always)]
pub fn map(values: &mut [f32], f: impl Fn(Floats) -> Floats) {
    let (fours, rest) = values.as_chunks_mut();
    for four in fours {
        f(Floats::load(four)).store(four);
    }
    let mut four = [0.0; 4];
    four[..rest.len()].copy_from_slice(rest);
    f(Floats::load(&four)).store(&mut four);
    rest.copy_from_slice(&four[..rest.len()]);
}

/// Replaces every value by `f` of it and of the value at the same index of `others`, which has the
/// same length.
#[inline(always)]
pub fn zip(values: &mut [f32], others: &[f32], f: impl Fn(Floats, Floats) -> Floats) {
    let ((fours, rest), (other_fours, other_rest)) = (values.as_chunks_mut(), others.as_chunks());
    for (four, other) in fours.iter_mut().zip(other_fours) {
        f(Floats::load(four), Floats::load(other)).store(four);
    }
    let (mut four, mut other) = ([0.0; 4], [0.0; 4]);
    four[..rest.len()].copy_from_slice(rest);
    other[..rest.len()].copy_from_slice(other_rest);
    f(Floats::load(&four), Floats::load(&other)).store(&mut four);
    rest.copy_from_slice(&four[..rest.len()]);
}

/// Σ f(x) over the values. The order depends only on their number. Lanes past the end do not
/// count.
#[inline(always)]
pub fn sum(values: &[f32], f: impl Fn(Floats) -> Floats) -> f32 {
    let (sixteens, rest) = values.as_chunks::<16>();
    let mut sums = [Floats::splat(0.0); 4];
    for sixteen in sixteens {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = *sum + f(Floats::of(sixteen, i));
        }
    }
    let [a, b, c, d] = sums;
    let mut total = (a + b) + (c + d);
    let (fours, rest) = rest.as_chunks();
    for four in fours {
        total = total + f(Floats::load(four));
    }
    let mut last = [0.0; 4];
    let mut four = [0.0; 4];
    four[..rest.len()].copy_from_slice(rest);
    f(Floats::load(&four)).store(&mut last);
    let pairs = total + total.swap_halves();
    (pairs + pairs.swap_pairs()).first() + last[..rest.len()].iter().sum::<f32>()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const EDGES: [usize; 8] = [1, 3, 4, 16, 63, 64, 65, 127];

    /// Values of both signs and several magnitudes, the same for the same seed.
    pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next() * (next() * 2.0).exp2()).collect()
    }

    /// Largest difference, relative to the largest magnitude.
    pub fn distance(ours: &[f32], theirs: &[f32]) -> f32 {
        assert_eq!(ours.len(), theirs.len());
        let largest = theirs.iter().fold(1e-30f32, |most, x| most.max(x.abs()));
        ours.iter().zip(theirs).fold(0.0f32, |most, (x, y)| most.max((x - y).abs())) / largest
    }

    fn one(f: impl Fn(Floats) -> Floats, x: f32) -> f32 {
        f(Floats::splat(x)).first()
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(one(exp, x)) / exact - 1.0).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!(one(exp, 0.0), 1.0);
    }

    #[test]
    fn exp_ends_where_it_says() {
        assert_eq!([-87.5, -1e30, f32::NEG_INFINITY].map(|x| one(exp, x)), [0.0; 3]);
        let most = one(exp, 88.0);
        assert!(most > 1.6e38 && most.is_finite());
        assert_eq!([90.0, f32::INFINITY].map(|x| one(exp, x)), [most; 2]);
        assert!(one(exp, f32::NAN).is_nan());
    }

    #[test]
    fn gates_equal_their_formulas() {
        for x in [-200.0, -88.5, -30.0, -1.5, -1e-7, 0.0, 1e-20, 0.7, 12.0, 90.0] {
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            // Past e^88 the gates stay at their smallest value instead of reaching 0.
            let near = |ours: f32, exact: f64| {
                (f64::from(ours) - exact).abs() < 3e-7 * exact.abs() + 2e-36
            };
            assert!(
                near(one(sigmoid, x), exact) && near(one(silu, x), f64::from(x) * exact),
                "{x}"
            );
        }
        for x in [-1e4, -100.0, -30.0, -1.5, -1e-7, 0.0, 1e-20, 0.7, 12.0, 90.0, 1e4] {
            let exact = 30.0 * (f64::from(x) / 30.0).tanh();
            let ours = one(|x| softcap(x, 30.0), x);
            assert!((f64::from(ours) - exact).abs() < 30.0 * 3e-7, "{x}");
        }
        for x in [-100.0f32, -20.0, -0.5, 0.0, 3.0, 19.9, 20.1, 500.0] {
            let exact = if x > 100.0 { f64::from(x) } else { f64::from(x).exp().ln_1p() };
            assert!((f64::from(softplus(x)) - exact).abs() <= 3e-7 * exact + 1e-44, "{x}");
        }
    }

    #[test]
    fn maps_and_sums_reach_every_value_once() {
        for count in EDGES {
            let values = numbers(count, 3);
            let mut doubled = values.clone();
            map(&mut doubled, |x| x + x);
            assert!(doubled.iter().zip(&values).all(|(twice, x)| *twice == 2.0 * x));
            zip(&mut doubled, &values, |twice, x| twice - x);
            assert_eq!(doubled, values);
            let exact: f64 = values.iter().map(|x| f64::from(*x) + 1.0).sum();
            let ours = sum(&values, |x| x + Floats::splat(1.0));
            assert!((f64::from(ours) - exact).abs() < 1e-5 * exact.abs().max(1.0), "{count}");
        }
    }
}
