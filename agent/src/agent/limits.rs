//! What one turn may use, and a turn that goes round in circles. Both look only at the turn, so they say the same after a crash.

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Price, Request, Result, Role, ToolCall};

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

/// Stops a model that makes the same calls again and again.
///
/// A call that was made [`repeats_max`](Self::repeats_max) times with the same arguments, one answer after the other, is
/// refused, and the model is told; if it goes on all the same, the turn ends with [`Kind::Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoopGuard {
    /// How often the same call may be made in a row.
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
}

#[async_trait]
impl Middleware for LoopGuard {
    async fn before_tool(&self, turn: &Turn, call: &ToolCall) -> Result<Verdict> {
        let repeats = Self::repeats(turn, call, self.repeats_max + 1);
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
