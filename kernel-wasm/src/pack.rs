//! MLX's bit stream: code k of a row occupies bits [k·bits, (k+1)·bits) of the row's bytes, lowest
//! bit first. Eight codes fill `bits` whole bytes, so a run of a multiple of eight codes starts and
//! ends on a byte.

use crate::lanes::Bytes;

/// Packs `codes` (one a byte, each below 2^bits, a multiple of 32 of them) into `out` (`codes.len()
/// * bits / 8` bytes).
#[inline(never)]
pub fn pack(bits: usize, codes: &[u8], out: &mut [u8]) {
    assert_eq!(out.len() * 8, codes.len() * bits);
    assert_eq!(codes.len() % 32, 0);
    match bits {
        8 => out.copy_from_slice(codes),
        4 => pack_nibbles(codes, out),
        _ => pack_eights(bits, codes, out),
    }
}

fn pack_nibbles(codes: &[u8], out: &mut [u8]) {
    for (codes, out) in codes.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<16>().0) {
        let (sixteens, _) = codes.as_chunks::<16>();
        let [low, high] = [0, 1].map(|half| Bytes::load(&sixteens[half]).join_pairs(4));
        low.even_bytes(high).store(out);
    }
}

/// Eight codes become a word of `8 * bits` bits. All eight bytes are written; the next word
/// overwrites those past its end.
fn pack_eights(bits: usize, codes: &[u8], out: &mut [u8]) {
    let width = bits as u32;
    let mut start = 0;
    for sixteen in codes.as_chunks::<16>().0 {
        for word in Bytes::load(sixteen).join_pairs(width).join_fours(2 * width) {
            let word = word.to_le_bytes();
            match out[start..].first_chunk_mut::<8>() {
                Some(place) => *place = word,
                None => out[start..start + bits].copy_from_slice(&word[..bits]),
            }
            start += bits;
        }
    }
}

/// Inverse of [`pack`].
pub fn unpack(bits: usize, bytes: &[u8], codes: &mut [u8]) {
    assert_eq!(bytes.len() * 8, codes.len() * bits);
    let mask = (1u64 << bits) - 1;
    for (eight, bytes) in codes.chunks_exact_mut(8).zip(bytes.chunks_exact(bits)) {
        let mut word = [0; 8];
        word[..bits].copy_from_slice(bytes);
        let word = u64::from_le_bytes(word);
        for (place, code) in eight.iter_mut().enumerate() {
            *code = (word >> (place * bits) & mask) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack_ref(bits: usize, codes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; codes.len() * bits / 8];
        for (k, code) in codes.iter().enumerate() {
            for bit in 0..bits {
                let position = k * bits + bit;
                out[position / 8] |= (code >> bit & 1) << (position % 8);
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_bit_by_bit_definition() {
        for bits in [2, 3, 4, 5, 6, 8] {
            for blocks in [0, 1, 2, 3, 4, 31, 32, 33] {
                let codes: Vec<u8> = (0..blocks * 32)
                    .map(|k| (((k * 2_654_435_761usize) >> 7) & ((1 << bits) - 1)) as u8)
                    .collect();
                let mut packed = vec![0; codes.len() * bits / 8];
                pack(bits, &codes, &mut packed);
                assert_eq!(packed, pack_ref(bits, &codes), "{bits} bits, {blocks} times 32");
                let mut back = vec![0; codes.len()];
                unpack(bits, &packed, &mut back);
                assert_eq!(back, codes);
            }
        }
    }
}
