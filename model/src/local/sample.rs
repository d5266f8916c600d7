//! Draws the next token from what a model computes. The steps and their order are those of llama.cpp: penalties, the
//! likeliest `top_k`, of those the likeliest `top_p`, then `min_p`, temperature, draw.

mod settings;
mod weigh;

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

pub use settings::{Defaults, Sampling};

use super::mask::Mask;
use crate::{Error, Kind, Result};

/// Logits whose greatest is looked at before each of them is; a few vectors wide.
const BLOCK: usize = 64;
/// How many of the likeliest tokens are sorted first where `top_p` alone decides; most texts need fewer.
const NUCLEUS: usize = 256;

/// Draws tokens, and remembers those that were said.
///
/// The chain is that of [llama.cpp's `common_sampler_init`], as far as it is on by default. The same seed and the same
/// logits give the same tokens on every platform; see `weigh.rs` for how.
///
/// ```
/// use lorewell_model::Request;
/// use lorewell_model::local::{Defaults, Sampler, Sampling};
///
/// let sampling = Sampling::new(&Request::from("Hi").temperature(0.0), &Defaults::default())?;
/// let mut sampler = Sampler::new(sampling);
/// let token = sampler.next(&mut [0.1, 2.0, -1.0], None)?;
/// sampler.accept(token);
/// assert_eq!(token, 1);
/// # Ok::<(), lorewell_model::Error>(())
/// ```
///
/// [llama.cpp's `common_sampler_init`]: https://github.com/ggml-org/llama.cpp/blob/master/common/sampling.cpp
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    /// How many tokens were asked for, which is also the number of the next draw.
    draws: u64,
    said: VecDeque<u32>,
    said_times: HashMap<u32, u32>,
    /// Kept from draw to draw, so that no memory is asked for.
    candidates: Vec<Candidate>,
    weights: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    logit: f32,
    token: u32,
}

impl Candidate {
    /// The likeliest first, and of equals the one with the lowest id.
    fn order(&self, other: &Self) -> Ordering {
        let logits = other.logit.partial_cmp(&self.logit).unwrap_or(Ordering::Equal);
        logits.then(self.token.cmp(&other.token))
    }
}

impl Sampler {
    /// Makes a sampler that has heard nothing yet.
    #[must_use]
    pub fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            draws: 0,
            said: VecDeque::new(),
            said_times: HashMap::new(),
            candidates: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// Returns how it draws, and with what seed.
    #[must_use]
    pub fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Draws a token, of those that may come if some may not. The logits are changed on the way.
    ///
    /// # Errors
    /// `BadOutput` if the logits are no numbers, or rule out every token that may come.
    pub fn next(&mut self, logits: &mut [f32], allowed: Option<&Mask>) -> Result<u32> {
        if let Some(allowed) = allowed {
            allowed.apply(logits);
        }
        self.penalize(logits);
        let greatest = checked(logits, allowed.is_some())?;
        let draw = self.draws;
        self.draws += 1;
        if self.sampling.temperature == 0.0 {
            return Ok(position(logits, greatest));
        }
        self.choose(logits, greatest);
        self.draw(greatest, draw)
    }

    /// Remembers a token that was said, for the penalties: drawn here, forced by a grammar, or part of the prompt.
    pub fn accept(&mut self, token: u32) {
        if !self.penalizes() {
            return;
        }
        *self.said_times.entry(token).or_default() += 1;
        let Some(last) = self.sampling.penalty_last_n else { return };
        self.said.push_back(token);
        if self.said.len() > last {
            let forgotten = self.said.pop_front();
            let times = forgotten.and_then(|token| Some((token, self.said_times.get_mut(&token)?)));
            if let Some((token, times)) = times {
                *times -= 1;
                if *times == 0 {
                    self.said_times.remove(&token);
                }
            }
        }
    }

    fn penalizes(&self) -> bool {
        let Sampling { repeat_penalty, presence_penalty, frequency_penalty, penalty_last_n, .. } = self.sampling;
        (repeat_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0) && penalty_last_n != Some(0)
    }

    /// As `llama_sampler_penalties_apply` in llama.cpp's `llama-sampling.cpp`; the division is from "CTRL", Keskar et
    /// al. 2019, but multiplies below 0, so that it is always to the token's disadvantage.
    fn penalize(&self, logits: &mut [f32]) {
        let Sampling { repeat_penalty, presence_penalty, frequency_penalty, .. } = self.sampling;
        for (token, times) in &self.said_times {
            let Some(logit) = logits.get_mut(*token as usize) else { continue };
            *logit = if *logit <= 0.0 { *logit * repeat_penalty } else { *logit / repeat_penalty };
            *logit -= *times as f32 * frequency_penalty + presence_penalty;
        }
    }

    /// Fills in the candidates: `top_k`, `top_p` and `min_p`.
    fn choose(&mut self, logits: &[f32], greatest: f32) {
        let Sampling { top_k, top_p, min_p, .. } = self.sampling;
        let candidates = &mut self.candidates;
        if top_k > 0 && top_k < logits.len() {
            likeliest(logits, top_k, candidates);
            candidates.sort_unstable_by(Candidate::order);
            if top_p < 1.0 {
                let all: f64 = candidates.iter().map(|candidate| weight(candidate, greatest)).sum();
                candidates.truncate(nucleus(candidates, greatest, f64::from(top_p) * all).unwrap_or(usize::MAX));
            }
        } else if top_p < 1.0 {
            let enough = f64::from(top_p) * weigh::sum(logits, greatest);
            let mut most = NUCLEUS;
            loop {
                likeliest(logits, most, candidates);
                candidates.sort_unstable_by(Candidate::order);
                match nucleus(candidates, greatest, enough) {
                    Some(end) => break candidates.truncate(end),
                    None if most >= logits.len() => break,
                    None => most = most.saturating_mul(8),
                }
            }
        } else {
            candidates.clear();
            // What is far too unlikely need not be weighed. The slack hides in which digit logarithms differ.
            let floor = if min_p > 0.0 { greatest + min_p.ln() - 0.01 } else { f32::NEG_INFINITY };
            let all = (0..).zip(logits).filter(|(_, logit)| **logit > floor);
            candidates.extend(all.map(|(token, logit)| Candidate { logit: *logit, token }));
        }
        if min_p > 0.0 {
            candidates.retain(|candidate| weigh::exp(candidate.logit - greatest) >= min_p);
        }
    }

    fn draw(&mut self, greatest: f32, draw: u64) -> Result<u32> {
        let temperature = self.sampling.temperature;
        self.weights.clear();
        self.weights
            .extend(self.candidates.iter().map(|candidate| weigh::exp((candidate.logit - greatest) / temperature)));
        let all: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        let mut left = weigh::random(self.sampling.seed, draw) * all;
        let drawn = self.weights.iter().position(|weight| {
            left -= f64::from(*weight);
            left < 0.0
        });
        // Rounding may leave a little after the last one.
        let drawn = drawn.or_else(|| self.weights.iter().rposition(|weight| *weight > 0.0));
        let drawn = drawn.and_then(|index| self.candidates.get(index));
        drawn.map(|candidate| candidate.token).ok_or_else(|| no_number(false))
    }
}

/// Returns the greatest logit. Where some are infinite, only those are left, all alike.
fn checked(logits: &mut [f32], constrained: bool) -> Result<f32> {
    let (greatest, broken) = weigh::greatest(logits);
    if broken {
        return Err(no_number(false));
    }
    if greatest == f32::NEG_INFINITY {
        return Err(no_number(constrained));
    }
    if greatest < f32::INFINITY {
        return Ok(greatest);
    }
    for logit in logits {
        *logit = if *logit == f32::INFINITY { 0.0 } else { f32::NEG_INFINITY };
    }
    Ok(0.0)
}

fn no_number(constrained: bool) -> Error {
    let message = if constrained {
        "the model computed no number for any token that may come next; the file may be damaged"
    } else {
        "the model computed no number for its next token; the file may be damaged"
    };
    Error::new(Kind::BadOutput, message)
}

fn position(logits: &[f32], greatest: f32) -> u32 {
    let mut blocks = (0_u32..).step_by(BLOCK).zip(logits.chunks(BLOCK));
    let found = blocks.find(|(_, block)| block.iter().fold(false, |found, logit| found | (*logit == greatest)));
    let (first, block) = found.unwrap_or_default();
    (first..).zip(block).find(|(_, logit)| **logit == greatest).map_or(first, |(token, _)| token)
}

/// Finds so many of the likeliest tokens, in no order.
fn likeliest(logits: &[f32], most: usize, found: &mut Vec<Candidate>) {
    found.clear();
    // Only what is above it can still be among them: a token with the same logit comes too late.
    let mut floor = f32::NEG_INFINITY;
    for (first, block) in (0_u32..).step_by(BLOCK).zip(logits.chunks(BLOCK)) {
        let above = block.iter().fold(false, |above, logit| above | (*logit > floor));
        if !above {
            continue;
        }
        let above = (first..).zip(block).filter(|(_, logit)| **logit > floor);
        found.extend(above.map(|(token, logit)| Candidate { logit: *logit, token }));
        if found.len() >= most.saturating_mul(2).max(BLOCK) {
            keep(found, most);
            floor = found.last().map_or(floor, |last| last.logit);
        }
    }
    keep(found, most);
}

/// Keeps the likeliest, the least likely of them last.
fn keep(candidates: &mut Vec<Candidate>, most: usize) {
    if candidates.len() > most {
        candidates.select_nth_unstable_by(most - 1, Candidate::order);
        candidates.truncate(most);
    }
}

fn weight(candidate: &Candidate, greatest: f32) -> f64 {
    weigh::exp(candidate.logit - greatest).into()
}

/// Finds how many of the first candidates weigh enough together, at least one.
fn nucleus(candidates: &[Candidate], greatest: f32, enough: f64) -> Option<usize> {
    let mut sum = 0.0;
    let last = candidates.iter().position(|candidate| {
        sum += weight(candidate, greatest);
        sum >= enough
    });
    last.map(|last| last + 1)
}

#[cfg(test)]
mod tests;
