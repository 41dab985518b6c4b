//! Coordinate descent on codes while they are being chosen. GPTQ settles a column for good when it comes to it, knowing only the columns
//! before; once more columns are settled, another code of an earlier one may fit better (CDQuant, arXiv 2406.17542, and QuantEase,
//! arXiv 2309.01885, sweep after the last column; sweeping after every block costs the same products and leaves less to repair).
//!
//! After the positions `start..` are settled, the loss that is decided is Σ_{p >= start} t_p² = e M eᵀ over these positions, with
//! M = Σ_{p >= start} R[p]ᵀR[p], what GPTQ calls the Hessian of the columns that are done, the others making up for them at best.

use std::ops::Range;

use crate::gemm::{gemm, Scratch, View};
use crate::lanes::Floats;

/// Rows and positions that are visited together: what they need of M and of the slopes stays in the second-level cache.
const ROWS: usize = 32;
const POSITIONS: usize = 32;

pub struct Descent {
    rows: usize,
    columns: usize,
    /// M `[columns, columns]`, whole, of the settled positions.
    curvature: Vec<f32>,
    /// Its diagonal `[columns]`, close together.
    diagonal: Vec<f32>,
    /// e·M `[rows, columns]`: half the slope of the loss in each error.
    slopes: Vec<f32>,
}

impl Descent {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            curvature: vec![0.0; columns * columns],
            diagonal: vec![0.0; columns],
            slopes: vec![0.0; rows * columns],
        }
    }

    /// Takes in the components `[rows, height]` of positions `start..start + height` and their panel of R.
    pub fn grow(
        &mut self,
        components: &[f32],
        panel: &[f32],
        start: usize,
        height: usize,
        scratch: &mut Scratch,
    ) {
        let columns = self.columns;
        let width = columns - start;
        let panel = View { data: panel.as_ptr(), row: width, column: 1 };
        let components = View { data: components.as_ptr(), row: height, column: 1 };
        let slopes = self.slopes[start..].as_mut_ptr();
        let curvature = self.curvature[start * columns + start..].as_mut_ptr();
        // SAFETY: the slopes hold rows x columns from position `start` on, the curvature width x columns from its corner on.
        unsafe {
            gemm(self.rows, width, height, 1.0, components, panel, slopes, columns, scratch);
            gemm(width, width, height, 1.0, panel.transposed(), panel, curvature, columns, scratch);
        }
        for position in start..columns {
            self.diagonal[position] = self.curvature[position * columns + position];
        }
    }

    /// Visits the positions from the last to `start` and gives each the code that is best while all others stay.
    pub fn sweep(
        &mut self,
        start: usize,
        codes: &mut [u8],
        errors: &mut [f32],
        scales: &[f32],
        biases: &[f32],
        most: f32,
    ) {
        let columns = self.columns;
        for first in (0..self.rows).step_by(ROWS) {
            for end in (start + 1..=columns).rev().step_by(POSITIONS) {
                let positions = end.saturating_sub(POSITIONS).max(start)..end;
                for row in first..self.rows.min(first + ROWS) {
                    let own = row * columns..(row + 1) * columns;
                    let place = Place {
                        start,
                        slopes: &mut self.slopes[own.clone()],
                        codes: &mut codes[own.clone()],
                        errors: &mut errors[own.clone()],
                        scales: &scales[own.clone()],
                        biases: &biases[own],
                    };
                    place.visit(positions.clone(), &self.curvature, &self.diagonal, most);
                }
            }
        }
    }
}

/// One row, all of its positions.
struct Place<'a> {
    start: usize,
    slopes: &'a mut [f32],
    codes: &'a mut [u8],
    errors: &'a mut [f32],
    scales: &'a [f32],
    biases: &'a [f32],
}

impl Place<'_> {
    #[inline(never)]
    fn visit(self, positions: Range<usize>, curvature: &[f32], diagonal: &[f32], most: f32) {
        let columns = self.slopes.len();
        for at in positions.rev() {
            let own = diagonal[at];
            let (slope, scale) = (self.slopes[at], self.scales[at]);
            // Nearer to another code than to this one?
            if slope.abs() <= 0.5 * own * scale.abs() {
                continue;
            }
            let old = f32::from(self.codes[at]);
            let new = (old + slope / (own * scale)).round_ties_even().clamp(0.0, most);
            if new == old {
                continue;
            }
            let step = (old * scale + self.biases[at]) - (new * scale + self.biases[at]);
            self.codes[at] = new as u8;
            self.errors[at] += step;
            let others = &curvature[at * columns + self.start..(at + 1) * columns];
            add_scaled(&mut self.slopes[self.start..], step, others);
        }
    }
}

/// y += factor · x
#[inline(always)]
fn add_scaled(y: &mut [f32], factor: f32, x: &[f32]) {
    let factors = Floats::splat(factor);
    let (fours, rest) = y.as_chunks_mut::<4>();
    let (others, last) = x.as_chunks::<4>();
    for (y, x) in fours.iter_mut().zip(others) {
        Floats::load(x).mul_add(factors, Floats::load(y)).store(y);
    }
    for (y, x) in rest.iter_mut().zip(last) {
        *y = x.mul_add(factor, *y);
    }
}
