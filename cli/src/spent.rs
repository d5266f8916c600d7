//! Says what an answer used and what that costs, on one short line.

use lorewell::model::{Model, Price, Usage};
use serde::{Deserialize, Serialize};

use crate::output::thousands;

/// What one or more answers used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) usage: Usage,
    /// In US dollars, as far as prices are known.
    pub(crate) cost_usd: f64,
    /// Whether the price of some of it is not known.
    pub(crate) is_unpriced: bool,
}

impl Spent {
    /// Prices what an answer of a model used.
    pub(crate) fn new(usage: Usage, model: &Model) -> Self {
        Self::priced(usage, model.price())
    }

    fn priced(usage: Usage, price: Option<Price>) -> Self {
        let cost = price.map(|price| price.cost_usd(&usage));
        Self { usage, cost_usd: cost.unwrap_or_default(), is_unpriced: cost.is_none() }
    }

    /// Takes what a run of an agent has spent on a model.
    pub(crate) fn of_run(spent: lorewell::agent::Spent, model: &Model) -> Self {
        Self { usage: spent.usage, cost_usd: spent.cost_usd, is_unpriced: model.price().is_none() }
    }

    /// Returns the cost, if all of it is known.
    pub(crate) fn cost(&self) -> Option<f64> {
        (!self.is_unpriced).then_some(self.cost_usd)
    }

    /// Adds what another answer used.
    pub(crate) fn add(&mut self, other: Self) {
        self.usage += other.usage;
        self.cost_usd += other.cost_usd;
        self.is_unpriced |= other.is_unpriced;
    }

    /// Says it: `1,830 in (1,024 cached) / 92 out - $0.0021`.
    pub(crate) fn say(&self) -> String {
        format!("{} - {}", self.say_tokens(), self.say_cost())
    }

    /// Says the tokens: `1,830 in (1,024 cached) / 92 out`.
    pub(crate) fn say_tokens(&self) -> String {
        let part = |tokens: u64, what: &str| match tokens {
            0 => String::new(),
            _ => format!(" ({} {what})", thousands(tokens)),
        };
        let Usage { input_tokens, cache_read_tokens, output_tokens, reasoning_tokens, .. } = self.usage;
        format!(
            "{} in{} / {} out{}",
            thousands(input_tokens),
            part(cache_read_tokens, "cached"),
            thousands(output_tokens),
            part(reasoning_tokens, "thinking")
        )
    }

    /// Says the cost.
    pub(crate) fn say_cost(&self) -> String {
        let known = dollars(self.cost_usd);
        match self.is_unpriced {
            false => known,
            true if self.cost_usd > 0.0 => format!("{known} and what has no known price"),
            true => "price not known".to_owned(),
        }
    }
}

/// Writes an amount with as many digits as say something.
fn dollars(usd: f64) -> String {
    match usd {
        0.0 => "$0".to_owned(),
        _ if usd < 0.0001 => "under $0.0001".to_owned(),
        _ if usd < 1.0 => format!("${usd:.4}"),
        _ => format!("${usd:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_on_a_line() {
        let usage = Usage { input_tokens: 1830, cache_read_tokens: 1024, output_tokens: 92, ..Usage::default() };
        let price = Price { input: 2.0, output: 8.0, cache_read: Some(0.5), cache_write: None };
        let mut spent = Spent::priced(usage, Some(price));
        assert_eq!(spent.say(), "1,830 in (1,024 cached) / 92 out - $0.0029");
        spent.add(Spent::priced(Usage { output_tokens: 8, reasoning_tokens: 5, ..Usage::default() }, None));
        assert_eq!(spent.say(), "1,830 in (1,024 cached) / 100 out (5 thinking) - $0.0029 and what has no known price");
        assert_eq!((spent.cost(), Spent::priced(usage, None).say_cost().as_str()), (None, "price not known"));
        assert_eq!(dollars(0.0) + " " + &dollars(0.000_01) + " " + &dollars(12.345), "$0 under $0.0001 $12.35");
    }
}
