//! The arithmetic of oqe-publisher, for WebAssembly. The modules hold safe routines over slices,
//! tested on the host. `exports` is a thin layer that turns addresses into slices.

pub mod activate;
pub mod affine;
pub mod attention;
pub mod cholesky;
pub mod convolution;
pub mod decode;
pub mod delta;
mod delta_rule;
pub mod dequantize;
pub mod descent;
pub mod divergence;
mod doubles;
pub mod elementary;
pub mod encode;
mod exact;
pub mod fisher;
pub mod forecast;
pub mod gemm;
pub mod half;
mod lanes;
pub mod mamba;
mod mirror;
pub mod norm;
pub mod pack;
pub mod packed;
mod panels;
pub mod peak;
pub mod quantize;
mod ranges;
pub mod refit;
mod refit_group;
pub mod rotary;
pub mod route;
pub mod rows;
pub mod search;
mod squares;
pub mod sweep;
pub mod triangular;
pub mod tuned;
pub mod tuning;
pub mod window;
pub mod workspace;

#[cfg(target_arch = "wasm32")]
pub mod exports;
