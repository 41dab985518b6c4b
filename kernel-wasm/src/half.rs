//! Float dtypes of a checkpoint and their conversions. Widening is exact; narrowing rounds to
//! nearest even. A NaN stays a NaN; narrowing makes it the quiet one. All is integer arithmetic, so
//! every processor gives the same bits.

use crate::lanes::Floats;

/// How elements are stored, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dtype {
    Bf16,
    F16,
    F32,
}

impl Dtype {
    pub const ALL: [Dtype; 3] = [Dtype::Bf16, Dtype::F16, Dtype::F32];

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        if self == Dtype::F32 {
            4
        } else {
            2
        }
    }

    /// The largest finite value.
    pub fn largest(self) -> f32 {
        match self {
            Dtype::Bf16 => f32::from_bits(0x7f7f_0000),
            Dtype::F16 => 65504.0,
            Dtype::F32 => f32::MAX,
        }
    }
}

#[inline]
pub fn bf16_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

#[inline]
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { 0x7fc0 } else { rounded }) as u16
}

/// A half's exponent field is 112 less than a float's. So shift the fields into place, then
/// multiply by 2^112. That is exact for subnormals too, because WebAssembly does not flush them.
#[inline]
pub fn f16_to_f32(half: u16) -> f32 {
    let magnitude = (u32::from(half) & 0x7fff) << 13;
    let finite = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let bits = if magnitude >= 0x7c00 << 13 { magnitude | 0x7f80_0000 } else { finite };
    f32::from_bits(bits | (u32::from(half) & 0x8000) << 16)
}

#[inline]
pub fn f32_to_f16(value: f32) -> u16 {
    let magnitude = value.to_bits() & 0x7fff_ffff;
    // Normal halves: drop 13 mantissa bits, rounding to even, and lower the exponent by 112. The
    // carry may give infinity.
    let normal =
        magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Below 2^-14: the last mantissa bit of 0.5 + x is worth 2^-24, one step of a subnormal half.
    // So the addition rounds.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let small = if magnitude < (127 - 14) << 23 { subnormal } else { normal };
    let large = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let half = if magnitude >= (127 + 16) << 23 { large } else { small };
    (half | (value.to_bits() >> 16) & 0x8000) as u16
}

/// `out[i]` = element i of `bytes`. `bytes` holds exactly `out.len()` elements.
pub fn widen(from: Dtype, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(bytes.len(), out.len() * from.bytes());
    match from {
        Dtype::Bf16 => {
            let (eights, rest) = bytes.as_chunks::<16>();
            let (wide, last) = out.as_chunks_mut::<8>();
            for (eight, wide) in eights.iter().zip(wide) {
                let [low, high] = Floats::from_bf16(eight);
                low.put(wide, 0);
                high.put(wide, 1);
            }
            widen_halves(rest, last, bf16_to_f32);
        }
        Dtype::F16 => widen_halves(bytes, out, f16_to_f32),
        Dtype::F32 => {
            for (value, element) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *value = f32::from_le_bytes([element[0], element[1], element[2], element[3]]);
            }
        }
    }
}

/// Element i of `bytes` = `values[i]` rounded to `to`. `bytes` holds exactly `values.len()`
/// elements.
pub fn narrow(to: Dtype, values: &[f32], bytes: &mut [u8]) {
    assert_eq!(bytes.len(), values.len() * to.bytes());
    match to {
        Dtype::Bf16 => narrow_halves(values, bytes, f32_to_bf16),
        Dtype::F16 => narrow_halves(values, bytes, f32_to_f16),
        Dtype::F32 => {
            for (value, element) in values.iter().zip(bytes.chunks_exact_mut(4)) {
                element.copy_from_slice(&value.to_le_bytes());
            }
        }
    }
}

#[inline(always)]
fn widen_halves(bytes: &[u8], out: &mut [f32], convert: impl Fn(u16) -> f32) {
    for (value, element) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *value = convert(u16::from_le_bytes([element[0], element[1]]));
    }
}

#[inline(always)]
fn narrow_halves(values: &[f32], bytes: &mut [u8], convert: impl Fn(f32) -> u16) {
    for (value, element) in values.iter().zip(bytes.chunks_exact_mut(2)) {
        element.copy_from_slice(&convert(*value).to_le_bytes());
    }
}

/// Rounds to the nearest value that `to` can store, and widens again.
#[inline]
pub fn round_to(to: Dtype, value: f32) -> f32 {
    match to {
        Dtype::Bf16 => bf16_to_f32(f32_to_bf16(value)),
        Dtype::F16 => f16_to_f32(f32_to_f16(value)),
        Dtype::F32 => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As IEEE 754 says: the multiple of the quantum nearest to `value`, ties to the even one.
    fn narrow_ref(value: f32, mantissa: i32, least: i32, largest: f64, infinity: u16) -> u16 {
        let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
        let magnitude = f64::from(value.abs());
        if magnitude == 0.0 {
            return sign;
        }
        let exponent = (magnitude.log2().floor() as i32).max(least);
        let quantum = 2f64.powi(exponent - mantissa);
        let rounded = (magnitude / quantum).round_ties_even();
        if rounded * quantum > largest {
            return sign | infinity;
        }
        // A subnormal has exponent field 0 and no hidden bit. A carry out of the mantissa raises
        // the exponent.
        let normal = rounded >= 2f64.powi(mantissa);
        let field = if normal { (exponent - least + 1) << mantissa } else { 0 };
        sign | (field + rounded as i32 - if normal { 1 << mantissa } else { 0 }) as u16
    }

    fn f16_ref(value: f32) -> u16 {
        narrow_ref(value, 10, -14, 65504.0, 0x7c00)
    }

    fn bf16_ref(value: f32) -> u16 {
        narrow_ref(value, 7, -126, f64::from(Dtype::Bf16.largest()), 0x7f80)
    }

    #[test]
    fn every_half_survives_the_round_trip() {
        for half in 0..=u16::MAX {
            let (f, b) = (f16_to_f32(half), bf16_to_f32(half));
            if half & 0x7fff > 0x7c00 {
                assert!(f.is_nan() && f32_to_f16(f) & 0x7fff == 0x7e00);
            } else {
                assert_eq!(f32_to_f16(f), half);
            }
            if half & 0x7fff > 0x7f80 {
                assert!(b.is_nan() && f32_to_bf16(b) == 0x7fc0);
            } else {
                assert_eq!(f32_to_bf16(b), half);
            }
        }
    }

    #[test]
    fn widening_f16_is_exact() {
        for half in 0..0x7c00u16 {
            let (exponent, mantissa) = (i32::from(half >> 10), f64::from(half & 0x3ff));
            let expected = if exponent == 0 {
                mantissa * 2f64.powi(-24)
            } else {
                (1024.0 + mantissa) * 2f64.powi(exponent - 25)
            };
            assert_eq!(f64::from(f16_to_f32(half)), expected);
            assert_eq!(f64::from(f16_to_f32(half | 0x8000)), -expected);
        }
        assert_eq!(f16_to_f32(0x7c00), f32::INFINITY);
    }

    #[test]
    fn narrowing_rounds_to_nearest_even() {
        for half in 0..0x7c00u16 {
            // The midpoint above each half, and its neighbours on both sides.
            let middle =
                ((f64::from(f16_to_f32(half)) + f64::from(f16_to_f32(half + 1))) / 2.0) as f32;
            let middle = if half == 0x7bff { 65520.0 } else { middle };
            for bits in [middle.to_bits() - 1, middle.to_bits(), middle.to_bits() + 1] {
                let value = f32::from_bits(bits);
                assert_eq!(f32_to_f16(value), f16_ref(value), "{value:e}");
                assert_eq!(f32_to_f16(-value), f16_ref(-value), "{value:e}");
            }
        }
        for high in (0..0x7f80u32).step_by(3) {
            for low in [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let value = f32::from_bits(high << 16 | low);
                assert_eq!(f32_to_bf16(value), bf16_ref(value), "{value:e}");
                assert_eq!(f32_to_bf16(-value), bf16_ref(-value), "{value:e}");
                assert_eq!(f32_to_f16(value), f16_ref(value), "{value:e}");
            }
        }
    }

    #[test]
    fn slices_convert_like_their_elements() {
        for dtype in Dtype::ALL {
            for length in [0, 1, 3, 63, 64, 65, 127] {
                let values: Vec<f32> =
                    (0..length).map(|i| (i as f32 - 20.3) * 1.7f32.powi(i % 30 - 15)).collect();
                let mut bytes = vec![0; length as usize * dtype.bytes()];
                let mut back = vec![0.0; length as usize];
                narrow(dtype, &values, &mut bytes);
                widen(dtype, &bytes, &mut back);
                let expected: Vec<f32> = values.iter().map(|&v| round_to(dtype, v)).collect();
                assert_eq!(back, expected);
            }
        }
    }
}
