//! Chooses the experts that a token visits from the router's logits.

use crate::attention::softmax;
use crate::elementary::{map, sigmoid};

/// How logits become scores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Score {
    /// A sigmoid of each logit (DeepSeek-V3, Nemotron-H).
    Sigmoid,
    /// A softmax over all experts (Qwen3 MoE).
    Softmax,
}

/// How a router of `routed` experts chooses.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    pub score: Score,
    pub routed: usize,
    /// Experts that a token visits.
    pub visited: usize,
    /// How many of the best experts to report, at least `visited`.
    pub candidates: usize,
    /// The experts form this many groups of equal size.
    pub groups: usize,
    /// Only this many groups can be chosen: those whose two best scores have the largest sums.
    pub open_groups: usize,
    /// `[routed]`, or empty. It is added to the scores for the choice, not for the weights.
    pub correction: &'a [f32],
    /// Whether the weights of a token are divided by their sum.
    pub normalized: bool,
    /// Factor of every weight.
    pub scale: f32,
}

/// Added to the sum of the weights, as the models do: all weights may be 0.
const TINY: f32 = 1e-20;

/// Chooses experts for each row of `logits [T, routed]`, which become scores. `experts` and
/// `selection` `[T, candidates]` become the best experts in order (ties: the lower first) and their
/// scores with the correction. `weights [T, visited]` become those of the visited experts. An
/// expert of a closed group has selection -inf.
pub fn route(
    rules: &Rules,
    logits: &mut [f32],
    experts: &mut [u32],
    selection: &mut [f32],
    weights: &mut [f32],
) {
    let ranks = experts
        .chunks_exact_mut(rules.candidates)
        .zip(selection.chunks_exact_mut(rules.candidates));
    let rows = logits.chunks_exact_mut(rules.routed).zip(weights.chunks_exact_mut(rules.visited));
    let mut choice = vec![0.0; rules.routed];
    for ((scores, weights), (experts, selection)) in rows.zip(ranks) {
        match rules.score {
            Score::Sigmoid => map(scores, sigmoid),
            Score::Softmax => softmax(scores, 0..rules.routed, None),
        }
        choice.copy_from_slice(scores);
        choice.iter_mut().zip(rules.correction).for_each(|(score, bias)| *score += bias);
        close_groups(rules, &mut choice);
        rank(&choice, experts);
        experts.iter().zip(selection).for_each(|(expert, score)| *score = choice[*expert as usize]);
        weigh_token(rules, scores, experts, weights);
    }
}

/// Computes the weights `[T, visited]` of given experts, the first of each row of
/// `experts [T, candidates]`, from scores `[T, routed]`.
pub fn weigh(rules: &Rules, scores: &[f32], experts: &[u32], weights: &mut [f32]) {
    let rows = scores.chunks_exact(rules.routed).zip(experts.chunks_exact(rules.candidates));
    for ((scores, experts), weights) in rows.zip(weights.chunks_exact_mut(rules.visited)) {
        weigh_token(rules, scores, experts, weights);
    }
}

fn weigh_token(rules: &Rules, scores: &[f32], experts: &[u32], weights: &mut [f32]) {
    for (weight, expert) in weights.iter_mut().zip(experts) {
        *weight = scores[*expert as usize];
    }
    let total = if rules.normalized { weights.iter().sum::<f32>() + TINY } else { 1.0 };
    weights.iter_mut().for_each(|weight| *weight = *weight / total * rules.scale);
}

/// Closes all groups but the `open_groups` with the largest sum of their two best scores (ties: the
/// lower first).
fn close_groups(rules: &Rules, choice: &mut [f32]) {
    if rules.open_groups >= rules.groups {
        return;
    }
    let size = rules.routed / rules.groups;
    let best_two = |group: &[f32]| {
        let mut order = vec![0; size.min(2)];
        rank(group, &mut order);
        order.iter().map(|i| group[*i as usize]).sum::<f32>()
    };
    let sums: Vec<f32> = choice.chunks_exact(size).map(best_two).collect();
    let mut order = vec![0; rules.groups];
    rank(&sums, &mut order);
    for closed in &order[rules.open_groups..] {
        choice[*closed as usize * size..][..size].fill(f32::NEG_INFINITY);
    }
}

/// Fills `order` with the indices of the largest scores, in order. Of equal scores the lower index
/// comes first. NaN counts as the smallest.
fn rank(scores: &[f32], order: &mut [u32]) {
    let mut filled = 0;
    for (place, &score) in scores.iter().enumerate() {
        let better =
            |other: u32| !(score > scores[other as usize] || scores[other as usize].is_nan());
        let at = order[..filled].partition_point(|other| better(*other));
        if at == order.len() {
            continue;
        }
        filled = (filled + 1).min(order.len());
        order.copy_within(at..filled - 1, at + 1);
        order[at] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementary::tests::numbers;

    const PLAIN: Rules = Rules {
        score: Score::Sigmoid,
        routed: 8,
        visited: 2,
        candidates: 4,
        groups: 1,
        open_groups: 1,
        correction: &[],
        normalized: true,
        scale: 2.5,
    };

    struct Chosen {
        scores: Vec<f32>,
        experts: Vec<u32>,
        selection: Vec<f32>,
        weights: Vec<f32>,
    }

    fn run(rules: &Rules, logits: &[f32]) -> Chosen {
        let tokens = logits.len() / rules.routed;
        let mut chosen = Chosen {
            scores: logits.to_vec(),
            experts: vec![99; tokens * rules.candidates],
            selection: vec![f32::NAN; tokens * rules.candidates],
            weights: vec![f32::NAN; tokens * rules.visited],
        };
        let Chosen { scores, experts, selection, weights } = &mut chosen;
        route(rules, scores, experts, selection, weights);
        chosen
    }

    /// All experts by a full sort, weights in float64.
    fn route_ref(rules: &Rules, logits: &[f32]) -> (Vec<u32>, Vec<f64>) {
        let exp: Vec<f64> = logits.iter().map(|x| f64::from(*x).exp()).collect();
        let total: f64 = exp.iter().sum();
        let scores: Vec<f64> = match rules.score {
            Score::Sigmoid => exp.iter().map(|e| e / (1.0 + e)).collect(),
            Score::Softmax => exp.iter().map(|e| e / total).collect(),
        };
        let correction = |e: usize| rules.correction.get(e).map_or(0.0, |bias| f64::from(*bias));
        let mut choice: Vec<f64> = (0..rules.routed).map(|e| scores[e] + correction(e)).collect();
        let size = rules.routed / rules.groups;
        let sum = |g: usize| {
            let mut group = choice[g * size..][..size].to_vec();
            group.sort_by(|a, b| b.total_cmp(a));
            group[0] + group[1]
        };
        let mut groups: Vec<usize> = (0..rules.groups).collect();
        let sums: Vec<f64> =
            groups.iter().map(|g| if size > 1 { sum(*g) } else { choice[*g] }).collect();
        groups.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]));
        for g in &groups[rules.open_groups..] {
            choice[g * size..][..size].fill(f64::NEG_INFINITY);
        }
        let mut order: Vec<u32> = (0..rules.routed as u32).collect();
        order.sort_by(|a, b| choice[*b as usize].total_cmp(&choice[*a as usize]));
        let visited: Vec<f64> =
            order[..rules.visited].iter().map(|e| scores[*e as usize]).collect();
        let total = if rules.normalized { visited.iter().sum() } else { 1.0 };
        (
            order[..rules.candidates].to_vec(),
            visited.iter().map(|w| w / total * f64::from(rules.scale)).collect(),
        )
    }

    #[test]
    fn equals_its_reference() {
        for (routed, groups, open_groups) in
            [(1, 1, 1), (3, 1, 1), (64, 8, 3), (65, 5, 2), (126, 7, 7), (128, 1, 1), (8, 8, 5)]
        {
            for score in [Score::Sigmoid, Score::Softmax] {
                for normalized in [true, false] {
                    let correction: Vec<f32> = numbers(routed, 9).iter().map(|x| x * 0.1).collect();
                    let visited = routed.min(4);
                    let candidates = (3 * visited).min(routed * open_groups / groups).max(visited);
                    let rules = Rules {
                        score,
                        routed,
                        visited,
                        candidates,
                        groups,
                        open_groups,
                        normalized,
                        correction: if score == Score::Sigmoid { &correction } else { &[] },
                        ..PLAIN
                    };
                    let logits = numbers(5 * routed, 8);
                    let chosen = run(&rules, &logits);
                    for (t, logits) in logits.chunks(routed).enumerate() {
                        let (experts, weights) = route_ref(&rules, logits);
                        assert_eq!(chosen.experts[t * candidates..][..candidates], experts);
                        for (ours, exact) in
                            chosen.weights[t * visited..][..visited].iter().zip(&weights)
                        {
                            assert!(
                                (f64::from(*ours) - exact).abs() < 2e-6 * exact.abs(),
                                "{ours} {exact}"
                            );
                        }
                    }
                    let mut again = vec![0.0; 5 * visited];
                    weigh(&rules, &chosen.scores, &chosen.experts, &mut again);
                    assert_eq!(again, chosen.weights);
                }
            }
        }
    }

    #[test]
    fn of_equals_the_lower_expert_comes_first() {
        let chosen = run(&PLAIN, &[0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(chosen.experts, [1, 3, 4, 0]);
        assert_eq!(chosen.weights, [1.25, 1.25]);
        let grouped = Rules { groups: 4, open_groups: 2, ..PLAIN };
        assert_eq!(run(&grouped, &[0.0; 8]).experts, [0, 1, 2, 3]);
    }

    #[test]
    fn the_correction_chooses_but_does_not_weigh() {
        let correction = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 8.0];
        let rules = Rules { correction: &correction, normalized: false, scale: 1.0, ..PLAIN };
        let chosen = run(&rules, &[0.0; 8]);
        assert_eq!(chosen.experts, [6, 7, 0, 1]);
        assert_eq!((chosen.weights, chosen.selection), (vec![0.5; 2], vec![9.5, 8.5, 0.5, 0.5]));
    }

    #[test]
    fn closed_groups_come_last_and_show_it() {
        let rules = Rules { groups: 4, open_groups: 1, ..PLAIN };
        let chosen = run(&rules, &[5.0, -5.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(chosen.experts[..2], [2, 3]);
        assert_eq!(chosen.selection[2..], [f32::NEG_INFINITY; 2]);
    }
}
