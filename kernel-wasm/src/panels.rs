//! Packing for products (gemm.rs): copies lines of a matrix into panels that are read
//! sequentially.

use crate::gemm::View;
use crate::lanes::Floats;

#[inline(always)]
pub unsafe fn load(at: *const f32) -> Floats {
    Floats::load(&*at.cast())
}

#[inline(always)]
pub unsafe fn store(at: *mut f32, values: Floats) {
    values.store(&mut *at.cast());
}

/// Copies `lines` lines (rows of `from`) of `depth` values into panels of R lines, each `[depth,
/// R]`; the last one is filled up with zeros. R is at least 4. When it is no multiple of 4, up to 2
/// values past the end are written.
#[inline(always)]
pub unsafe fn pack<const R: usize>(from: View, lines: usize, depth: usize, to: *mut f32) {
    let View { data: mut at, row: line, column: step } = from;
    let mut to = to;
    for i in (0..lines).step_by(R) {
        let present = R.min(lines - i);
        if present == R && line == 1 {
            pack_across::<R>(at, step, depth, to);
        } else if present == R && step == 1 {
            let whole = depth / 4 * 4;
            pack_along::<R>(at, line, whole, to);
            let rest = View { data: at.add(whole), ..from };
            pack_singly::<R>(rest, R, depth - whole, to.add(whole * R));
        } else {
            pack_singly::<R>(View { data: at, ..from }, present, depth, to);
        }
        at = at.add(R * line);
        to = to.add(R * depth);
    }
}

/// Lines side by side in memory.
#[inline(never)]
unsafe fn pack_across<const R: usize>(from: *const f32, step: usize, depth: usize, to: *mut f32) {
    let (mut from, mut to) = (from, to);
    for _ in 0..depth {
        for j in (0..R / 4 * 4).step_by(4) {
            store(to.add(j), load(from.add(j)));
        }
        if !R.is_multiple_of(4) {
            store(to.add(R - 4), load(from.add(R - 4)));
        }
        from = from.add(step);
        to = to.add(R);
    }
}

/// Each line contiguous in memory, `depth` a multiple of 4: squares of 4 × 4 are transposed in
/// registers.
#[inline(never)]
unsafe fn pack_along<const R: usize>(from: *const f32, line: usize, depth: usize, to: *mut f32) {
    for k in (0..depth).step_by(4) {
        let (from, to) = (from.add(k), to.add(k * R));
        let square = |i: usize| {
            // Lines past R have no meaning; the next step's values overwrite them.
            let at = |i: usize| from.add(i.min(R - 1) * line);
            Floats::transpose([load(at(i)), load(at(i + 1)), load(at(i + 2)), load(at(i + 3))])
        };
        if R.is_multiple_of(4) {
            for i in (0..R).step_by(4) {
                let square = square(i);
                (0..4).for_each(|k| store(to.add(k * R + i), square[k]));
            }
        } else {
            let (first, rest) = (square(0), square(4));
            for k in 0..4 {
                store(to.add(k * R), first[k]);
                store(to.add(k * R + 4), rest[k]);
            }
        }
    }
}

#[inline(never)]
unsafe fn pack_singly<const R: usize>(from: View, present: usize, depth: usize, to: *mut f32) {
    for k in 0..depth {
        for j in 0..R {
            *to.add(k * R + j) =
                if j < present { *from.data.add(j * from.row + k * from.column) } else { 0.0 };
        }
    }
}
