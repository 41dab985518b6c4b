//! Four float32 in a register: WebAssembly's 128-bit vectors. Elsewhere they are arrays with the
//! same results, so that the fast routines can be tested on the host.
//!
//! Relaxed instructions are used only where their result does not depend on the processor. That
//! includes minima and maxima, which LLVM makes relaxed. Processors differ on NaN and on the sign
//! of zero, but neither reaches an output while all weights are finite (checked on x86-64 and
//! arm64). Other weights are counted, and the base is refused.

use std::hint::black_box;

#[cfg_attr(target_arch = "wasm32", path = "lanes_wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "lanes_portable.rs")]
mod native;

pub use native::{ByteOrder, Bytes, Doubles, Floats, Mask};

impl Floats {
    /// [`Floats::splat`] of a constant that stays in a register. V8 would build a known constant
    /// again at every use, with three instructions.
    #[inline(always)]
    pub fn held(value: f32) -> Self {
        Self::splat(black_box(value))
    }

    /// The four values at `4 * index` of a block.
    #[inline(always)]
    pub fn of<const N: usize>(block: &[f32; N], index: usize) -> Self {
        Self::load(block[4 * index..4 * index + 4].try_into().expect("four values"))
    }

    /// Writes the four values at `4 * index` of a block.
    #[inline(always)]
    pub fn put<const N: usize>(self, block: &mut [f32; N], index: usize) {
        self.store((&mut block[4 * index..4 * index + 4]).try_into().expect("four values"));
    }

    /// Whether some lane is below its `low` or above its `high`.
    #[inline(always)]
    pub fn any_beyond(self, low: Self, high: Self) -> bool {
        self.beyond(low, high).any()
    }

    /// The smallest lane. Not for NaN.
    #[inline(always)]
    pub fn least(self) -> f32 {
        let pairs = self.lesser(self.swap_halves());
        pairs.lesser(pairs.swap_pairs()).first()
    }

    /// The largest lane. Not for NaN.
    #[inline(always)]
    pub fn greatest(self) -> f32 {
        let pairs = self.greater(self.swap_halves());
        pairs.greater(pairs.swap_pairs()).first()
    }
}

impl Doubles {
    /// The two values at `2 * index` of a block.
    #[inline(always)]
    pub fn of<const N: usize>(block: &[f64; N], index: usize) -> Self {
        Self::load(block[2 * index..2 * index + 2].try_into().expect("two values"))
    }

    /// Writes the two values at `2 * index` of a block.
    #[inline(always)]
    pub fn put<const N: usize>(self, block: &mut [f64; N], index: usize) {
        self.store((&mut block[2 * index..2 * index + 2]).try_into().expect("two values"));
    }
}
