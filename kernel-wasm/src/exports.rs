//! What JavaScript sees: one arena for operands, and routines over addresses within it. The caller
//! (`src/kernel/routines`) lays out the arena and is responsible for every address and length.
//! Routines with many operands take the address of one `#[repr(C)]` struct;
//! src/kernel/struct.test.ts compares each with its TypeScript declaration.

mod algebra;
mod attention;
mod decode;
mod forward;
mod logits;
mod routing;
mod tuning;

use std::alloc::{alloc, dealloc, handle_alloc_error, Layout};
use std::cell::{Cell, RefCell};
use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use crate::dequantize::{self, Rows};
use crate::gemm::Scratch;
use crate::half::{narrow, widen, Dtype};
use crate::packed::Packed;
use crate::quantize::{self, Rounding, Source, Sums, Width};

/// Cache line and more than any lane load needs.
const ALIGNMENT: usize = 64;

thread_local! {
    static ARENA: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALIGNMENT).expect("an arena below 2 GiB")
}

/// Address of at least `bytes` bytes, aligned to 64. A later, larger request moves the arena and
/// loses its contents.
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

/// Gives a product the panels of this instance.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

/// 0 = BF16, 1 = F16, 2 = F32, as in arena.ts.
fn dtype(code: usize) -> Dtype {
    Dtype::ALL[code]
}

unsafe fn bytes<'a>(address: usize, length: usize) -> &'a [u8] {
    from_raw_parts(address as *const u8, length)
}

unsafe fn bytes_mut<'a>(address: usize, length: usize) -> &'a mut [u8] {
    from_raw_parts_mut(address as *mut u8, length)
}

/// Nothing at address 0: an absent operand.
unsafe fn floats<'a>(address: usize, count: usize) -> &'a [f32] {
    if address == 0 {
        return &[];
    }
    from_raw_parts(address as *const f32, count)
}

unsafe fn floats_mut<'a>(address: usize, length: usize) -> &'a mut [f32] {
    from_raw_parts_mut(address as *mut f32, length)
}

/// Rows and their widths, each a [`WidthCall`]. Sums grow: rows may come in slabs.
#[repr(C)]
pub struct QuantizeCall {
    weights: usize,
    from: usize,
    rows: usize,
    columns: usize,
    store: usize,
    /// 1 for rule mlx, 0 for rule stored.
    mlx: usize,
    /// Address of `count` widths.
    widths: usize,
    count: usize,
    energy: f64,
    non_finite: f64,
}

/// One of the widths of a [`QuantizeCall`]. Its sum grows too.
#[repr(C)]
pub struct WidthCall {
    bits: usize,
    group_size: usize,
    words: usize,
    scales: usize,
    biases: usize,
    squared_error: f64,
}

impl WidthCall {
    unsafe fn width<'a>(&self, elements: usize, store: Dtype) -> Width<'a> {
        let pairs = elements / self.group_size * store.bytes();
        let packed = Packed {
            words: bytes_mut(self.words, elements / 8 * self.bits),
            scales: bytes_mut(self.scales, pairs),
            biases: bytes_mut(self.biases, pairs),
        };
        let Self { bits, group_size: group, squared_error, .. } = *self;
        Width { bits, group, packed, squared_error }
    }
}

/// Quantizes the rows of a [`QuantizeCall`].
///
/// # Safety
/// Every address lies in the arena with the memory that its operand needs; they do not overlap.
#[wasm_bindgen]
pub unsafe fn quantize(call: usize) {
    let call = &mut *(call as *mut QuantizeCall);
    let (from, store) = (dtype(call.from), dtype(call.store));
    let rounding = if call.mlx == 1 { Rounding::Mlx } else { Rounding::Stored };
    let elements = call.rows * call.columns;
    let weights = bytes(call.weights, elements * from.bytes());
    let calls = from_raw_parts_mut(call.widths as *mut WidthCall, call.count);
    let mut widths: Vec<Width> = calls.iter().map(|width| width.width(elements, store)).collect();
    let mut sums = Sums { non_finite: call.non_finite, ..Sums::default() };
    let source = Source { weights, from, columns: call.columns, store, rounding };
    quantize::quantize(&source, &mut widths, &mut sums);
    call.energy = sums.energies.iter().fold(call.energy, |sum, energy| sum + energy);
    call.non_finite = sums.non_finite;
    for (call, width) in calls.iter_mut().zip(&widths) {
        call.squared_error = width.squared_error;
    }
}

/// `count` elements, whole groups.
#[repr(C)]
pub struct DequantizeCall {
    bits: usize,
    group_size: usize,
    words: usize,
    scales: usize,
    biases: usize,
    store: usize,
    count: usize,
    out: usize,
}

/// Decodes the elements of a [`DequantizeCall`] into float32.
///
/// # Safety
/// As [`quantize`]; `out` is aligned to 4.
#[wasm_bindgen]
pub unsafe fn dequantize(call: usize) {
    let call = &*(call as *const DequantizeCall);
    let &DequantizeCall { bits, group_size: group, count, .. } = call;
    let store = dtype(call.store);
    let pairs = count / group * store.bytes();
    let packed = Packed {
        words: bytes(call.words, count / 8 * bits),
        scales: bytes(call.scales, pairs),
        biases: bytes(call.biases, pairs),
    };
    dequantize::dequantize(&Rows { bits, group, store, packed }, floats_mut(call.out, count));
}

/// `count` elements of dtype `from`.
#[repr(C)]
pub struct CastCall {
    elements: usize,
    from: usize,
    count: usize,
    to: usize,
    out: usize,
}

/// Changes the dtype of the elements of a [`CastCall`]. Returns how many are NaN or infinite then.
///
/// # Safety
/// As [`quantize`].
#[wasm_bindgen]
pub unsafe fn cast(call: usize) -> f64 {
    let call = &*(call as *const CastCall);
    let (from, to) = (dtype(call.from), dtype(call.to));
    let mut values = [0.0; 1024];
    let mut lost = 0;
    let elements = bytes(call.elements, call.count * from.bytes());
    let out = bytes_mut(call.out, call.count * to.bytes());
    let parts = elements.chunks(values.len() * from.bytes());
    for (elements, out) in parts.zip(out.chunks_mut(values.len() * to.bytes())) {
        let values = &mut values[..elements.len() / from.bytes()];
        widen(from, elements, values);
        narrow(to, values, out);
        // Counted from what is stored: a narrower range turns a large value into an infinity.
        widen(to, out, values);
        lost += values.iter().filter(|value| !value.is_finite()).count();
    }
    lost as f64
}
