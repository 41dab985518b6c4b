//! Exponentials in float64, two at a time. Only fused multiply-adds and integer arithmetic, so all
//! processors give the same bits. Several times faster than library calls.

use std::hint::black_box;

use crate::lanes::Doubles;

/// Smaller terms do not change a sum that contains a 1.
const LEAST: f64 = -700.0;
/// Adding it rounds to a whole number, which is then in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts. Whole multiples of the first are exact.
const LN2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
/// Steps of the Taylor series; for |r| <= ln 2 / 2 the rest is below 5e-18.
const STEPS: usize = 14;

/// The constants of [`exp`], each in both lanes, as in elementary.rs.
static CONSTANTS: [[f64; 2]; 5 + STEPS] = {
    let mut lanes = [[0.0; 2]; 5 + STEPS];
    lanes[0] = [LEAST; 2];
    lanes[1] = [std::f64::consts::LOG2_E; 2];
    lanes[2] = [SHIFT; 2];
    lanes[3] = [-LN2[0]; 2];
    lanes[4] = [-LN2[1]; 2];
    // 1 / k!, from k = 13 down to 0.
    let (mut factorial, mut k) = (1.0, 0);
    while k < STEPS {
        if k > 0 {
            factorial *= k as f64;
        }
        lanes[5 + STEPS - 1 - k] = [1.0 / factorial; 2];
        k += 1;
    }
    lanes
};

/// The constants of [`exp`] in memory that the compiler does not know.
#[inline(always)]
pub fn constants() -> &'static [[f64; 2]; 5 + STEPS] {
    black_box(&CONSTANTS)
}

/// e^x for x <= 0, to a few units in the last place: 2^n e^r with |r| <= ln 2 / 2. Below -700 and
/// for NaN it is e^-700. N vectors at a time: a step of the series waits for the one before.
#[inline(always)]
pub fn exp<const N: usize>(x: [Doubles; N], constants: &[[f64; 2]; 5 + STEPS]) -> [Doubles; N] {
    let at = |i: usize| Doubles::load(&constants[i]);
    let x = x.map(|x| at(0).greater(x));
    let shifted = x.map(|x| x.mul_add(at(1), at(2)));
    let mut r = x;
    for (r, shifted) in r.iter_mut().zip(&shifted) {
        let n = shifted.minus(at(2));
        *r = n.mul_add(at(4), n.mul_add(at(3), *r));
    }
    let mut sums = [at(5); N];
    for i in 6..5 + STEPS {
        for (sum, r) in sums.iter_mut().zip(&r) {
            *sum = sum.mul_add(*r, at(i));
        }
    }
    for (sum, shifted) in sums.iter_mut().zip(&shifted) {
        *sum = sum.times(shifted.two_to_low_bits());
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_library() {
        for i in 0..4000 {
            let x = -f64::from(i) * 0.1733;
            let found = exp([Doubles::splat(x)], constants())[0].first();
            let expected = if x > LEAST { x.exp() } else { LEAST.exp() };
            assert!((found / expected - 1.0).abs() < 4e-16, "e^{x} is {found}, not {expected}");
        }
        assert_eq!(exp([Doubles::splat(0.0)], constants())[0].first(), 1.0);
    }
}
