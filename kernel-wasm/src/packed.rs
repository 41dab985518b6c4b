//! Quantized rows as a file holds them.

/// Little-endian, row-major. `B` is `&[u8]` where they are read, `&mut [u8]` where they are
/// written.
#[derive(Clone, Copy, Debug)]
pub struct Packed<B> {
    /// Codes: `[rows, columns * bits / 8]` bytes.
    pub words: B,
    /// `[rows, columns / group]` in the dtype of the file.
    pub scales: B,
    /// As `scales`.
    pub biases: B,
}
