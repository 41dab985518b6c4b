//! One visit of a tile's rows: each is widened once, and quantized at every width asked for.

use crate::affine::{code, decode, group_affine, stored_affine, Affine, Rounding};
use crate::half::{narrow, round_to, widen, Dtype};
use crate::pack::{pack, unpack};

/// One width's share of the answer: row-major, exact lengths.
pub struct Width<'a> {
    pub bits: usize,
    pub group: usize,
    /// `[rows, columns * bits / 8]`
    pub words: &'a mut [u8],
    /// `[rows, columns / group]` in the dtype of the file
    pub scales: &'a mut [u8],
    pub biases: &'a mut [u8],
    /// Grows by the sum of (w - ŵ)² over the tile.
    pub squared_error: f64,
}

/// The weights, `[rows, columns]` in `from`, and how they shall be stored.
pub struct Tile<'a> {
    pub weights: &'a [u8],
    pub from: Dtype,
    pub columns: usize,
    pub store: Dtype,
    pub rounding: Rounding,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Sums {
    /// Sum of w²
    pub energy: f64,
    /// How many NaN and infinities
    pub non_finite: f64,
}

pub fn quantize(tile: &Tile, widths: &mut [Width], sums: &mut Sums) {
    let row_bytes = tile.columns * tile.from.bytes();
    let mut base = vec![0.0; tile.columns];
    let mut codes = vec![0; tile.columns];
    for (row, bytes) in tile.weights.chunks_exact(row_bytes).enumerate() {
        widen(tile.from, bytes, &mut base);
        sums.energy += base.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>();
        sums.non_finite += base.iter().filter(|w| !w.is_finite()).count() as f64;
        for width in widths.iter_mut() {
            quantize_row(tile, row, &base, width, &mut codes);
        }
    }
}

fn quantize_row(tile: &Tile, row: usize, base: &[f32], width: &mut Width, codes: &mut [u8]) {
    let (bits, group) = (width.bits, width.group);
    let levels = ((1 << bits) - 1) as f32;
    let mut scales = Vec::new();
    let mut biases = Vec::new();
    let mut error = 0.0;
    for (base, codes) in base.chunks_exact(group).zip(codes.chunks_exact_mut(group)) {
        let seen: Vec<f32> = match tile.rounding {
            Rounding::Mlx => base.iter().map(|&w| round_to(tile.store, w)).collect(),
            Rounding::Stored => base.to_vec(),
        };
        let lo = seen.iter().copied().fold(f32::INFINITY, f32::min);
        let hi = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exact = group_affine(lo, hi, bits);
        let (stored, chosen) = match tile.rounding {
            Rounding::Mlx => (
                Affine { scale: round_to(tile.store, exact.scale), bias: round_to(tile.store, exact.bias) },
                exact,
            ),
            Rounding::Stored => (stored_affine(exact, tile.store), stored_affine(exact, tile.store)),
        };
        scales.push(stored.scale);
        biases.push(stored.bias);
        for ((&w, &b), q) in seen.iter().zip(base).zip(codes) {
            *q = code(w, chosen, levels);
            let d = f64::from(b - decode(*q, stored));
            error += d * d;
        }
    }
    width.squared_error += error;
    let line = tile.columns * bits / 8;
    pack(bits, codes, &mut width.words[row * line..(row + 1) * line]);
    let line = tile.columns / group * tile.store.bytes();
    narrow(tile.store, &scales, &mut width.scales[row * line..(row + 1) * line]);
    narrow(tile.store, &biases, &mut width.biases[row * line..(row + 1) * line]);
}

/// Codes back to float32, `out` = `[rows, columns]`; the lengths of `words`, `scales` and `biases` are those of a [`Width`].
pub fn dequantize(width: &Width, store: Dtype, out: &mut [f32]) {
    let mut codes = vec![0; out.len()];
    let mut scales = vec![0.0; out.len() / width.group];
    let mut biases = vec![0.0; out.len() / width.group];
    unpack(width.bits, width.words, &mut codes);
    widen(store, width.scales, &mut scales);
    widen(store, width.biases, &mut biases);
    for (k, (value, code)) in out.iter_mut().zip(codes).enumerate() {
        let place = k / width.group;
        *value = decode(code, Affine { scale: scales[place], bias: biases[place] });
    }
}
