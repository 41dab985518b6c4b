//! Weights stored as narrow floats or integers with scales.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{bytes, bytes_mut, dtype, floats_mut};
use crate::decode::{decode as decode_rows, Coded, Format, ScaleDtype};
use crate::half::{narrow, widen, Dtype};

/// Rows to decode.
#[repr(C)]
pub struct DecodeCall {
    /// 0 = E4M3, 1 = E5M2, 2 = E2M1, 3 = U4.
    format: usize,
    codes: usize,
    rows: usize,
    columns: usize,
    block_rows: usize,
    block_columns: usize,
    skipped_rows: usize,
    scales: usize,
    /// As `dtype`, or 3 = E8M0.
    scale_dtype: usize,
    /// Memory for float32 `[rows, columns]`, and the result if that is float32.
    values: usize,
    to: usize,
    /// The result if it is not float32.
    out: usize,
    /// Zero points of U4; 0: none.
    zeros: usize,
    skipped_zeros: usize,
}

impl DecodeCall {
    /// # Safety
    /// As [`super::quantize`].
    unsafe fn coded(&self) -> Coded<'_> {
        let &DecodeCall { rows, columns, block_rows, block_columns, skipped_rows, .. } = self;
        let format = Format::ALL[self.format];
        let scale_dtype = Dtype::ALL
            .get(self.scale_dtype)
            .map_or(ScaleDtype::E8m0, |&dtype| ScaleDtype::Float(dtype));
        let across = columns.div_ceil(block_columns);
        let block_count = (skipped_rows + rows).div_ceil(block_rows) * across;
        let zero_words = (self.skipped_zeros + rows).div_ceil(8) * across;
        Coded {
            format,
            codes: bytes(self.codes, format.bytes(rows * columns)),
            columns,
            block_rows,
            block_columns,
            skipped_rows,
            scales: bytes(self.scales, block_count * scale_dtype.bytes()),
            scale_dtype,
            zeros: if self.zeros == 0 { &[] } else { bytes(self.zeros, 4 * zero_words) },
            skipped_zeros: self.skipped_zeros,
        }
    }
}

/// Index of the first scale of a [`DecodeCall`] that is NaN, infinite or zero; -1: there is none.
///
/// # Safety
/// As [`super::quantize`].
#[wasm_bindgen]
pub unsafe fn first_bad_scale(call: usize) -> f64 {
    let call = &*(call as *const DecodeCall);
    call.coded().first_bad_scale().map_or(-1.0, |index| index as f64)
}

/// Decodes the rows of a [`DecodeCall`]. Returns how many results are NaN or infinite.
///
/// # Safety
/// As [`super::quantize`]; `values` is aligned to 4.
#[wasm_bindgen]
pub unsafe fn decode(call: usize) -> f64 {
    let call = &*(call as *const DecodeCall);
    let coded = call.coded();
    let values = floats_mut(call.values, call.rows * call.columns);
    decode_rows(&coded, values);
    let to = dtype(call.to);
    if to != Dtype::F32 {
        let out = bytes_mut(call.out, values.len() * to.bytes());
        narrow(to, values, out);
        // Counted from what is stored: a narrower range turns a large value into an infinity.
        widen(to, out, values);
    }
    values.iter().filter(|value| !value.is_finite()).count() as f64
}
