//! Codes back to float32.

use crate::affine::{Affines, BLOCK};
use crate::half::{widen, Dtype};
use crate::pack::unpack;
use crate::packed::Packed;

/// Rows quantized at one width.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub bits: usize,
    pub group: usize,
    /// Dtype of scales and biases.
    pub store: Dtype,
    pub packed: Packed<&'a [u8]>,
}

/// `out[k]` = code · scale + bias, product rounded, then sum rounded. Rows are whole groups, so
/// that their bounds do not matter.
pub fn dequantize(rows: &Rows, out: &mut [f32]) {
    let Rows { bits, group, store, packed } = *rows;
    let mut codes = [0; BLOCK];
    let mut pairs = Affines::ZERO;
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let (start, end) = (block * BLOCK, block * BLOCK + out.len());
        let codes = &mut codes[..out.len()];
        unpack(bits, &packed.words[start / 8 * bits..end / 8 * bits], codes);
        let groups = out.len() / group;
        let at = start / group * store.bytes()..end / group * store.bytes();
        widen(store, &packed.scales[at.clone()], &mut pairs.scale[..groups]);
        widen(store, &packed.biases[at], &mut pairs.bias[..groups]);
        for (place, (out, codes)) in
            out.chunks_exact_mut(group).zip(codes.chunks_exact(group)).enumerate()
        {
            let (scale, bias) = (pairs.scale[place], pairs.bias[place]);
            for (value, code) in out.iter_mut().zip(codes) {
                *value = f32::from(*code) * scale + bias;
            }
        }
    }
}
