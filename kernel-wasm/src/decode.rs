//! Weights stored as narrow floats or integers with scales, decoded to float32. The formats are FP8
//! (Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433), OCP Microscaling
//! (OCP MX specification v1.0, sections 5.3 and 5.4), and integers of four bits with a zero point
//! (`pack-quantized` of compressed-tensors).

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
    /// Half a byte, low nibble first: a whole number from 0 to 15, less a zero point.
    U4,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::E4m3, Format::E5m2, Format::E2m1, Format::U4];

    /// Bytes of `count` elements.
    pub fn bytes(self, count: usize) -> usize {
        match self {
            Format::E4m3 | Format::E5m2 => count,
            Format::E2m1 | Format::U4 => count / 2,
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
    /// Zero points of U4, whose blocks are one row high: `[rows / 8, blocks of a row]` words of 32
    /// bits, each with those of 8 rows, lowest bits first. Empty: all are 8.
    pub zeros: &'a [u8],
    /// Rows of the first words of `zeros` that come before the first row of `codes`: 0 to 7.
    pub skipped_zeros: usize,
}

impl Coded<'_> {
    /// Index of the first scale that is NaN, infinite or zero.
    pub fn first_bad_scale(&self) -> Option<usize> {
        (0..self.scales.len() / self.scale_dtype.bytes()).find(|&index| {
            let scale = self.scale(index);
            !scale.is_finite() || scale == 0.0
        })
    }

    /// The zero point of a block in a row of `codes`.
    fn zero(&self, row: usize, block: usize, across: usize) -> i32 {
        if self.zeros.is_empty() {
            return 8;
        }
        let row = self.skipped_zeros + row;
        let byte = self.zeros[4 * (row / 8 * across + block) + row % 8 / 2];
        i32::from(byte >> (4 * (row % 2)) & 15)
    }

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
            let scale = coded.scale(first + block);
            match format {
                Format::U4 => scale_integers(codes, scale, coded.zero(row, block, across), out),
                _ => scale_block(format, codes, scale, out),
            }
        }
    }
}

fn scale_integers(codes: &[u8], scale: f32, zero: i32, out: &mut [f32]) {
    for (pair, &code) in out.chunks_exact_mut(2).zip(codes) {
        pair[0] = (i32::from(code & 15) - zero) as f32 * scale;
        pair[1] = (i32::from(code >> 4) - zero) as f32 * scale;
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
        Format::U4 => unreachable!("integers have zero points"),
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
#[path = "decode_tests.rs"]
mod tests;
