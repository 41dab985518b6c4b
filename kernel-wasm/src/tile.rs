//! Quantizes a tile: each block of a row is widened once, then quantized at every width.

use crate::affine::{levels, Affines, BLOCK, SMALLEST_GROUP};
use crate::encode::Codes;
use crate::half::{narrow, round_to, widen, Dtype};
use crate::pack::pack;
use crate::packed::Packed;
use crate::ranges::Ranges;

/// Which scale and bias are used to choose the codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Those of the file. The code is then the nearest value that a reader can decode.
    Stored,
    /// The float32 ones before rounding to the file's dtype, as `mx.quantize` does. A base in
    /// another dtype is cast first.
    Mlx,
}

/// The weights, `[rows, columns]` in `from`, and how to store them.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    pub weights: &'a [u8],
    pub from: Dtype,
    pub columns: usize,
    pub store: Dtype,
    pub rounding: Rounding,
}

impl Tile<'_> {
    fn casts(&self) -> bool {
        self.rounding == Rounding::Mlx && self.from != self.store
    }
}

/// The result at one width: row-major, exact lengths.
pub struct Width<'a> {
    pub bits: usize,
    pub group: usize,
    pub packed: Packed<&'a mut [u8]>,
    /// The sum of (w - ŵ)² over the tile is added, row by row.
    pub squared_error: f64,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Sums {
    /// Sum of w², row by row.
    pub energy: f64,
    /// Number of NaN and infinities, in the base or caused by a cast.
    pub non_finite: f64,
}

/// Buffers of a block.
struct Buffers {
    base: [f32; BLOCK],
    cast: [f32; BLOCK],
    codes: Codes,
    ranges: Ranges,
    exact: Affines,
    stored: Affines,
}

/// Quantizes every row at every width. The columns are a multiple of every group.
pub fn quantize(tile: &Tile, widths: &mut [Width], sums: &mut Sums) {
    let mut work = Buffers {
        base: [0.0; BLOCK],
        cast: [0.0; BLOCK],
        codes: Codes::ZERO,
        ranges: Ranges::ZERO,
        exact: Affines::ZERO,
        stored: Affines::ZERO,
    };
    let mut errors = vec![0.0; widths.len()];
    let element = tile.from.bytes();
    for (row, bytes) in tile.weights.chunks_exact(tile.columns * element).enumerate() {
        errors.fill(0.0);
        let mut energy = 0.0;
        for (block, bytes) in bytes.chunks(BLOCK * element).enumerate() {
            let start = row * tile.columns + block * BLOCK;
            energy += quantize_block(tile, &mut work, start, bytes, widths, &mut errors);
        }
        sums.energy += energy;
        for (width, error) in widths.iter_mut().zip(&errors) {
            width.squared_error += error;
        }
        // Finite elements have finite sums, so count only where a sum is not finite.
        if !energy.is_finite() || errors.iter().any(|error| !error.is_finite()) {
            sums.non_finite += count_non_finite(tile, bytes);
        }
    }
}

/// Quantizes elements `start ..` of the tile, at most a block of them. Adds to `errors`. Returns
/// the sum of squares of the weights.
fn quantize_block(
    tile: &Tile,
    work: &mut Buffers,
    start: usize,
    bytes: &[u8],
    widths: &mut [Width],
    errors: &mut [f64],
) -> f64 {
    let Buffers { base, cast, codes, ranges, exact, stored } = work;
    let end = start + bytes.len() / tile.from.bytes();
    let base = &mut base[..end - start];
    let (largest, energy) = ranges.widen(tile.from, bytes, base);
    let mut values = &*base;
    if tile.casts() {
        cast_block(tile.store, base, cast);
        values = &cast[..base.len()];
        ranges.measure(values);
    }
    for group in [32, 64, 128] {
        if group > SMALLEST_GROUP {
            ranges.join_pairs();
        }
        for (width, error) in
            widths.iter_mut().zip(errors.iter_mut()).filter(|(width, _)| width.group == group)
        {
            let pairs = start / group * tile.store.bytes()..end / group * tile.store.bytes();
            let (scales, biases) =
                (&mut width.packed.scales[pairs.clone()], &mut width.packed.biases[pairs]);
            stored.fit(ranges, values.len() / group, width.bits);
            let as_stored = tile.rounding == Rounding::Stored;
            if !as_stored {
                exact.clone_from(stored);
            }
            stored.settle(tile.store, as_stored, scales, biases);
            codes.choose(values, group, if as_stored { stored } else { exact }, levels(width.bits));
            *error += codes.cost(base, group, stored, largest);
            let words = start / 8 * width.bits..end / 8 * width.bits;
            pack(width.bits, &codes.bytes[..values.len()], &mut width.packed.words[words]);
        }
    }
    energy
}

/// `cast` = `base` as `to` can store it.
fn cast_block(to: Dtype, base: &[f32], cast: &mut [f32; BLOCK]) {
    let mut bytes = [0; BLOCK * 4];
    let bytes = &mut bytes[..base.len() * to.bytes()];
    narrow(to, base, bytes);
    widen(to, bytes, &mut cast[..base.len()]);
}

#[cold]
fn count_non_finite(tile: &Tile, row: &[u8]) -> f64 {
    let mut value = [0.0];
    let mut count = 0;
    for element in row.chunks_exact(tile.from.bytes()) {
        widen(tile.from, element, &mut value);
        let seen = if tile.casts() { round_to(tile.store, value[0]) } else { value[0] };
        count += usize::from(!seen.is_finite());
    }
    count as f64
}

#[cfg(test)]
#[path = "tile_tests.rs"]
mod tests;
