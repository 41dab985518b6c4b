//! The end of tuning: every row as it is stored, tuned or plainly rounded, whichever lost less.

use crate::affine::levels;
use crate::half::narrow;
use crate::pack::pack;
use crate::search::Pair;
use crate::tuner::{Format, Tuner};

/// Sums over rows, in their order.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Outcome {
    /// Calibration loss of what is stored, and of plain rounding.
    pub loss: f64,
    pub plain_loss: f64,
    /// Rows that plain rounding was no worse for.
    pub plain_rows: f64,
    /// Σ (w - ŵ)² and Σ w².
    pub squared_error: f64,
    pub energy: f64,
    /// NaN and infinite weights; where there are any, nothing else means anything.
    pub non_finite: f64,
}

impl Tuner {
    /// Writes words `[rows, columns * bits / 8]`, scales and biases `[rows, columns / group]` in the stored dtype.
    pub fn finish(&self, words: &mut [u8], scales: &mut [u8], biases: &mut [u8]) -> Outcome {
        let Format { columns, bits, group, store } = self.format;
        let (groups, pair_bytes) = (columns / group, columns / group * store.bytes());
        let mut outcome = Outcome::default();
        let mut codes = vec![0; columns];
        for row in 0..self.rows {
            let is_plain = self.plain_losses[row] <= self.losses[row];
            let own = row * columns..(row + 1) * columns;
            let pairs = &(if is_plain { &self.plain } else { &self.pairs })[row * groups..(row + 1) * groups];
            let errors = &(if is_plain { &self.plain_errors } else { &self.errors })[own.clone()];
            for (position, &column) in self.order.iter().enumerate() {
                let at = own.start + position;
                let plain = || pairs[column as usize / group].code(self.weights[at], levels(bits)) as u8;
                codes[column as usize] = if is_plain { plain() } else { self.codes[at] };
            }
            pack(bits, &codes, &mut words[row * columns / 8 * bits..][..columns / 8 * bits]);
            let of = |value: fn(&Pair) -> f32| pairs.iter().map(value).collect::<Vec<f32>>();
            narrow(store, &of(|pair| pair.scale), &mut scales[row * pair_bytes..][..pair_bytes]);
            narrow(store, &of(|pair| pair.bias), &mut biases[row * pair_bytes..][..pair_bytes]);
            outcome.loss += if is_plain { self.plain_losses[row] } else { self.losses[row] };
            outcome.plain_loss += self.plain_losses[row];
            outcome.plain_rows += f64::from(u8::from(is_plain));
            outcome.squared_error += squares(errors);
            outcome.energy += squares(&self.weights[own]);
        }
        outcome.non_finite = self.weights.iter().filter(|w| !w.is_finite()).count() as f64;
        outcome
    }
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}
