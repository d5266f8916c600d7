//! Votes over answers, and when so many have been counted that the others hardly matter.

use super::extract::normal;

/// Samples that gave the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Votes {
    /// The first sample that gave it.
    pub(super) first: usize,
    pub(super) count: usize,
    answer: String,
}

/// Counts answers, most votes first. Of two that have as many, the one that was given first is first. Samples without an answer
/// have no vote.
pub(super) fn count<'a>(answers: impl IntoIterator<Item = Option<&'a str>>) -> Vec<Votes> {
    let mut all: Vec<Votes> = Vec::new();
    for (index, answer) in answers.into_iter().enumerate() {
        let Some(answer) = answer.map(normal) else { continue };
        match all.iter_mut().find(|votes| votes.answer == answer) {
            Some(votes) => votes.count += 1,
            None => all.push(Votes { first: index, count: 1, answer }),
        }
    }
    all.sort_by_key(|votes| (std::cmp::Reverse(votes.count), votes.first));
    all
}

/// Returns how likely it is that the first answer stays ahead of the second, however many samples are drawn: the Beta criterion
/// of Aggarwal et al. 2023 (arXiv:2305.11860). With `a` and `b` votes it is the weight of the Beta distribution
/// (a + 1, b + 1) above one half, which for whole numbers is that of more than `b` heads in a + b + 1 throws of a coin.
pub(super) fn lead(votes: &[Votes]) -> f64 {
    let counts = |at: usize| votes.get(at).map_or(0, |votes| votes.count);
    let (ahead, behind) = (counts(0), counts(1));
    let throws = ahead + behind + 1;
    let mut weight = 0.5_f64.powi(i32::try_from(throws).unwrap_or(i32::MAX));
    let mut up_to_behind = 0.0;
    for heads in 0..=behind {
        up_to_behind += weight;
        weight *= (throws - heads) as f64 / (heads + 1) as f64;
    }
    1.0 - up_to_behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_votes_win_and_the_earlier_answer_wins_a_tie() {
        let votes = |answers: &[&str]| -> Vec<(usize, usize)> {
            let answers = answers.iter().map(|answer| Some(*answer).filter(|answer| !answer.is_empty()));
            count(answers).iter().map(|votes| (votes.first, votes.count)).collect()
        };
        assert_eq!(votes(&["b", "a", "", "A", "b", "c"]), [(0, 2), (1, 2), (5, 1)]);
        assert_eq!(votes(&["1", "2.0", "2"]), [(1, 2), (0, 1)]);
        assert_eq!(votes(&["", ""]), []);
    }

    #[test]
    fn a_lead_is_that_of_the_beta_distribution() {
        let of = |ahead, behind| {
            let votes = |count| Votes { first: 0, count, answer: String::new() };
            lead(&[votes(ahead), votes(behind)])
        };
        // Integrals of p^b (1 − p)^a over 0..½, by hand.
        for (ahead, behind, expected) in [(0, 0, 0.5), (3, 0, 15.0 / 16.0), (4, 0, 31.0 / 32.0), (2, 1, 11.0 / 16.0)] {
            assert!((of(ahead, behind) - expected).abs() < 1e-12, "{ahead} {behind}");
        }
        assert!((of(512, 0) - 1.0).abs() < 1e-12 && (of(256, 256) - 0.5).abs() < 1e-9);
    }
}
