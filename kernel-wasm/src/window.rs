//! The window of positions that descent (descent.rs) checks, and the second derivatives M of the
//! loss by their errors. M = Σ_{p >= start} R_pᵀR_p grows with every block.
//!
//! A window has `reach` slots; position p is in slot (p - columns) mod reach. Up to some thousand
//! columns the window is the whole matrix. In wider matrices it moves along.

use std::ops::Range;

use crate::gemm::{gemm, Product, Scratch, Target};
use crate::mirror::mirror;
use crate::sweep::Block;

/// The window when positions from `start` on are done.
pub struct Window {
    pub start: usize,
    pub reach: usize,
    /// Slot of `start`.
    first: usize,
    pub count: usize,
}

impl Window {
    pub fn of(reach: usize, columns: usize, start: usize) -> Self {
        let done = columns - start;
        Self { start, reach, first: (reach - done % reach) % reach, count: done.min(reach) }
    }

    /// Slots of the first `count` positions, as ranges in the order of the positions.
    pub fn slots(&self, count: usize) -> [Range<usize>; 2] {
        let end = self.first + count;
        [self.first..end.min(self.reach), 0..end.saturating_sub(self.reach)]
    }

    /// Slots of all positions, as ranges that are not empty.
    pub fn filled(&self) -> impl Iterator<Item = Range<usize>> {
        self.slots(self.count).into_iter().filter(|slots| !slots.is_empty())
    }

    /// Slots of the positions of the newest block. A block never crosses the window's end: the
    /// window ends where the matrix ends, and its size is a multiple of the block size.
    pub fn fresh(&self, block: &Block) -> Range<usize> {
        let [fresh, _] = self.slots(block.end - block.start);
        fresh
    }

    pub fn position(&self, slot: usize) -> usize {
        self.start
            + if slot >= self.first { slot - self.first } else { slot + self.reach - self.first }
    }
}

/// M `[reach, reach]`, and `[reach]` 1 / its diagonal.
pub struct Curvature<'a> {
    pub gram: &'a mut [f32],
    pub inverse: &'a mut [f32],
    pub scratch: &'a mut Scratch,
}

impl Curvature<'_> {
    /// Adds a block of positions.
    pub fn include(&mut self, window: &Window, block: &Block) {
        let (reach, fresh) = (window.reach, window.fresh(block));
        for (slot, row) in self.gram.chunks_exact_mut(reach).enumerate() {
            let cleared = if fresh.contains(&slot) { 0..reach } else { fresh.clone() };
            row[cleared].fill(0.0);
        }
        let gram = self.gram.as_mut_ptr();
        for slots in window.filled() {
            let right = block.at(block.start, window.position(slots.start));
            // M is symmetric. A window that has moved along ends among the first slots, so its
            // later positions are in rows above those of its earlier ones.
            for others in window.filled().filter(|others| others.start <= slots.start) {
                let left = block.at(block.start, window.position(others.start)).transposed();
                let shape = [others.len(), slots.len(), block.end - block.start];
                // SAFETY: the views end with their slices, the slots lie within a row of M.
                unsafe {
                    let data = gram.add(others.start * reach + slots.start);
                    let product = Product::of(shape, left, right, Target { data, stride: reach });
                    let diagonal = (others == slots).then_some(0);
                    gemm(&Product { diagonal, ..product }, self.scratch);
                }
            }
        }
        // Filled slots are the last ones, or all.
        let empty = reach - window.count;
        // SAFETY: M is square.
        unsafe {
            let data = gram.add(empty * (reach + 1));
            mirror(window.count, Target { data, stride: reach });
        }
        for slot in empty..reach {
            self.inverse[slot] = 1.0 / self.gram[slot * reach + slot];
        }
    }
}
