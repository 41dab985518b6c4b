//! Tuning of some rows of a matrix at one width: what is kept between the blocks of columns that the factor of the Hessian comes in.
//!
//! H' = RᵀR is the Hessian in the order of tuning, R upper triangular; positions are visited from the last to the first. With E the
//! error of the weights as stored, the calibration loss of a row is Σ_p t_p², t_p = Σ_{q >= p} R[p][q] E_q. The best target of
//! position p, whatever was done to the positions after it, is therefore w_p + (Σ_{q > p} R[p][q] E_q) / R[p][p]: what GPTQ
//! (arXiv 2210.17323, algorithm 1) reaches through the inverse of H', needs no inverse when errors are carried by E itself.

use crate::affine::levels;
use crate::descent::Descent;
use crate::gemm::{gemm, Scratch, View};
use crate::half::{widen, Dtype};
use crate::search::{fit, search, Pair};

/// Most positions of a block.
pub const BLOCK: usize = 64;

/// How the rows are stored.
#[derive(Clone, Copy)]
pub struct Format {
    pub columns: usize,
    pub bits: usize,
    pub group: usize,
    pub store: Dtype,
}

/// Everything is float32 `[rows, columns]` in the order of positions, save `pairs` and `plain`, `[rows, columns / group]`.
pub struct Tuner {
    pub format: Format,
    pub rows: usize,
    /// Column of each position.
    pub order: Vec<u32>,
    pub weights: Vec<f32>,
    /// Error of the weights as stored: w - ŵ.
    pub errors: Vec<f32>,
    /// The same under plain rounding.
    pub plain_errors: Vec<f32>,
    pub codes: Vec<u8>,
    pub scales: Vec<f32>,
    pub biases: Vec<f32>,
    pub pairs: Vec<Pair>,
    pub plain: Vec<Pair>,
    /// Calibration loss by row.
    pub losses: Vec<f64>,
    pub plain_losses: Vec<f64>,
    /// Components t `[rows, BLOCK]` of the block at hand.
    components: Vec<f32>,
    descent: Option<Descent>,
    scratch: Scratch,
}

impl Tuner {
    /// `bytes` = weights `[rows, columns]` in `from`, `moments` the diagonal of the Hessian by column. With `descent`, codes are revised
    /// as the blocks go by, which takes memory for two square matrices.
    pub fn open(
        bytes: &[u8],
        from: Dtype,
        format: Format,
        order: Vec<u32>,
        moments: &[f32],
        descent: bool,
    ) -> Self {
        let Format { columns, group, .. } = format;
        let rows = bytes.len() / from.bytes() / columns;
        let count = rows * columns;
        let zeros = || vec![0f32; count];
        let mut tuner = Self {
            format,
            rows,
            order,
            weights: zeros(),
            errors: zeros(),
            plain_errors: zeros(),
            codes: vec![0; count],
            scales: zeros(),
            biases: zeros(),
            pairs: Vec::with_capacity(count / group),
            plain: Vec::with_capacity(count / group),
            losses: vec![0.0; rows],
            plain_losses: vec![0.0; rows],
            components: vec![0.0; rows * BLOCK],
            descent: descent.then(|| Descent::new(rows, columns)),
            scratch: Scratch::default(),
        };
        let mut natural = vec![0f32; columns];
        for (row, bytes) in bytes.chunks_exact(columns * from.bytes()).enumerate() {
            widen(from, bytes, &mut natural);
            tuner.take_row(row, &natural, moments);
        }
        tuner
    }

    fn take_row(&mut self, row: usize, natural: &[f32], moments: &[f32]) {
        let Format { columns, bits, group, store } = self.format;
        for (values, moments) in natural.chunks_exact(group).zip(moments.chunks_exact(group)) {
            let plain = fit(values, bits, store);
            self.plain.push(plain);
            self.pairs.push(search(values, moments, bits, store, plain));
        }
        let most = levels(bits);
        let groups = row * columns / group;
        for (position, &column) in self.order.iter().enumerate() {
            let (at, w) = (row * columns + position, natural[column as usize]);
            let pair = self.pairs[groups + column as usize / group];
            let plain = self.plain[groups + column as usize / group];
            self.weights[at] = w;
            (self.scales[at], self.biases[at]) = (pair.scale, pair.bias);
            self.plain_errors[at] = w - plain.decode(plain.code(w, most));
            // Nearest codes: what remains where there is no factor.
            let code = pair.code(w, most);
            self.codes[at] = code as u8;
            self.errors[at] = w - pair.decode(code);
        }
    }

    /// Chooses the codes of positions `[start, end)`, the last that are left. `panel` = rows start..end of R from column `start` on; what
    /// it holds below R's diagonal is cleared.
    pub fn choose(&mut self, panel: &mut [f32], start: usize, end: usize) {
        let columns = self.format.columns;
        let (height, width) = (end - start, columns - start);
        clear_below(panel, height, width);
        if self.descent.is_none() {
            add_losses(
                &mut self.plain_losses,
                &self.plain_errors,
                columns,
                panel,
                start,
                height,
                &mut self.scratch,
            );
        }
        let components = &mut self.components[..self.rows * height];
        components.fill(0.0);
        let later =
            View { data: self.errors[end.min(self.errors.len() - 1)..].as_ptr(), row: columns, column: 1 };
        let factor = View { data: panel[height.min(panel.len() - 1)..].as_ptr(), row: 1, column: width };
        if end < columns {
            // SAFETY: errors hold rows x columns from position `end` on, panel height x width from its column `height` on.
            unsafe {
                let c = components.as_mut_ptr();
                gemm(self.rows, height, columns - end, 1.0, later, factor, c, height, &mut self.scratch);
            }
        }
        let triangle = transposed_triangle(panel, height, width);
        let most = levels(self.format.bits);
        for row in 0..self.rows {
            let own = row * columns + start..row * columns + end;
            let (weights, errors, codes) =
                (&self.weights[own.clone()], &mut self.errors[own.clone()], &mut self.codes[own.clone()]);
            let (scales, biases) = (&self.scales[own.clone()], &self.biases[own]);
            let components = &mut components[row * height..][..height];
            let mut sum = 0.0;
            for i in (0..height).rev() {
                let pivot = triangle[i * BLOCK + i];
                let pair = Pair { scale: scales[i], bias: biases[i] };
                let target = weights[i] + components[i] / pivot;
                let code = pair.code(target, most);
                let error = weights[i] - pair.decode(code);
                (codes[i], errors[i]) = (code as u8, error);
                for (component, factor) in components[..i].iter_mut().zip(&triangle[i * BLOCK..]) {
                    *component += error * factor;
                }
                components[i] += error * pivot;
                sum += f64::from(components[i]) * f64::from(components[i]);
            }
            self.losses[row] += sum;
        }
        if let Some(descent) = &mut self.descent {
            descent.grow(components, panel, start, height, &mut self.scratch);
            descent.sweep(start, &mut self.codes, &mut self.errors, &self.scales, &self.biases, most);
        }
    }

    /// Revises all codes `sweeps` times more, and forgets the losses: they are to be summed again, panel by panel.
    pub fn revise(&mut self, sweeps: usize) {
        let Some(mut descent) = self.descent.take() else { return };
        for _ in 0..sweeps {
            descent.sweep(
                0,
                &mut self.codes,
                &mut self.errors,
                &self.scales,
                &self.biases,
                levels(self.format.bits),
            );
        }
        self.losses.fill(0.0);
        self.plain_losses.fill(0.0);
    }

    /// Adds the losses of the components that a panel of R gives, of the codes as they are and of plain rounding.
    pub fn weigh(&mut self, panel: &mut [f32], start: usize, end: usize) {
        let columns = self.format.columns;
        let height = end - start;
        clear_below(panel, height, columns - start);
        for (losses, errors) in
            [(&mut self.losses, &self.errors), (&mut self.plain_losses, &self.plain_errors)]
        {
            add_losses(losses, errors, columns, panel, start, height, &mut self.scratch);
        }
    }

    /// Losses where there is no factor: errors weighed by the moments of their columns.
    pub fn weigh_by_moments(&mut self, moments: &[f32]) {
        let columns = self.format.columns;
        for (losses, errors) in
            [(&mut self.losses, &self.errors), (&mut self.plain_losses, &self.plain_errors)]
        {
            for (loss, errors) in losses.iter_mut().zip(errors.chunks_exact(columns)) {
                let weigh = |(error, &column): (&f32, &u32)| {
                    f64::from(moments[column as usize]) * f64::from(*error) * f64::from(*error)
                };
                *loss = errors.iter().zip(&self.order).map(weigh).sum();
            }
        }
    }
}

fn clear_below(panel: &mut [f32], height: usize, width: usize) {
    for row in 1..height {
        panel[row * width..row * width + row].fill(0.0);
    }
}

/// The square at the left of a panel, row i holding its column i: `[height, BLOCK]`.
fn transposed_triangle(panel: &[f32], height: usize, width: usize) -> Vec<f32> {
    let mut triangle = vec![0f32; height * BLOCK];
    for row in 0..height {
        for column in row..height {
            triangle[column * BLOCK + row] = panel[row * width + column];
        }
    }
    triangle
}

/// Adds the squares of the components of `errors [rows, columns]` that a panel gives to each row's loss.
fn add_losses(
    losses: &mut [f64],
    errors: &[f32],
    columns: usize,
    panel: &[f32],
    start: usize,
    height: usize,
    scratch: &mut Scratch,
) {
    let width = columns - start;
    let mut components = vec![0f32; losses.len() * height];
    let errors = View { data: errors[start..].as_ptr(), row: columns, column: 1 };
    let factor = View { data: panel.as_ptr(), row: 1, column: width };
    // SAFETY: errors hold rows x columns from position `start` on, panel height x width.
    unsafe {
        gemm(losses.len(), height, width, 1.0, errors, factor, components.as_mut_ptr(), height, scratch);
    }
    for (loss, components) in losses.iter_mut().zip(components.chunks_exact(height)) {
        *loss += components.iter().map(|&t| f64::from(t) * f64::from(t)).sum::<f64>();
    }
}
