//! What JavaScript sees: one arena to write operands into, and coarse routines over addresses within it. The caller
//! (`src/kernel/kernel.ts`) lays the arena out and vouches for every address and length.

mod algebra;
mod decode;
mod forward;
mod tuning;

use std::alloc::{alloc, dealloc, handle_alloc_error, Layout};
use std::cell::{Cell, RefCell};
use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use crate::dequantize::{self, Packed};
use crate::divergence;
use crate::gemm::Scratch;
use crate::half::{narrow, widen, Dtype};
use crate::tile::{self, Rounding, Sums, Tile, Width};

/// Cache line and more than any lane load needs.
const ALIGNMENT: usize = 64;

thread_local! {
    static ARENA: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGNMENT).expect("an arena below 2 GiB")
}

/// Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and forgets what it held.
#[wasm_bindgen]
pub fn arena(bytes: usize) -> usize {
    let (address, size) = ARENA.get();
    if size >= bytes {
        return address;
    }
    ARENA.set((0, 0));
    if size > 0 {
        // SAFETY: allocated below with the same layout, and forgotten above.
        unsafe { dealloc(address as *mut u8, layout(size)) };
    }
    // SAFETY: bytes > size >= 0, so the layout is not empty.
    let fresh = unsafe { alloc(layout(bytes)) };
    if fresh.is_null() {
        handle_alloc_error(layout(bytes));
    }
    ARENA.set((fresh as usize, bytes));
    fresh as usize
}

/// Lends the panels of this instance to a product.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

/// 0 = BF16, 1 = F16, 2 = F32, as in arena.ts.
fn dtype(code: u32) -> Dtype {
    Dtype::ALL[code as usize]
}

unsafe fn bytes<'a>(address: usize, length: usize) -> &'a [u8] {
    from_raw_parts(address as *const u8, length)
}

unsafe fn bytes_mut<'a>(address: usize, length: usize) -> &'a mut [u8] {
    from_raw_parts_mut(address as *mut u8, length)
}

unsafe fn floats_mut<'a>(address: usize, length: usize) -> &'a mut [f32] {
    from_raw_parts_mut(address as *mut f32, length)
}

/// One width of `quantize`: `[bits, group, words, scales, biases]` as 32-bit numbers.
unsafe fn width<'a>(spec: &[u32], elements: usize, store: Dtype) -> Width<'a> {
    let [bits, group, words, scales, biases] = [0, 1, 2, 3, 4].map(|i| spec[i] as usize);
    let pairs = elements / group * store.bytes();
    Width {
        bits,
        group,
        words: bytes_mut(words, elements / 8 * bits),
        scales: bytes_mut(scales, pairs),
        biases: bytes_mut(biases, pairs),
        squared_error: 0.0,
    }
}

/// Quantizes `[rows, columns]` weights at `count` widths. `widths` = count × `[bits, group, words, scales, biases]`; `sums` = float64
/// `[energy, nonFinite, squaredError of each width]`, to which this adds: a tile may come in slabs of rows.
///
/// # Safety
/// Every address lies in the arena with the room that its operand needs; they do not overlap.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn quantize(
    weights: usize,
    from: u32,
    rows: usize,
    columns: usize,
    store: u32,
    mlx: bool,
    widths: usize,
    count: usize,
    sums: usize,
) {
    let (from, store) = (dtype(from), dtype(store));
    let rounding = if mlx { Rounding::Mlx } else { Rounding::Stored };
    let weights = bytes(weights, rows * columns * from.bytes());
    let sums = from_raw_parts_mut(sums as *mut f64, 2 + count);
    let specs = from_raw_parts(widths as *const u32, 5 * count);
    let mut widths: Vec<Width> =
        specs.chunks_exact(5).map(|spec| width(spec, rows * columns, store)).collect();
    for (width, sum) in widths.iter_mut().zip(&sums[2..]) {
        width.squared_error = *sum;
    }
    let mut totals = Sums { energy: sums[0], non_finite: sums[1] };
    tile::quantize(&Tile { weights, from, columns, store, rounding }, &mut widths, &mut totals);
    sums[0] = totals.energy;
    sums[1] = totals.non_finite;
    for (width, sum) in widths.iter().zip(&mut sums[2..]) {
        *sum = width.squared_error;
    }
}

/// Decodes `count` elements, whole groups, into float32 at `out`.
///
/// # Safety
/// As [`quantize`]; `out` is aligned to 4.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn dequantize(
    bits: usize,
    group: usize,
    words: usize,
    scales: usize,
    biases: usize,
    store: u32,
    count: usize,
    out: usize,
) {
    let store = dtype(store);
    let (words, pairs) = (bytes(words, count / 8 * bits), count / group * store.bytes());
    let (scales, biases) = (bytes(scales, pairs), bytes(biases, pairs));
    let out = from_raw_parts_mut(out as *mut f32, count);
    dequantize::dequantize(&Packed { bits, group, words, scales, biases, store }, out);
}

/// Changes the dtype of `count` elements. Returns how many are NaN or infinite afterwards.
///
/// # Safety
/// As [`quantize`].
#[wasm_bindgen]
pub unsafe fn cast(elements: usize, from: u32, count: usize, to: u32, out: usize) -> f64 {
    let (from, to) = (dtype(from), dtype(to));
    let mut values = [0.0; 1024];
    let mut lost = 0;
    let elements = bytes(elements, count * from.bytes()).chunks(values.len() * from.bytes());
    let out = bytes_mut(out, count * to.bytes()).chunks_mut(values.len() * to.bytes());
    for (elements, out) in elements.zip(out) {
        let values = &mut values[..elements.len() / from.bytes()];
        widen(from, elements, values);
        narrow(to, values, out);
        // Counted from what is stored: a narrower range turns a large value into an infinity.
        widen(to, out, values);
        lost += values.iter().filter(|value| !value.is_finite()).count();
    }
    lost as f64
}

/// Compares the logits `[rows, vocabulary]` of two models; `next` = the token that follows each row. `out` = float64 `[rows, 4]`:
/// divergence, log-probability of the next token under the base and under the model, 1 where both hold the same token for likeliest.
///
/// # Safety
/// As [`quantize`]; `out` is aligned to 8.
#[wasm_bindgen]
pub unsafe fn compare(
    base: usize,
    model: usize,
    next: usize,
    rows: usize,
    vocabulary: usize,
    out: usize,
) {
    let base = from_raw_parts(base as *const f32, rows * vocabulary);
    let model = from_raw_parts(model as *const f32, rows * vocabulary);
    let next = from_raw_parts(next as *const u32, rows);
    let out = from_raw_parts_mut(out as *mut f64, rows * 4);
    let rows = base.chunks_exact(vocabulary).zip(model.chunks_exact(vocabulary)).zip(next);
    for (((base, model), &next), out) in rows.zip(out.chunks_exact_mut(4)) {
        let position = divergence::compare(base, model, next as usize);
        out[0] = position.divergence;
        out[1] = position.base;
        out[2] = position.model;
        out[3] = f64::from(u8::from(position.same_top));
    }
}
