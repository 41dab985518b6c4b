//! Codes back to float32.

use crate::affine::{Affines, BLOCK};
use crate::half::{widen, Dtype};
use crate::pack::unpack;

/// Rows quantized at one width, as in [`crate::tile::Width`].
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    pub bits: usize,
    pub group: usize,
    pub words: &'a [u8],
    pub scales: &'a [u8],
    pub biases: &'a [u8],
    /// Dtype of scales and biases.
    pub store: Dtype,
}

/// `out[k]` = code · scale + bias, product rounded, then sum rounded. Rows are whole groups, so that their bounds do not matter.
pub fn dequantize(packed: &Packed, out: &mut [f32]) {
    let Packed { bits, group, store, .. } = *packed;
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
