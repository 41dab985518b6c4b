//! Fits scales and biases to the chosen codes. For each group in turn, with everything else fixed,
//! it finds the pair with the least loss, correlations with other groups included. Then it checks
//! the group's codes again. (The second stage of arXiv 2602.02126 does this for scales alone.)
//!
//! The loss is quadratic in scale and bias. Let u = H_gg·1, q the codes minus their mean, g the
//! group's gradients, a the change of the scale, b the change of the mean of ŵ. Then
//! [qᵀH q, qᵀu; qᵀu, 1ᵀu] (a, b) = (qᵀg, 1ᵀg). The new pair is rounded to the file's dtype and used
//! only where it lowers the loss.

use crate::gemm::{gemm, Product, Target, View};
use crate::refit_group::{GroupRows, Own, Place};
use crate::tuning::{Task, CHUNK};
use crate::workspace::Workspace;

/// Position of each natural column.
pub fn positions(order: &[u32]) -> Vec<usize> {
    let mut position = vec![0; order.len()];
    order.iter().enumerate().for_each(|(p, &natural)| position[natural as usize] = p);
    position
}

/// Brings M, when it includes all positions, to natural order. Then it is H'.
pub fn gram_to_natural_order(position: &[usize], gram: &mut [f32]) {
    to_natural_order(position, gram);
    rows_to_natural_order(position, gram);
}

/// Refits all groups. The sweep has reached position 0, and `work.gram` is in natural order.
pub fn refit(task: &Task, position: &[usize], work: &mut Workspace) {
    let (columns, stride, group) = (task.columns, task.stride(), task.group);
    to_natural_order(position, work.gradients);
    let mut rows = Box::new(GroupRows::zero());
    for first in (0..columns).step_by(group) {
        let positions = &position[first..first + group];
        let own = Own::of(task, work.gram, first);
        for row in (0..task.padded()).step_by(CHUNK) {
            let place = Place { row, first, positions };
            rows.load(task, place, work);
            rows.fit(task, &own, place, work);
            rows.descend(task, &own, place, work);
            rows.store(task, place, work);
        }
        let next = first + group;
        if next < columns {
            // SAFETY: the views cover the changes `[group, rows]`, the group's rows of H, and the
            // gradients of the columns that follow.
            unsafe {
                let changes = View::of_rows(work.products.as_ptr(), stride).transposed();
                let curvature =
                    View::of_rows(work.gram[first * columns + next..].as_ptr(), columns);
                let to = Target { data: work.gradients[next..].as_mut_ptr(), stride: columns };
                let shape = [task.rows, columns - next, group];
                gemm(&Product::of(shape, changes, curvature, to), work.scratch);
            }
        }
    }
}

/// Moves column `position[k]` to k in every row.
fn to_natural_order(position: &[usize], rows: &mut [f32]) {
    let mut moved = vec![0.0; position.len()];
    for row in rows.chunks_exact_mut(position.len()) {
        moved.iter_mut().zip(position).for_each(|(value, &p)| *value = row[p]);
        row.copy_from_slice(&moved);
    }
}

/// Moves row `position[k]` to k, along the cycles of the permutation.
fn rows_to_natural_order(position: &[usize], rows: &mut [f32]) {
    let columns = position.len();
    let mut moved = vec![false; columns];
    for first in 0..columns {
        if moved[first] {
            continue;
        }
        let saved = rows[first * columns..][..columns].to_vec();
        let mut to = first;
        while position[to] != first {
            rows.copy_within(position[to] * columns..(position[to] + 1) * columns, to * columns);
            moved[to] = true;
            to = position[to];
        }
        rows[to * columns..][..columns].copy_from_slice(&saved);
        moved[to] = true;
    }
}
