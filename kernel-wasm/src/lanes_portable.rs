use std::array::from_fn;
use std::ops::{Add, Div, Mul, Sub};

#[derive(Clone, Copy)]
pub struct Floats([f32; 4]);

/// A choice of lanes.
#[derive(Clone, Copy)]
pub struct Mask([bool; 4]);

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Bytes([u8; 16]);

/// Four 32-bit integers.
#[derive(Clone, Copy)]
pub struct Words([u32; 4]);

/// Where each of sixteen bytes goes. Empty here.
#[derive(Clone, Copy)]
pub struct ByteOrder;

/// Two float64.
#[derive(Clone, Copy, Default)]
pub struct Doubles([f64; 2]);

impl Floats {
    pub fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    pub fn load(values: &[f32; 4]) -> Self {
        Self(*values)
    }

    pub fn store(self, values: &mut [f32; 4]) {
        *values = self.0;
    }

    pub fn first(self) -> f32 {
        self.0[0]
    }

    pub fn swap_halves(self) -> Self {
        Self(from_fn(|i| self.0[i ^ 2]))
    }

    pub fn swap_pairs(self) -> Self {
        Self(from_fn(|i| self.0[i ^ 1]))
    }

    /// Lane j of vector i becomes lane i of vector j.
    pub fn transpose(vectors: [Self; 4]) -> [Self; 4] {
        from_fn(|j| Self(from_fn(|i| vectors[i].0[j])))
    }

    /// `other < self ? other : self`
    pub fn lesser(self, other: Self) -> Self {
        other.if_below(self, other, self)
    }

    /// `self < other ? other : self`
    pub fn greater(self, other: Self) -> Self {
        self.if_below(other, other, self)
    }

    pub fn round_ties_even(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }

    /// `self * factor + addend`, rounded once.
    pub fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }

    pub fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    /// Lane by lane `self < limit ? then : otherwise`.
    pub fn if_below(self, limit: Self, then: Self, otherwise: Self) -> Self {
        Self(from_fn(|i| if self.0[i] < limit.0[i] { then.0[i] } else { otherwise.0[i] }))
    }

    /// Lane by lane `self == value ? then : otherwise`.
    pub fn if_equal(self, value: Self, then: Self, otherwise: Self) -> Self {
        Self(from_fn(|i| if self.0[i] == value.0[i] { then.0[i] } else { otherwise.0[i] }))
    }

    /// Lanes below their `low` or above their `high`.
    pub fn beyond(self, low: Self, high: Self) -> Mask {
        Mask(from_fn(|i| self.0[i] < low.0[i] || self.0[i] > high.0[i]))
    }

    /// Rounded to BF16, half to even. Not for NaN.
    pub fn to_bf16(self) -> Self {
        Self(self.0.map(|value| {
            let bits = value.to_bits();
            f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
        }))
    }

    pub fn widen(self) -> [Doubles; 2] {
        let [a, b, c, d] = self.0.map(f64::from);
        [Doubles([a, b]), Doubles([c, d])]
    }

    /// Eight BF16 elements: the upper half of a float32's bits.
    pub fn from_bf16(bytes: &[u8; 16]) -> [Self; 2] {
        let element =
            |i: usize| f32::from_bits(u32::from_le_bytes([0, 0, bytes[2 * i], bytes[2 * i + 1]]));
        [Self(from_fn(element)), Self(from_fn(|i| element(i + 4)))]
    }

    /// 2 to the power of whole numbers of -126..=127.
    pub fn two_to(self) -> Self {
        Self(self.0.map(|power| f32::from_bits(((power as i32 + 127) as u32) << 23)))
    }

    /// The integer parts of values of 0..=65535.
    pub fn to_words(self) -> Words {
        Words(self.0.map(|value| value as u32))
    }
}

impl Mask {
    pub fn none() -> Self {
        Self([false; 4])
    }

    pub fn or(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] || other.0[i]))
    }

    pub fn any(self) -> bool {
        self.0.contains(&true)
    }
}

impl Words {
    /// Puts sixteen bytes in order. The low half of lane i of `self` has bytes i and 4 + i, that of
    /// `high` bytes 8 + i and 12 + i.
    pub fn interleave(self, high: Self, _: ByteOrder) -> Bytes {
        Bytes(from_fn(|k| ([self, high][k / 8].0[k % 4] >> (k / 4 % 2 * 8)) as u8))
    }
}

impl ByteOrder {
    /// For [`Words::interleave`].
    pub fn held() -> Self {
        Self
    }
}

impl Bytes {
    pub fn load(bytes: &[u8; 16]) -> Self {
        Self(*bytes)
    }

    pub fn store(self, bytes: &mut [u8; 16]) {
        *bytes = self.0;
    }

    /// Bytes 0, 2, 4 … of `self`, then of `other`.
    pub fn even_bytes(self, other: Self) -> Self {
        Self(from_fn(|k| [self, other][k / 8].0[k % 8 * 2]))
    }

    /// Eight 16-bit lanes: byte 2i + 2^bits · byte 2i+1. Bytes and 2^bits are below 128.
    pub fn join_pairs(self, bits: u32) -> Self {
        let pair = |i: usize| u16::from(self.0[2 * i]) + (u16::from(self.0[2 * i + 1]) << bits);
        Self(from_fn(|k| pair(k / 2).to_le_bytes()[k % 2]))
    }

    /// Each 64-bit lane has four 16-bit lanes of `bits` bits, at most 15. Returns them without gaps
    /// between the bits.
    pub fn join_fours(self, bits: u32) -> [u64; 2] {
        let lane = |i: usize| u64::from(u16::from_le_bytes([self.0[2 * i], self.0[2 * i + 1]]));
        from_fn(|half| (0..4).map(|i| lane(4 * half + i) << (i as u32 * bits)).sum())
    }
}

impl Doubles {
    pub fn splat(value: f64) -> Self {
        Self([value; 2])
    }

    pub fn load(values: &[f64; 2]) -> Self {
        Self(*values)
    }

    pub fn store(self, values: &mut [f64; 2]) {
        *values = self.0;
    }

    pub fn first(self) -> f64 {
        self.0[0]
    }

    /// `self * factor + addend`, rounded once, as [`Floats::mul_add`].
    pub fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(from_fn(|i| self.0[i].mul_add(factor.0[i], addend.0[i])))
    }

    pub fn times(self, values: Self) -> Self {
        Self(from_fn(|i| self.0[i] * values.0[i]))
    }

    pub fn minus(self, values: Self) -> Self {
        Self(from_fn(|i| self.0[i] - values.0[i]))
    }

    /// `self < other ? other : self`
    pub fn greater(self, other: Self) -> Self {
        Self(from_fn(|i| if self.0[i] < other.0[i] { other.0[i] } else { self.0[i] }))
    }

    /// 2 to the power of the integers in the low bits, of -1022..=1023.
    pub fn two_to_low_bits(self) -> Self {
        let bits = |x: f64| (x.to_bits() << 52).wrapping_add(1023 << 52);
        Self(from_fn(|i| f64::from_bits(bits(self.0[i]))))
    }

    pub fn plus(self, values: Self) -> Self {
        Self(from_fn(|i| self.0[i] + values.0[i]))
    }

    pub fn sum(self) -> f64 {
        self.0[0] + self.0[1]
    }
}

macro_rules! lane_operators {
    ($($trait:ident $method:ident $operator:tt)*) => {$(
        impl $trait for Floats {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i] $operator other.0[i]))
            }
        }
    )*};
}
lane_operators!(Add add + Sub sub - Mul mul * Div div /);
