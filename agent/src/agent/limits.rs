//! What one turn may use, and a turn that goes round in circles. Both look only at the turn, so they say the same after a crash.

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Part, Price, Request, Result, Role, ToolCall};

use super::approval::canonical;
use super::middleware::{Middleware, Verdict};
use super::turn::Turn;

/// What one turn of an agent may use; nothing is limited unless said. It ends with [`Kind::Limit`] when the model would have to
/// be asked again. One answer may go beyond, for what it takes is only known when it is there.
///
/// ```
/// use lorewell_agent::{Agent, TurnLimits};
/// use lorewell_model::model;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let agent = Agent::new(model("mock:echo").await?).middleware(TurnLimits::default().tokens_max(50_000).calls_max(20));
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct TurnLimits {
    /// Tokens of all answers and what they were asked.
    pub tokens_max: Option<u64>,
    /// Calls of tools.
    pub calls_max: Option<usize>,
    /// US dollars, by a price.
    pub cost_usd_max: Option<(f64, Price)>,
}

impl TurnLimits {
    /// Limits the tokens of all answers and what they were asked.
    #[must_use]
    pub fn tokens_max(mut self, tokens: u64) -> Self {
        self.tokens_max = Some(tokens);
        self
    }

    /// Limits the calls of tools. Calls beyond are refused, and the model is told to answer with what it has.
    #[must_use]
    pub fn calls_max(mut self, calls: usize) -> Self {
        self.calls_max = Some(calls);
        self
    }

    /// Limits what is spent, at the price of a model.
    #[must_use]
    pub fn cost_usd_max(mut self, dollars: f64, price: Price) -> Self {
        self.cost_usd_max = Some((dollars, price));
        self
    }
}

#[async_trait]
impl Middleware for TurnLimits {
    async fn before_model(&self, turn: &Turn, _: &mut Request) -> Result<()> {
        let used = turn.usage();
        if let Some(most) = self.tokens_max.filter(|most| used.total_tokens() >= *most) {
            let message = format!("the turn has used {} tokens of the {most} that it may", used.total_tokens());
            return Err(Error::new(Kind::Limit, message));
        }
        if let Some((most, price)) = self.cost_usd_max {
            let spent = price.cost_usd(&used);
            if spent >= most {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the turn has cost ${spent:.4} of the ${most} that it may"),
                ));
            }
        }
        Ok(())
    }

    async fn before_tool(&self, turn: &Turn, call: &ToolCall) -> Result<Verdict> {
        let Some(most) = self.calls_max.filter(|most| turn.calls_before(call) >= *most) else { return Ok(Verdict::Go) };
        let message =
            format!("not made: {most} calls were made in this turn, and no more are; answer with what you have");
        Ok(Verdict::Refuse(message))
    }
}

/// The longest circle that is looked for: what models fall into goes to and fro between a few calls.
const CIRCLE_MAX: usize = 4;

/// Stops a model that makes the same calls again and again.
///
/// A call that was made [`repeats_max`](Self::repeats_max) times with the same arguments, one answer after the other, is
/// refused, and the model is told; if it goes on all the same, the turn ends with [`Kind::Limit`]. So is one that goes round in
/// a circle of up to four answers with the same calls and the same results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopGuard {
    /// How often the same call, or the same circle of calls, may be made in a row.
    pub repeats_max: usize,
}

impl Default for LoopGuard {
    fn default() -> Self {
        Self { repeats_max: 3 }
    }
}

impl LoopGuard {
    /// How often a call stands in answers right before this one, without one between that lacks it.
    fn repeats(turn: &Turn, call: &ToolCall, most: usize) -> usize {
        let answers = turn.added().iter().rev().filter(|message| message.role == Role::Assistant).skip(1).take(most);
        let arguments = canonical(&call.arguments_json);
        let is_same = |other: &ToolCall| other.name == call.name && canonical(&other.arguments_json) == arguments;
        answers.take_while(|message| message.tool_calls().any(is_same)).count()
    }

    /// How often the newest answer stands in the turn at the same place of a circle of answers, right before this one.
    fn circles(turn: &Turn, most: usize) -> usize {
        let rounds = rounds(turn, CIRCLE_MAX * most);
        let circled = |length: usize| {
            // The results of the newest answer are not there yet.
            let is_same = |at: usize| match (&rounds[at], rounds.get(at + length)) {
                (newer, Some(older)) => newer.0 == older.0 && (at == 0 || alike(&newer.1, &older.1)),
                (_, None) => false,
            };
            (0..rounds.len()).take_while(|at| is_same(*at)).count().div_ceil(length)
        };
        (2..=CIRCLE_MAX).map(circled).max().unwrap_or_default()
    }
}

/// Tells whether calls have brought the same; what was refused or has failed may have brought anything.
fn alike(newer: &[Option<String>], older: &[Option<String>]) -> bool {
    newer.iter().zip(older).all(|(newer, older)| newer == older || newer.is_none() || older.is_none())
}

/// The calls of the newest answers, newest first, and what they brought.
fn rounds(turn: &Turn, most: usize) -> Vec<(Vec<String>, Vec<Option<String>>)> {
    let mut rounds = Vec::new();
    let mut brought = Vec::new();
    for message in turn.added().iter().rev() {
        let results = message.parts.iter().filter_map(|part| match part {
            Part::ToolResult(result) => Some((!result.is_error).then(|| result.text())),
            _ => None,
        });
        brought.splice(0..0, results);
        if message.role == Role::Assistant {
            let calls = message.tool_calls().map(|call| format!("{} {}", call.name, canonical(&call.arguments_json)));
            rounds.push((calls.collect(), std::mem::take(&mut brought)));
        }
        if rounds.len() > most {
            break;
        }
    }
    rounds
}

#[async_trait]
impl Middleware for LoopGuard {
    async fn before_tool(&self, turn: &Turn, call: &ToolCall) -> Result<Verdict> {
        let most = self.repeats_max + 1;
        let repeats = Self::repeats(turn, call, most).max(Self::circles(turn, most));
        if repeats < self.repeats_max {
            return Ok(Verdict::Go);
        }
        if repeats > self.repeats_max {
            let message = format!("the model calls `{}` with the same arguments over and over", call.name);
            return Err(Error::new(Kind::Limit, message));
        }
        let message = format!(
            "not made: this call was made {repeats} times in a row with the same arguments; do something else, or answer"
        );
        Ok(Verdict::Refuse(message))
    }
}
