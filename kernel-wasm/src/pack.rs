//! MLX's bit stream: code k of a row occupies bits [k·bits, (k+1)·bits) of the row's bytes, lowest bit first.
//! Eight codes always fill `bits` whole bytes, so that a run of a multiple of eight codes starts and ends on a byte.

/// Packs `codes` (one a byte, each below 2^bits, a multiple of 8 of them) into `out` (`codes.len() * bits / 8` bytes).
pub fn pack(bits: usize, codes: &[u8], out: &mut [u8]) {
    assert_eq!(out.len() * 8, codes.len() * bits);
    for (eight, bytes) in codes.chunks_exact(8).zip(out.chunks_exact_mut(bits)) {
        let mut word = u64::from_le_bytes([
            eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7],
        ]);
        // Close the gaps between neighbours: pairs of codes, then fours, then all eight.
        word = word & 0x00ff_00ff_00ff_00ff | (word >> 8 & 0x00ff_00ff_00ff_00ff) << bits;
        word = word & 0x0000_ffff_0000_ffff | (word >> 16 & 0x0000_ffff_0000_ffff) << (2 * bits);
        word = word & 0xffff_ffff | word >> 32 << (4 * bits);
        bytes.copy_from_slice(&word.to_le_bytes()[..bits]);
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
            for eights in [0, 1, 2, 3, 4, 7, 8, 9, 16, 127] {
                let codes: Vec<u8> = (0..eights * 8)
                    .map(|k| (((k * 2_654_435_761usize) >> 7) & ((1 << bits) - 1)) as u8)
                    .collect();
                let mut packed = vec![0; codes.len() * bits / 8];
                pack(bits, &codes, &mut packed);
                assert_eq!(packed, pack_ref(bits, &codes), "{bits} bits, {eights} times eight");
                let mut back = vec![0; codes.len()];
                unpack(bits, &packed, &mut back);
                assert_eq!(back, codes);
            }
        }
    }
}
