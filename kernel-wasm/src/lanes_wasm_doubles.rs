//! Two float64 in a register of WebAssembly.

use super::Doubles;
use core::arch::wasm32::*;

impl Doubles {
    #[inline(always)]
    pub fn splat(value: f64) -> Self {
        Self(f64x2_splat(value))
    }

    #[inline(always)]
    pub fn load(values: &[f64; 2]) -> Self {
        // SAFETY: reads the 16 bytes of the array; v128.load needs no alignment.
        Self(unsafe { v128_load(values.as_ptr().cast()) })
    }

    #[inline(always)]
    pub fn store(self, values: &mut [f64; 2]) {
        // SAFETY: writes the 16 bytes of the array; v128.store needs no alignment.
        unsafe { v128_store(values.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    pub fn first(self) -> f64 {
        f64x2_extract_lane::<0>(self.0)
    }

    /// `self * factor + addend`, rounded once, as [`Floats::mul_add`].
    #[inline(always)]
    pub fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(f64x2_relaxed_madd(self.0, factor.0, addend.0))
    }

    #[inline(always)]
    pub fn times(self, values: Self) -> Self {
        Self(f64x2_mul(self.0, values.0))
    }

    #[inline(always)]
    pub fn minus(self, values: Self) -> Self {
        Self(f64x2_sub(self.0, values.0))
    }

    /// `self < other ? other : self`
    #[inline(always)]
    pub fn greater(self, other: Self) -> Self {
        Self(f64x2_pmax(self.0, other.0))
    }

    /// 2 to the power of the integers in the low bits, of -1022..=1023.
    #[inline(always)]
    pub fn two_to_low_bits(self) -> Self {
        Self(i64x2_add(i64x2_shl(self.0, 52), i64x2_splat(1023 << 52)))
    }

    #[inline(always)]
    pub fn plus(self, values: Self) -> Self {
        Self(f64x2_add(self.0, values.0))
    }

    #[inline(always)]
    pub fn sum(self) -> f64 {
        f64x2_extract_lane::<0>(self.0) + f64x2_extract_lane::<1>(self.0)
    }
}

impl Default for Doubles {
    fn default() -> Self {
        Self(f64x2_splat(0.0))
    }
}
