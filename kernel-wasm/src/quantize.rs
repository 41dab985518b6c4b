//! Quantizes a range of rows: each block of a row is widened once, then quantized at every width.

use crate::affine::{levels, Affines, BLOCK, SMALLEST_GROUP};
use crate::encode::{Codes, Grid};
use crate::exact::take_grids;
use crate::half::{narrow, round_to, widen, Dtype};
use crate::pack::pack;
use crate::packed::Packed;
use crate::ranges::Ranges;

/// Which scale and bias are used to choose the codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Those of the file. The code is then the nearest value that a reader can decode. Groups that
    /// have an exact grid get it (exact.rs).
    Stored,
    /// The float32 ones before rounding to the file's dtype, as `mx.quantize` does. A base in
    /// another dtype is cast first.
    Mlx,
}

/// Rows of weights, `[rows, columns]` in `from`, and how to store them.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub weights: &'a [u8],
    pub from: Dtype,
    pub columns: usize,
    pub store: Dtype,
    pub rounding: Rounding,
}

impl Source<'_> {
    fn casts(&self) -> bool {
        self.rounding == Rounding::Mlx && self.from != self.store
    }
}

/// The result at one width: row-major, exact lengths.
pub struct Width<'a> {
    pub bits: usize,
    pub group: usize,
    pub packed: Packed<&'a mut [u8]>,
    /// The sum of (w - ŵ)² over the rows is added, row by row.
    pub squared_error: f64,
}

#[derive(Clone, Default, PartialEq, Debug)]
pub struct Sums {
    /// Σ w² of each row.
    pub energies: Vec<f64>,
    /// Number of NaN and infinities, in the base or caused by a cast.
    pub non_finite: f64,
}

/// Buffers of a block.
struct Buffers {
    /// Σ (w - ŵ)² of the row so far, by width.
    errors: Vec<f64>,
    base: [f32; BLOCK],
    cast: [f32; BLOCK],
    codes: Codes,
    ranges: Ranges,
    exact: Affines,
    stored: Affines,
}

/// Quantizes every row at every width. The columns are a multiple of every group.
pub fn quantize(source: &Source, widths: &mut [Width], sums: &mut Sums) {
    let mut work = Buffers {
        errors: vec![0.0; widths.len()],
        base: [0.0; BLOCK],
        cast: [0.0; BLOCK],
        codes: Codes::ZERO,
        ranges: Ranges::ZERO,
        exact: Affines::ZERO,
        stored: Affines::ZERO,
    };
    let element = source.from.bytes();
    for (row, bytes) in source.weights.chunks_exact(source.columns * element).enumerate() {
        work.errors.fill(0.0);
        let mut energy = 0.0;
        for (block, bytes) in bytes.chunks(BLOCK * element).enumerate() {
            let start = row * source.columns + block * BLOCK;
            energy += quantize_block(source, &mut work, start, bytes, widths);
        }
        sums.energies.push(energy);
        for (width, error) in widths.iter_mut().zip(&work.errors) {
            width.squared_error += error;
        }
        // Finite elements have finite sums, so count only where a sum is not finite.
        if !energy.is_finite() || work.errors.iter().any(|error| !error.is_finite()) {
            sums.non_finite += count_non_finite(source, bytes);
        }
    }
}

/// Quantizes elements `start ..` of the rows, at most a block of them. Adds to the errors. Returns
/// the sum of squares of the weights.
fn quantize_block(
    source: &Source,
    work: &mut Buffers,
    start: usize,
    bytes: &[u8],
    widths: &mut [Width],
) -> f64 {
    let Buffers { errors, base, cast, codes, ranges, exact, stored } = work;
    let end = start + bytes.len() / source.from.bytes();
    let base = &mut base[..end - start];
    let (largest, energy) = ranges.widen(source.from, bytes, base);
    let mut values = &*base;
    if source.casts() {
        cast_block(source.store, base, cast);
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
            let pairs = start / group * source.store.bytes()..end / group * source.store.bytes();
            let (scales, biases) =
                (&mut width.packed.scales[pairs.clone()], &mut width.packed.biases[pairs]);
            stored.fit(ranges, values.len() / group, width.bits);
            let as_stored = source.rounding == Rounding::Stored;
            if !as_stored {
                exact.clone_from(stored);
            } else {
                take_grids(stored, values, group, width.bits, source.store);
            }
            stored.settle(source.store, as_stored, scales, biases);
            let chosen = if as_stored { &*stored } else { &*exact };
            let levels = levels(width.bits);
            codes.choose(values, &Grid { group, affines: chosen, levels });
            *error += codes.cost(base, &Grid { group, affines: stored, levels }, largest);
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
fn count_non_finite(source: &Source, row: &[u8]) -> f64 {
    let mut value = [0.0];
    let mut count = 0;
    for element in row.chunks_exact(source.from.bytes()) {
        widen(source.from, element, &mut value);
        let seen = if source.casts() { round_to(source.store, value[0]) } else { value[0] };
        count += usize::from(!seen.is_finite());
    }
    count as f64
}

#[cfg(test)]
#[path = "quantize_tests.rs"]
mod tests;
