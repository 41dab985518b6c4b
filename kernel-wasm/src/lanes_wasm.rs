use core::arch::wasm32::*;
use core::hint::black_box;
use core::ops::{Add, Div, Mul, Sub};

#[path = "lanes_wasm_doubles.rs"]
mod doubles;

#[derive(Clone, Copy)]
pub struct Floats(v128);

/// A choice of lanes.
#[derive(Clone, Copy)]
pub struct Mask(v128);

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Bytes(v128);

/// Four 32-bit integers.
#[derive(Clone, Copy)]
pub struct Words(v128);

/// Where each of sixteen bytes goes.
#[derive(Clone, Copy)]
pub struct ByteOrder(v128);

/// Two float64.
#[derive(Clone, Copy)]
pub struct Doubles(v128);

impl Floats {
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    pub fn load(values: &[f32; 4]) -> Self {
        // SAFETY: reads the 16 bytes of the array; v128.load needs no alignment.
        Self(unsafe { v128_load(values.as_ptr().cast()) })
    }

    #[inline(always)]
    pub fn store(self, values: &mut [f32; 4]) {
        // SAFETY: writes the 16 bytes of the array; v128.store needs no alignment.
        unsafe { v128_store(values.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    pub fn first(self) -> f32 {
        f32x4_extract_lane::<0>(self.0)
    }

    #[inline(always)]
    pub fn swap_halves(self) -> Self {
        Self(i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0))
    }

    #[inline(always)]
    pub fn swap_pairs(self) -> Self {
        Self(i32x4_shuffle::<1, 0, 3, 2>(self.0, self.0))
    }

    /// Lane j of vector i becomes lane i of vector j.
    #[inline(always)]
    pub fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        let low = (i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0));
        let high = (i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0), i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
        [
            Self(i64x2_shuffle::<0, 2>(low.0, low.1)),
            Self(i64x2_shuffle::<1, 3>(low.0, low.1)),
            Self(i64x2_shuffle::<0, 2>(high.0, high.1)),
            Self(i64x2_shuffle::<1, 3>(high.0, high.1)),
        ]
    }

    /// `other < self ? other : self`
    #[inline(always)]
    pub fn lesser(self, other: Self) -> Self {
        Self(f32x4_pmin(self.0, other.0))
    }

    /// `self < other ? other : self`
    #[inline(always)]
    pub fn greater(self, other: Self) -> Self {
        Self(f32x4_pmax(self.0, other.0))
    }

    #[inline(always)]
    pub fn round_ties_even(self) -> Self {
        Self(f32x4_nearest(self.0))
    }

    /// `self * factor + addend`, rounded once: both x86-64 and arm64 fuse the relaxed instruction.
    #[inline(always)]
    pub fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(f32x4_relaxed_madd(self.0, factor.0, addend.0))
    }

    #[inline(always)]
    pub fn abs(self) -> Self {
        Self(f32x4_abs(self.0))
    }

    /// Lane by lane `self < limit ? then : otherwise`.
    #[inline(always)]
    pub fn if_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        // The mask is all ones or all zeros; then the relaxed instruction equals the strict one.
        Self(i32x4_relaxed_laneselect(then.0, otherwise.0, f32x4_lt(self.0, limit.0)))
    }

    /// Lane by lane `self == value ? then : otherwise`.
    #[inline(always)]
    pub fn if_equal(self, value: Self, then: Self, otherwise: Self) -> Self {
        Self(i32x4_relaxed_laneselect(then.0, otherwise.0, f32x4_eq(self.0, value.0)))
    }

    /// Lanes below their `low` or above their `high`.
    #[inline(always)]
    pub fn beyond(self, low: Self, high: Self) -> Mask {
        Mask(v128_or(f32x4_lt(self.0, low.0), f32x4_gt(self.0, high.0)))
    }

    /// Rounded to BF16, half to even. Not for NaN.
    #[inline(always)]
    pub fn to_bf16(self) -> Self {
        let odd = v128_and(u32x4_shr(self.0, 16), i32x4_splat(1));
        let rounded = i32x4_add(self.0, i32x4_add(odd, i32x4_splat(0x7fff)));
        Self(v128_and(rounded, i32x4_splat(0xffff_0000u32 as i32)))
    }

    #[inline(always)]
    pub fn widen(self) -> [Doubles; 2] {
        let high = self.swap_halves().0;
        [Doubles(f64x2_promote_low_f32x4(self.0)), Doubles(f64x2_promote_low_f32x4(high))]
    }

    /// Eight BF16 elements: the upper half of a float32's bits.
    #[inline(always)]
    pub fn from_bf16(bytes: &[u8; 16]) -> [Self; 2] {
        // SAFETY: reads the 16 bytes of the array; v128.load needs no alignment.
        let halves = unsafe { v128_load(bytes.as_ptr().cast()) };
        let zero = i16x8_splat(0);
        [
            Self(i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(zero, halves)),
            Self(i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(zero, halves)),
        ]
    }

    /// 2 to the power of whole numbers of -126..=127.
    #[inline(always)]
    pub fn two_to(self) -> Self {
        // In range the relaxed conversion equals the strict one.
        Self(i32x4_shl(i32x4_add(i32x4_relaxed_trunc_f32x4(self.0), i32x4_splat(127)), 23))
    }

    /// The integer parts of values of 0..=65535.
    #[inline(always)]
    pub fn to_words(self) -> Words {
        // In range the relaxed conversion equals the strict one.
        Words(i32x4_relaxed_trunc_f32x4(self.0))
    }
}

impl Mask {
    #[inline(always)]
    pub fn none() -> Self {
        Self(i32x4_splat(0))
    }

    #[inline(always)]
    pub fn or(self, other: Self) -> Self {
        Self(v128_or(self.0, other.0))
    }

    #[inline(always)]
    pub fn any(self) -> bool {
        v128_any_true(self.0)
    }
}

impl Words {
    /// Puts sixteen bytes in order. The low half of lane i of `self` has bytes i and 4 + i, that of
    /// `high` bytes 8 + i and 12 + i.
    #[inline(always)]
    pub fn interleave(self, high: Self, order: ByteOrder) -> Bytes {
        // The indices are in range; then the relaxed swizzle equals the strict one.
        Bytes(i8x16_relaxed_swizzle(v128_or(self.0, i32x4_shl(high.0, 16)), order.0))
    }
}

impl ByteOrder {
    /// For [`Words::interleave`], in a register.
    #[inline(always)]
    pub fn held() -> Self {
        Self(black_box(u8x16(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)))
    }
}

impl Bytes {
    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Self {
        // SAFETY: reads the 16 bytes of the array; v128.load needs no alignment.
        Self(unsafe { v128_load(bytes.as_ptr().cast()) })
    }

    #[inline(always)]
    pub fn store(self, bytes: &mut [u8; 16]) {
        // SAFETY: writes the 16 bytes of the array; v128.store needs no alignment.
        unsafe { v128_store(bytes.as_mut_ptr().cast(), self.0) }
    }

    /// Bytes 0, 2, 4 … of `self`, then of `other`.
    #[inline(always)]
    pub fn even_bytes(self, other: Self) -> Self {
        Self(u8x16_shuffle::<0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30>(
            self.0, other.0,
        ))
    }

    /// Eight 16-bit lanes: byte 2i + 2^bits · byte 2i+1. Bytes and 2^bits are below 128.
    #[inline(always)]
    pub fn join_pairs(self, bits: u32) -> Self {
        // Below 128 both operands are the same signed and unsigned. Then the relaxed product equals
        // the strict one.
        Self(i16x8_relaxed_dot_i8x16_i7x16(self.0, i16x8_splat(1 | 0x100 << bits)))
    }

    /// Each 64-bit lane has four 16-bit lanes of `bits` bits, at most 15. Returns them without gaps
    /// between the bits.
    #[inline(always)]
    pub fn join_fours(self, bits: u32) -> [u64; 2] {
        let pairs = i32x4_dot_i16x8(self.0, i32x4_splat(1 | 0x10000 << bits));
        let low = v128_and(pairs, i64x2_splat(0xffff_ffff));
        let joined = v128_or(low, i64x2_shl(u64x2_shr(pairs, 32), 2 * bits));
        [u64x2_extract_lane::<0>(joined), u64x2_extract_lane::<1>(joined)]
    }
}

macro_rules! lane_operators {
    ($($trait:ident $method:ident $instruction:ident)*) => {$(
        impl $trait for Floats {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($instruction(self.0, other.0))
            }
        }
    )*};
}
lane_operators!(Add add f32x4_add Sub sub f32x4_sub Mul mul f32x4_mul Div div f32x4_div);
