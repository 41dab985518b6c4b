//! Tables of rotary position embeddings (Su et al., "RoFormer", 2021) and their stretched variants.
//! Parameters mean what they mean in transformers' modeling_rope_utils.py.

use std::f64::consts::TAU;

/// How the frequencies are stretched beyond the lengths that the model was pretrained on.
#[derive(Clone, Copy, Debug)]
pub enum Scaling {
    Default,
    /// Positions divided by `factor`.
    Linear {
        factor: f64,
    },
    /// Wavelengths above `original / low` tokens: frequencies are divided by `factor`. Those below
    /// `original / high` stay; between them is a ramp.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
    /// A ramp between the dimensions that turn `fast` and `slow` times within `original` tokens
    /// (Peng et al., "YaRN", 2023). Cosines and sines are multiplied by `attention`. If it is NaN,
    /// YaRN derives it from factor and the two mscales.
    Yarn {
        factor: f64,
        fast: f64,
        slow: f64,
        original: f64,
        whole: bool,
        attention: f64,
        mscales: [f64; 2],
    },
}

/// Cosines and sines `[positions, size / 2]` for pairs (i, i + size / 2) of a head of `size`
/// channels. Frequencies and angles are rounded to float32 as transformers does.
pub fn table(base: f64, size: usize, scaling: Scaling, cosines: &mut [f32], sines: &mut [f32]) {
    let half = size / 2;
    let frequencies: Vec<f32> =
        (0..half).map(|i| frequency(base, size, scaling, i) as f32).collect();
    let amplitude = amplitude(scaling);
    let rows = cosines.chunks_exact_mut(half).zip(sines.chunks_exact_mut(half));
    for (position, (cosines, sines)) in rows.enumerate() {
        for ((frequency, cosine), sine) in frequencies.iter().zip(cosines).zip(sines) {
            let angle = f64::from(position as f32 * frequency);
            *cosine = (angle.cos() * amplitude) as f32;
            *sine = (angle.sin() * amplitude) as f32;
        }
    }
}

/// Radians by which pair `i` turns from one token to the next.
fn frequency(base: f64, size: usize, scaling: Scaling, i: usize) -> f64 {
    let plain = base.powf(-2.0 * i as f64 / size as f64);
    match scaling {
        Scaling::Default => plain,
        Scaling::Linear { factor } => plain / factor,
        Scaling::Llama3 { factor, low, high, original } => {
            let turns = original * plain / TAU;
            if turns > high {
                plain
            } else if turns < low {
                plain / factor
            } else {
                let share = (turns - low) / (high - low);
                plain * (share + (1.0 - share) / factor)
            }
        }
        Scaling::Yarn { factor, fast, slow, original, whole, .. } => {
            // The pair that turns this many times within the original length.
            let pair =
                |turns: f64| size as f64 * (original / (turns * TAU)).ln() / (2.0 * base.ln());
            let (from, to) = (pair(fast), pair(slow));
            let (from, to) = if whole { (from.floor(), to.ceil()) } else { (from, to) };
            let (from, mut to) = (from.max(0.0), to.min(size as f64 - 1.0));
            if from == to {
                to += 0.001;
            }
            let stretched = ((i as f64 - from) / (to - from)).clamp(0.0, 1.0);
            plain * (1.0 - stretched) + plain / factor * stretched
        }
    }
}

fn amplitude(scaling: Scaling) -> f64 {
    let Scaling::Yarn { factor, attention, mscales: [over, under], .. } = scaling else {
        return 1.0;
    };
    let mscale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
    if !attention.is_nan() {
        attention
    } else if over != 0.0 && under != 0.0 {
        mscale(over) / mscale(under)
    } else {
        mscale(1.0)
    }
}

/// Rotates pairs (i, i + size / 2) of one head of `size` channels by the angles of its position, in
/// place. `cosines` and `sines` have size / 2 elements.
pub fn rotate(head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    let (first, second) = head.split_at_mut(cosines.len());
    for (((x, y), cosine), sine) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
        (*x, *y) = (*x * cosine - *y * sine, *y * cosine + *x * sine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(scaling: Scaling) -> (Vec<f32>, Vec<f32>) {
        let (mut cosines, mut sines) = (vec![0.0; 5 * 32], vec![0.0; 5 * 32]);
        table(10_000.0, 64, scaling, &mut cosines, &mut sines);
        (cosines, sines)
    }

    #[test]
    fn position_0_turns_nothing_and_pair_0_a_radian_a_token() {
        let (cosines, sines) = tables(Scaling::Default);
        assert!(cosines[..32].iter().all(|c| *c == 1.0) && sines[..32].iter().all(|s| *s == 0.0));
        assert_eq!(sines[3 * 32], 3f64.sin() as f32);
        assert_eq!(tables(Scaling::Linear { factor: 3.0 }).1[3 * 32], 1f64.sin() as f32);
    }

    #[test]
    fn stretched_variants_keep_short_waves_and_divide_long_ones() {
        let llama3 = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 512.0 };
        let yarn = Scaling::Yarn {
            factor: 8.0,
            fast: 32.0,
            slow: 1.0,
            original: 512.0,
            whole: true,
            attention: f64::NAN,
            mscales: [0.0; 2],
        };
        for scaling in [llama3, yarn] {
            let ratio = |i| {
                frequency(10_000.0, 64, scaling, i) / frequency(10_000.0, 64, Scaling::Default, i)
            };
            assert_eq!([ratio(0), ratio(31)], [1.0, 0.125]);
            assert!((1..32).all(|i| ratio(i) <= ratio(i - 1)), "{scaling:?}");
            assert!((0..32).any(|i| ratio(i) > 0.126 && ratio(i) < 0.999), "{scaling:?}");
        }
    }

    #[test]
    fn yarn_amplifies_as_told_or_by_its_factor() {
        let at = |factor: f64, attention: f64, mscales: [f64; 2]| {
            let (fast, slow, original) = (32.0, 1.0, 512.0);
            tables(Scaling::Yarn { factor, fast, slow, original, whole: true, attention, mscales })
                .0[0]
        };
        assert_eq!(at(8.0, 1.5, [1.0, 2.0]), 1.5);
        assert_eq!(at(8.0, f64::NAN, [0.0, 0.0]), (1.0 + 0.1 * 8f64.ln()) as f32);
        assert_eq!(at(8.0, f64::NAN, [1.0, 0.0]), (1.0 + 0.1 * 8f64.ln()) as f32);
        let (over, under) = (1.0 + 0.1 * 8f64.ln(), 1.0 + 0.2 * 8f64.ln());
        assert_eq!(at(8.0, f64::NAN, [1.0, 2.0]), (over / under) as f32);
        assert_eq!(at(0.5, f64::NAN, [0.0, 0.0]), 1.0);
    }

    #[test]
    fn a_turn_keeps_the_length_of_every_pair() {
        let (cosines, sines) = tables(Scaling::Default);
        let mut row: Vec<f32> = (0..128).map(|i| i as f32).collect();
        let before = row.clone();
        row.chunks_mut(64).for_each(|head| rotate(head, &cosines[64..96], &sines[64..96]));
        for head in [0, 64] {
            for i in head..head + 32 {
                let length = |row: &[f32]| row[i].hypot(row[i + 32]);
                assert!((length(&row) - length(&before)).abs() < 1e-4 * length(&before));
            }
        }
        let angle = 2.0 * f64::from(frequency(10_000.0, 64, Scaling::Default, 1) as f32);
        assert!((f64::from(row[1]) - (angle.cos() - 33.0 * angle.sin())).abs() < 1e-5);
    }
}
