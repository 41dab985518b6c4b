//! Routers of mixtures of experts; operands as in [`super::forward`].

use std::slice::{from_raw_parts, from_raw_parts_mut};

use wasm_bindgen::prelude::wasm_bindgen;

use super::{floats, floats_mut};
use crate::route::{route as route_tokens, weigh as weigh_experts, Rules, Score};

/// `numbers` = u32 `[softmax, routed, visited, candidates, groups, open groups, normalized]`.
unsafe fn rules<'a>(numbers: usize, correction: usize, scale: f32) -> Rules<'a> {
    let [softmax, routed, visited, candidates, groups, open_groups, normalized] =
        *(numbers as *const [u32; 7]);
    Rules {
        score: if softmax == 1 { Score::Softmax } else { Score::Sigmoid },
        routed: routed as usize,
        visited: visited as usize,
        candidates: candidates as usize,
        groups: groups as usize,
        open_groups: open_groups as usize,
        correction: floats(correction, routed as usize),
        normalized: normalized == 1,
        scale,
    }
}

/// Chooses experts for `tokens` rows of logits, which become scores.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub unsafe fn route(
    numbers: usize,
    correction: usize,
    scale: f32,
    tokens: usize,
    logits: usize,
    experts: usize,
    selection: usize,
    weights: usize,
) {
    let rules = rules(numbers, correction, scale);
    route_tokens(
        &rules,
        floats_mut(logits, tokens * rules.routed),
        from_raw_parts_mut(experts as *mut u32, tokens * rules.candidates),
        floats_mut(selection, tokens * rules.candidates),
        floats_mut(weights, tokens * rules.visited),
    );
}

/// Computes the weights of given experts, `[tokens, candidates]`.
///
/// # Safety
/// As the module says.
#[wasm_bindgen]
pub unsafe fn weigh(
    numbers: usize,
    scale: f32,
    tokens: usize,
    scores: usize,
    experts: usize,
    weights: usize,
) {
    let rules = rules(numbers, 0, scale);
    weigh_experts(
        &rules,
        floats(scores, tokens * rules.routed),
        from_raw_parts(experts as *const u32, tokens * rules.candidates),
        floats_mut(weights, tokens * rules.visited),
    );
}
