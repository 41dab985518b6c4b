//! The Mamba-2 mixer between its two projections, one sequence at a time. It is a causal depthwise
//! convolution, the state-space recurrence step by step, a gate and a grouped norm (Dao and Gu,
//! "Transformers are SSMs", 2024). NemotronHMamba2Mixer of transformers and mlx-lm's
//! models/nemotron_h.py compute the same, the recurrence in chunks.

use crate::convolution::{convolve, Convolution};
use crate::elementary::{silu, softplus, zip};
use crate::lanes::Floats;
use crate::norm::{rms_norm, Norm};

/// Sizes and small tensors of one mixer: H heads of P channels, G groups of heads that share B and
/// C, N values of state a channel.
#[derive(Clone, Copy)]
pub struct Mixer<'a> {
    pub heads: usize,
    pub head: usize,
    pub groups: usize,
    pub state: usize,
    /// Taps of the convolution; the last one applies to the present token.
    pub taps: usize,
    /// `[C, taps]`, C = H·P + 2·G·N
    pub convolution: &'a [f32],
    /// `[C]`
    pub convolution_bias: &'a [f32],
    /// `[H]` each.
    pub step_bias: &'a [f32],
    pub decay_log: &'a [f32],
    pub skip: &'a [f32],
    /// Smallest and largest step.
    pub limits: [f32; 2],
    /// Over H·P channels in G groups.
    pub norm: Norm<'a>,
}

impl Mixer<'_> {
    /// Output channels, H·P.
    pub fn inner(&self) -> usize {
        self.heads * self.head
    }

    /// Channels of the convolution: x, B and C.
    fn convolved(&self) -> usize {
        self.inner() + 2 * self.groups * self.state
    }

    /// Input channels, in this order: gate, x, B, C, step.
    pub fn columns(&self) -> usize {
        self.inner() + self.convolved() + self.heads
    }
}

/// Computes `y [T, H·P]` from one sequence's rows `z [T, columns]` of the input projection.
pub fn mix(mixer: &Mixer, z: &[f32], y: &mut [f32]) {
    let convolution = Convolution {
        weights: mixer.convolution,
        taps: mixer.taps,
        bias: Some(mixer.convolution_bias),
    };
    let convolved = convolve(&convolution, z, mixer.columns(), mixer.inner());
    let mut scan = Scan::new(mixer, z.len() / mixer.columns());
    for head in 0..mixer.heads {
        scan.run(head, z, &convolved, y);
    }
    let inner = mixer.inner();
    for (z, y) in z.chunks_exact(mixer.columns()).zip(y.chunks_exact_mut(inner)) {
        zip(y, &z[..inner], |y, gate| y * silu(gate));
    }
    rms_norm(&mixer.norm, y);
}

/// The recurrence, one head after another, with memory for its state.
struct Scan<'a> {
    mixer: &'a Mixer<'a>,
    /// N rounded up to whole vectors; values past N stay zero.
    width: usize,
    /// P rounded up likewise.
    channels: usize,
    /// `[channels / 4][width / 4][4 channels][4 values]`
    state: Vec<f32>,
    /// `[T, width]` each: B and C of the head's group.
    b: Vec<f32>,
    c: Vec<f32>,
}

impl<'a> Scan<'a> {
    fn new(mixer: &'a Mixer<'a>, tokens: usize) -> Self {
        let (width, channels) = (mixer.state.next_multiple_of(4), mixer.head.next_multiple_of(4));
        let rows = vec![0.0; tokens * width];
        Self {
            mixer,
            width,
            channels,
            state: vec![0.0; channels * width],
            b: rows.clone(),
            c: rows,
        }
    }

    /// Writes the channels of `head` in every row of `y`:
    /// state <- e^(δA) · state + δ·x·Bᵀ, y = state · C + D·x.
    fn run(&mut self, head: usize, z: &[f32], convolved: &[f32], y: &mut [f32]) {
        let Mixer { heads, head: size, groups, limits: [least, most], .. } = *self.mixer;
        let (inner, channels) = (self.mixer.inner(), self.mixer.convolved());
        if head.is_multiple_of(heads / groups) {
            self.gather(head / (heads / groups), convolved);
        }
        self.state.fill(0.0);
        let mut x = vec![0.0; self.channels];
        let (rate, skip) = (-self.mixer.decay_log[head].exp(), self.mixer.skip[head]);
        let rows = z.chunks_exact(self.mixer.columns()).zip(convolved.chunks_exact(channels));
        for (t, ((z, convolved), y)) in rows.zip(y.chunks_exact_mut(inner)).enumerate() {
            x[..size].copy_from_slice(&convolved[head * size..][..size]);
            let step = softplus(z[inner + channels + head] + self.mixer.step_bias[head])
                .clamp(least, most);
            let decay = Floats::splat((step * rate).exp());
            let (b, c) =
                (&self.b[t * self.width..][..self.width], &self.c[t * self.width..][..self.width]);
            let states = self.state.chunks_exact_mut(4 * self.width);
            let y = y[head * size..][..size].chunks_mut(4);
            for ((state, x), y) in states.zip(x.as_chunks().0).zip(y) {
                let sums = advance(state, decay, x.map(|x| Floats::splat(step * x)), b, c);
                let mut four = [0.0; 4];
                Floats::splat(skip).mul_add(Floats::load(x), sums).store(&mut four);
                y.copy_from_slice(&four[..y.len()]);
            }
        }
    }

    /// Copies B and C of a group.
    fn gather(&mut self, group: usize, convolved: &[f32]) {
        let (state, inner) = (self.mixer.state, self.mixer.inner());
        let rows = self.b.chunks_exact_mut(self.width).zip(self.c.chunks_exact_mut(self.width));
        for ((b, c), convolved) in rows.zip(convolved.chunks_exact(self.mixer.convolved())) {
            let at = inner + group * state;
            b[..state].copy_from_slice(&convolved[at..][..state]);
            c[..state].copy_from_slice(&convolved[at + self.mixer.groups * state..][..state]);
        }
    }
}

/// One step of four channels. Returns the products of their new states with C.
#[inline(always)]
fn advance(state: &mut [f32], decay: Floats, x: [Floats; 4], b: &[f32], c: &[f32]) -> Floats {
    let mut sums = [Floats::splat(0.0); 4];
    let values = b.as_chunks().0.iter().zip(c.as_chunks().0);
    for (state, (b, c)) in state.as_chunks_mut::<16>().0.iter_mut().zip(values) {
        let (b, c) = (Floats::load(b), Floats::load(c));
        for (i, sum) in sums.iter_mut().enumerate() {
            let next = Floats::of(state, i).mul_add(decay, x[i] * b);
            next.put(state, i);
            *sum = next.mul_add(c, *sum);
        }
    }
    let [first, second, third, fourth] = Floats::transpose(sums);
    (first + second) + (third + fourth)
}

#[cfg(test)]
#[path = "mamba_tests.rs"]
mod tests;
