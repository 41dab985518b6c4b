//! Routers of mixtures of experts; operands as in [`super::forward`].

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats, floats_mut};
use crate::route::{route as route_tokens, weigh as weigh_experts, Rules, Score};

/// The rules of a router, and `tokens` rows of its operands: `scores` `[tokens, routed]`; `experts`
/// (uint32) and `selection` `[tokens, candidates]`; `weights` `[tokens, visited]`.
#[repr(C)]
pub struct RouteCall {
    /// 1 for a softmax, 0 for a sigmoid.
    softmax: usize,
    routed: usize,
    visited: usize,
    candidates: usize,
    groups: usize,
    open_groups: usize,
    /// 1: a token's weights are divided by their sum.
    normalized: usize,
    scale: f32,
    correction: usize,
    tokens: usize,
    scores: usize,
    experts: usize,
    selection: usize,
    weights: usize,
}

impl RouteCall {
    unsafe fn rules<'a>(&self) -> Rules<'a> {
        Rules {
            score: if self.softmax == 1 { Score::Softmax } else { Score::Sigmoid },
            routed: self.routed,
            visited: self.visited,
            candidates: self.candidates,
            groups: self.groups,
            open_groups: self.open_groups,
            correction: floats(self.correction, self.routed),
            normalized: self.normalized == 1,
            scale: self.scale,
        }
    }
}

/// Chooses experts for the logits in `scores` of a [`RouteCall`], which become scores.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn route(call: usize) {
    let call = &*(call as *const RouteCall);
    let &RouteCall { tokens, routed, visited, candidates, .. } = call;
    route_tokens(
        &call.rules(),
        floats_mut(call.scores, tokens * routed),
        from_raw_parts_mut(call.experts as *mut u32, tokens * candidates),
        floats_mut(call.selection, tokens * candidates),
        floats_mut(call.weights, tokens * visited),
    );
}

/// Computes the weights of the given experts of a [`RouteCall`].
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn weigh(call: usize) {
    let call = &*(call as *const RouteCall);
    let &RouteCall { tokens, routed, visited, candidates, .. } = call;
    weigh_experts(
        &call.rules(),
        floats(call.scores, tokens * routed),
        from_raw_parts(call.experts as *const u32, tokens * candidates),
        floats_mut(call.weights, tokens * visited),
    );
}
