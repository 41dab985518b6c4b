//! Weights stored as narrow floats with scales, decoded to float32. The formats are FP8
//! (Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433) and OCP Microscaling
//! (OCP MX specification v1.0, sections 5.3 and 5.4).

use crate::half::{widen, Dtype};

/// How an element is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One byte: sign, 4 exponent bits, 3 mantissa bits. 0x7f and 0xff are NaN; no infinity.
    E4m3,
    /// One byte: sign, 5 exponent bits, 2 mantissa bits. Infinities and NaN as in IEEE 754.
    E5m2,
    /// Half a byte, low nibble first: sign, 2 exponent bits, 1 mantissa bit. All codes are finite.
    E2m1,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::E4m3, Format::E5m2, Format::E2m1];

    /// Bytes of `count` elements.
    pub fn bytes(self, count: usize) -> usize {
        if self == Format::E2m1 {
            count / 2
        } else {
            count
        }
    }
}

/// How a scale is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScaleDtype {
    Float(Dtype),
    /// One byte b: 2^(b - 127); 255 is NaN.
    E8m0,
}

impl ScaleDtype {
    pub fn bytes(self) -> usize {
        match self {
            ScaleDtype::Float(dtype) => dtype.bytes(),
            ScaleDtype::E8m0 => 1,
        }
    }
}

/// Rows of a matrix that is cut into blocks of `block_rows` x `block_columns`, each with one scale.
/// Blocks at the right and lower edge may be smaller.
#[derive(Clone, Copy)]
pub struct Coded<'a> {
    pub format: Format,
    /// `[rows, columns]` elements.
    pub codes: &'a [u8],
    pub columns: usize,
    pub block_rows: usize,
    pub block_columns: usize,
    /// Rows of the first block that come before the first row of `codes`.
    pub skipped_rows: usize,
    /// `[block rows touched, ceil(columns / block_columns)]`
    pub scales: &'a [u8],
    pub scale_dtype: ScaleDtype,
}

impl Coded<'_> {
    fn scale(&self, index: usize) -> f32 {
        let width = self.scale_dtype.bytes();
        let bytes = &self.scales[index * width..][..width];
        match self.scale_dtype {
            ScaleDtype::E8m0 => e8m0_to_f32(bytes[0]),
            ScaleDtype::Float(dtype) => {
                let mut scale = [0.0];
                widen(dtype, bytes, &mut scale);
                scale[0]
            }
        }
    }
}

/// `out[r, c]` = element * scale of its block, the product rounded to float32 once. Every NaN
/// becomes the quiet NaN 0x7fc00000, so that the bits are the same on every processor.
pub fn decode(coded: &Coded, out: &mut [f32]) {
    let Coded { format, codes, columns, block_rows, block_columns, .. } = *coded;
    let across = columns.div_ceil(block_columns);
    let row_bytes = format.bytes(columns);
    for (row, out) in out.chunks_exact_mut(columns).enumerate() {
        let codes = &codes[row * row_bytes..][..row_bytes];
        let first = (coded.skipped_rows + row) / block_rows * across;
        for (block, out) in out.chunks_mut(block_columns).enumerate() {
            let codes = &codes[format.bytes(block * block_columns)..][..format.bytes(out.len())];
            scale_block(format, codes, coded.scale(first + block), out);
        }
    }
}

fn scale_block(format: Format, codes: &[u8], scale: f32, out: &mut [f32]) {
    let product = |value: f32| {
        let product = value * scale;
        if product.is_nan() {
            f32::from_bits(0x7fc0_0000)
        } else {
            product
        }
    };
    match format {
        Format::E4m3 => {
            out.iter_mut().zip(codes).for_each(|(out, &code)| *out = product(E4M3[code as usize]));
        }
        Format::E5m2 => {
            out.iter_mut().zip(codes).for_each(|(out, &code)| *out = product(E5M2[code as usize]));
        }
        Format::E2m1 => {
            for (pair, &code) in out.chunks_exact_mut(2).zip(codes) {
                pair[0] = product(E2M1[(code & 15) as usize]);
                pair[1] = product(E2M1[(code >> 4) as usize]);
            }
        }
    }
}

fn e8m0_to_f32(byte: u8) -> f32 {
    match byte {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

static E4M3: [f32; 256] = {
    let mut values = values::<256>(4, 3);
    values[0x7f] = f32::NAN;
    values[0xff] = f32::NAN;
    values
};

static E5M2: [f32; 256] = {
    let mut values = values::<256>(5, 2);
    let mut code = 0x7c;
    while code < 0x80 {
        let special = if code == 0x7c { f32::INFINITY } else { f32::NAN };
        values[code] = special;
        values[code + 0x80] = -special;
        code += 1;
    }
    values
};

static E2M1: [f32; 16] = values::<16>(2, 1);

/// The values of all codes with a sign, `exponent` and `mantissa` bits, as if none were special.
const fn values<const N: usize>(exponent: u32, mantissa: u32) -> [f32; N] {
    let bias = (1 << (exponent - 1)) - 1;
    let mut values = [0.0; N];
    let mut code = 0;
    while code < N / 2 {
        let (field, fraction) = ((code as u32) >> mantissa, code as u32 & ((1 << mantissa) - 1));
        // Without a hidden bit the lowest mantissa bit is 2^(1 - bias - mantissa).
        let subnormal = fraction as f32 * f32::from_bits((127 + 1 - bias - mantissa) << 23);
        let normal = f32::from_bits((field + 127 - bias) << 23 | fraction << (23 - mantissa));
        values[code] = if field == 0 { subnormal } else { normal };
        values[code + N / 2] = -values[code];
        code += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code's value by the formula of the format, in float64.
    fn value_ref(code: u32, exponent: i32, mantissa: i32) -> f64 {
        let sign = if code >> (exponent + mantissa) & 1 == 1 { -1.0 } else { 1.0 };
        let field = (code >> mantissa) as i32 & ((1 << exponent) - 1);
        let fraction = f64::from(code & ((1 << mantissa) - 1)) / f64::from(1 << mantissa);
        let bias = (1 << (exponent - 1)) - 1;
        if field == 0 {
            sign * fraction * 2f64.powi(1 - bias)
        } else {
            sign * (1.0 + fraction) * 2f64.powi(field - bias)
        }
    }

    #[test]
    fn tables_equal_the_formula_of_their_format() {
        for code in 0..256u32 {
            let (e4m3, e5m2) = (E4M3[code as usize], E5M2[code as usize]);
            match code & 0x7f {
                0x7f => assert!(e4m3.is_nan()),
                _ => assert_eq!(f64::from(e4m3), value_ref(code, 4, 3), "{code:#x}"),
            }
            match code & 0x7f {
                0x7c => {
                    assert_eq!(e5m2, if code == 0x7c { f32::INFINITY } else { f32::NEG_INFINITY })
                }
                0x7d.. => assert!(e5m2.is_nan()),
                _ => assert_eq!(f64::from(e5m2), value_ref(code, 5, 2), "{code:#x}"),
            }
        }
        assert_eq!(E2M1[..8], [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]);
        assert_eq!(E2M1[8..], E2M1[..8].iter().map(|x| -x).collect::<Vec<_>>());
        assert_eq!((E4M3[0x7e], E5M2[0x7b]), (448.0, 57344.0));
    }

    #[test]
    fn power_of_two_scales_reach_from_the_smallest_to_the_largest_exponent() {
        for byte in 0..255 {
            assert_eq!(f64::from(e8m0_to_f32(byte)), 2f64.powi(i32::from(byte) - 127));
        }
        assert!(e8m0_to_f32(255).is_nan());
    }

    /// Each element's scale is that of the block it lies in, wherever the rows are cut.
    #[test]
    fn rows_find_their_blocks_however_they_are_cut() {
        let (rows, columns): (usize, usize) = (130, 200);
        for format in Format::ALL {
            for (block_rows, block_columns) in [(1, 200), (130, 200), (1, 32), (64, 64), (3, 128)] {
                let across = columns.div_ceil(block_columns);
                let codes: Vec<u8> =
                    (0..format.bytes(rows * columns)).map(|i| (i * 37 % 120) as u8).collect();
                let scales: Vec<f32> =
                    (0..rows.div_ceil(block_rows) * across).map(|i| 1.0 + i as f32).collect();
                let bytes: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
                let whole = Coded {
                    format,
                    codes: &codes,
                    columns,
                    block_rows,
                    block_columns,
                    skipped_rows: 0,
                    scales: &bytes,
                    scale_dtype: ScaleDtype::Float(Dtype::F32),
                };
                for (start, end) in [(0, rows), (1, 2), (63, 65), (64, 127), (127, 130)] {
                    let first = start / block_rows;
                    let part = Coded {
                        codes: &codes[format.bytes(start * columns)..format.bytes(end * columns)],
                        skipped_rows: start % block_rows,
                        scales: &bytes[4 * first * across..],
                        ..whole
                    };
                    let mut out = vec![f32::NAN; (end - start) * columns];
                    decode(&part, &mut out);
                    for (at, found) in out.iter().enumerate() {
                        let (row, column) = (start + at / columns, at % columns);
                        let i = row * columns + column;
                        let value = match format {
                            Format::E4m3 => E4M3[codes[i] as usize],
                            Format::E5m2 => E5M2[codes[i] as usize],
                            Format::E2m1 => E2M1[(codes[i / 2] >> (i % 2 * 4) & 15) as usize],
                        };
                        let scale = scales[row / block_rows * across + column / block_columns];
                        assert_eq!(*found, value * scale, "{format:?} row {row} column {column}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_nan_has_the_same_bits() {
        let scales = [(-1.0f32).to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        let coded = Coded {
            format: Format::E4m3,
            codes: &[0xff, 0x7f, 0x00, 0x38],
            columns: 4,
            block_rows: 1,
            block_columns: 2,
            skipped_rows: 0,
            scales: &scales,
            scale_dtype: ScaleDtype::Float(Dtype::F32),
        };
        let mut out = [0.0; 4];
        decode(&coded, &mut out);
        assert_eq!(out.map(f32::to_bits), [0x7fc0_0000; 4]);
    }
}
