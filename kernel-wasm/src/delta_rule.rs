//! The gated delta rule of the heads that share one query and key head:
//!
//! S <- e^g · S;  S <- S + β·k·(v - Sᵀk)ᵀ;  y = Sᵀq
//!
//! It goes through a sequence in chunks (Yang et al., "Parallelizing linear transformers with the
//! delta rule", arXiv 2406.06484; with decays arXiv 2412.06464). With G the sum of a chunk's decays
//! up to a token, the written values u solve a unit triangular system:
//!
//! u_i = β_i·(v_i - e^(G_i)·Sᵀk_i - Σ_(j<i) e^(G_i - G_j)·(k_i·k_j)·u_j)
//! y_i = e^(G_i)·Sᵀq_i + Σ_(j<=i) e^(G_i - G_j)·(q_i·k_j)·u_j

use crate::elementary::{exp, map, sigmoid};
use crate::gemm::{gemm, Product, Scratch, Target, View};
use crate::lanes::Floats;

/// Tokens of a chunk.
pub const CHUNK: usize = 64;
/// Rows of the triangular system that are solved at once; a product takes those before them away.
const BLOCK: usize = 16;

/// What a token does to the state of a head.
pub struct Step {
    /// g, at most 0.
    pub decay: f64,
    /// The logit of β.
    pub write: f32,
}

/// Memory for the heads of one query and key head.
pub struct Rule {
    key: usize,
    value: usize,
    /// `[heads][key, value]`
    states: Vec<f32>,
    /// Tokens of the present chunk.
    rows: usize,
    /// Its `[CHUNK, key]` queries and keys.
    q: Vec<f32>,
    k: Vec<f32>,
    /// `[CHUNK, CHUNK]`: k_i·k_j and q_i·k_j.
    kk: Vec<f32>,
    qk: Vec<f32>,
    /// Of one head: factors of earlier written values, `[CHUNK, CHUNK]`.
    factors: Vec<f32>,
    /// Keys that are decayed to the end of the chunk, `[CHUNK, key]`.
    decayed: Vec<f32>,
    /// `[CHUNK, value]` each: written values, and outputs.
    written: Vec<f32>,
    out: Vec<f32>,
}

impl Rule {
    pub fn new(key: usize, value: usize, heads: usize) -> Self {
        let of = |columns: usize| vec![0.0; CHUNK * columns];
        Self {
            key,
            value,
            states: vec![0.0; heads * key * value],
            rows: 0,
            q: of(key),
            k: of(key),
            kk: of(CHUNK),
            qk: of(CHUNK),
            factors: of(CHUNK),
            decayed: of(key),
            written: of(value),
            out: of(value),
        }
    }

    /// Begins a sequence.
    pub fn reset(&mut self) {
        self.states.fill(0.0);
    }

    /// Begins a chunk of at most [`CHUNK`] tokens with their queries and keys.
    pub fn enter(&mut self, q: &[f32], k: &[f32], rows: usize, scratch: &mut Scratch) {
        let Self { key, .. } = *self;
        self.rows = rows;
        self.q[..rows * key].copy_from_slice(&q[..rows * key]);
        self.k[..rows * key].copy_from_slice(&k[..rows * key]);
        self.kk.fill(0.0);
        self.qk.fill(0.0);
        let keys = View::of_rows(self.k.as_ptr(), key).transposed();
        for (from, to) in [(&self.k, &mut self.kk), (&self.q, &mut self.qk)] {
            let to = Target { data: to.as_mut_ptr(), stride: CHUNK };
            // SAFETY: `rows` rows of `key` values, and of CHUNK values.
            unsafe {
                let from = View::of_rows(from.as_ptr(), key);
                gemm(&Product::of([rows, rows, key], from, keys, to), scratch);
            }
        }
    }

    /// Takes a head through the chunk. `values`: rows of `columns` values that begin with v.
    pub fn run(
        &mut self,
        head: usize,
        values: &[f32],
        columns: usize,
        step: impl Fn(usize) -> Step,
        scratch: &mut Scratch,
    ) {
        let Self { key, value, rows, .. } = *self;
        let mut total = 0.0;
        let (mut sums, mut writes) = ([0.0; CHUNK], [0.0; CHUNK]);
        for t in 0..rows {
            let Step { decay, write } = step(t);
            total += decay;
            (sums[t], writes[t]) = (total, sigmoid(Floats::splat(write)).first());
        }
        let since = |t: usize| power(sums[t]);
        let state = head * key * value..(head + 1) * key * value;
        // u without its own chunk: β·(v - e^G·Sᵀk)
        self.read(&state, Read::Keys, scratch);
        for (t, u) in self.written.chunks_exact_mut(value).take(rows).enumerate() {
            let (decay, write) = (since(t), writes[t]);
            for (u, v) in u.iter_mut().zip(&values[t * columns..]) {
                *u = write * (v - decay * *u);
            }
        }
        weigh(&mut self.factors, &self.kk, &sums[..rows], Some(&writes));
        self.solve(scratch);
        self.read(&state, Read::Queries, scratch);
        for (t, y) in self.out.chunks_exact_mut(value).take(rows).enumerate() {
            let decay = Floats::splat(since(t));
            map(y, |y| y * decay);
        }
        weigh(&mut self.factors, &self.qk, &sums[..rows], None);
        let written = View::of_rows(self.written.as_ptr(), value);
        // SAFETY: `rows` rows of CHUNK and of `value` values.
        unsafe {
            let factors = View::of_rows(self.factors.as_ptr(), CHUNK);
            let to = Target { data: self.out.as_mut_ptr(), stride: value };
            gemm(&Product::of([rows, value, rows], factors, written, to), scratch);
        }
        let keys = self.decayed.chunks_exact_mut(key).zip(self.k.chunks_exact(key)).take(rows);
        for (t, (decayed, k)) in keys.enumerate() {
            decayed.copy_from_slice(k);
            let left = Floats::splat(power(sums[rows - 1] - sums[t]));
            map(decayed, |k| k * left);
        }
        let left = Floats::splat(since(rows - 1));
        map(&mut self.states[state.clone()], |s| s * left);
        // SAFETY: the state is `[key, value]`, the keys `[rows, key]`.
        unsafe {
            let keys = View::of_rows(self.decayed.as_ptr(), key).transposed();
            let to = Target { data: self.states[state].as_mut_ptr(), stride: value };
            gemm(&Product::of([key, value, rows], keys, written, to), scratch);
        }
    }

    /// `[value]` outputs of each token of the chunk, after [`Rule::run`].
    pub fn outputs(&self) -> impl Iterator<Item = &[f32]> {
        self.out.chunks_exact(self.value).take(self.rows)
    }

    /// Reads a state: Sᵀk into `written`, or Sᵀq into `out`.
    fn read(&mut self, state: &std::ops::Range<usize>, what: Read, scratch: &mut Scratch) {
        let Self { key, value, rows, .. } = *self;
        let (from, to) = match what {
            Read::Keys => (&self.k, &mut self.written),
            Read::Queries => (&self.q, &mut self.out),
        };
        to.fill(0.0);
        // SAFETY: `rows` rows of `key` values, a state `[key, value]`, `rows` rows of `value`.
        unsafe {
            let from = View::of_rows(from.as_ptr(), key);
            let state = View::of_rows(self.states[state.clone()].as_ptr(), value);
            let to = Target { data: to.as_mut_ptr(), stride: value };
            gemm(&Product::of([rows, value, key], from, state, to), scratch);
        }
    }

    /// u <- (1 + factors)⁻¹·u by forward substitution.
    fn solve(&mut self, scratch: &mut Scratch) {
        let Self { value, rows, .. } = *self;
        for top in (0..rows).step_by(BLOCK) {
            let height = BLOCK.min(rows - top);
            let (before, own) = self.written.split_at_mut(top * value);
            // SAFETY: `height` rows of factors of `top` values, which are before the target.
            unsafe {
                let factors = View::of_rows(self.factors.as_ptr().add(top * CHUNK), CHUNK);
                let before = View::of_rows(before.as_ptr(), value);
                let to = Target { data: own.as_mut_ptr(), stride: value };
                let product = Product::of([height, value, top], factors, before, to);
                gemm(&Product { alpha: -1.0, ..product }, scratch);
            }
            for i in 1..height {
                let (solved, rest) = own.split_at_mut(i * value);
                let factors = &self.factors[(top + i) * CHUNK + top..][..i];
                for (u, factor) in solved.chunks_exact(value).zip(factors) {
                    for (to, u) in rest[..value].iter_mut().zip(u) {
                        *to -= factor * u;
                    }
                }
            }
        }
    }
}

/// Factors of the values that earlier tokens wrote: the products, decayed. With `writes` times β,
/// and 0 for the token itself.
fn weigh(factors: &mut [f32], products: &[f32], sums: &[f64], writes: Option<&[f32; CHUNK]>) {
    let lines = factors.chunks_exact_mut(CHUNK).zip(products.chunks_exact(CHUNK));
    for (i, ((factors, products), sum)) in lines.zip(sums).enumerate() {
        let seen = if writes.is_some() { i } else { i + 1 };
        for (factor, earlier) in factors[..seen].iter_mut().zip(sums) {
            *factor = (sum - earlier) as f32;
        }
        map(&mut factors[..seen], exp);
        let write = writes.map_or(1.0, |writes| writes[i]);
        for (factor, product) in factors[..seen].iter_mut().zip(products) {
            *factor *= write * product;
        }
        factors[seen..].fill(0.0);
    }
}

/// What a state is read with.
enum Read {
    Keys,
    Queries,
}

fn power(x: f64) -> f32 {
    exp(Floats::splat(x as f32)).first()
}
