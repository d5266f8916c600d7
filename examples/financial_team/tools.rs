//! The tools of the analysts. Each returns figures with names, and notes them in the ledger, against which the report is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lorewell::model::FunctionTool;
use lorewell::{Origin, Result, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{beta, change, deepest, moving_average, volatility};
use crate::recorded::{INDEX, Recorded, Year};
use crate::report::numbers;

/// A number as it may stand in a text, with what it means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The figures that tools gave, each with its tool.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<String, (String, &'static str)>>);

impl Ledger {
    fn note(&self, tool: &'static str, figures: &[Figure]) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.extend(figures.iter().map(|figure| (figure.name.clone(), (figure.value.clone(), tool))));
    }

    /// Returns names, values and tools, in the order of the names.
    pub(crate) fn figures(&self) -> Vec<(String, String, &'static str)> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.iter().map(|(name, (value, tool))| (name.clone(), value.clone(), *tool)).collect()
    }
}

/// What tools read and where they note what they gave.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) recorded: Arc<Recorded>,
    pub(crate) ledger: Arc<Ledger>,
}

/// Computes margins and returns of the newest year of statements.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Ratios {}

/// Computes how much something has grown from one year to the next.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Growth {
    /// What has grown.
    of: Item,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Item {
    Revenue,
    OperatingIncome,
    NetIncome,
}

/// Computes how the price has moved over the recorded days.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Performance {}

/// Computes the mean of the newest closing prices.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct MovingAverage {
    /// How many days.
    #[schemars(range(min = 2, max = 250))]
    days: usize,
}

/// Computes how much the price swings, how far it fell, and how it moves with the market.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Risk {}

/// Compares margin, price in earnings and change of price with those of other companies.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Compare {}

/// Reads the news.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ReadNews {
    /// Which of them, by its name; a list of the names unless said.
    id: Option<String>,
}

impl Desk {
    /// Makes a tool of a computation.
    pub(crate) fn tool<A>(
        &self,
        name: &'static str,
        compute: fn(&Recorded, &A) -> Result<Vec<Figure>, ToolError>,
    ) -> FunctionTool
    where
        A: for<'a> Deserialize<'a> + JsonSchema + Send + 'static,
    {
        let desk = self.clone();
        tool(move |asked: A| {
            let desk = desk.clone();
            async move {
                let figures = compute(&desk.recorded, &asked)?;
                desk.ledger.note(name, &figures);
                Ok::<_, ToolError>(figures)
            }
        })
    }

    /// Makes the tool that reads news. Nobody vouches for those; the numbers in them are noted as theirs.
    pub(crate) fn read_news(&self) -> FunctionTool {
        let desk = self.clone();
        tool(move |asked: ReadNews| {
            let desk = desk.clone();
            async move {
                let news = &desk.recorded.news;
                let Some(id) = asked.id else {
                    let ids: Vec<&str> = news.iter().map(|news| &*news.id).collect();
                    return Ok::<_, ToolError>(ToolOutput::text(ids.join("\n")).origin(Origin::Document));
                };
                let found = news.iter().find(|news| news.id == id);
                let found = found.ok_or_else(|| ToolError::retry(format!("there is no news `{id}`")))?;
                let figures: Vec<Figure> = numbers(&found.text)
                    .map(|at| figure(&format!("{} in {id}", &found.text[at.clone()]), found.text[at].to_owned()))
                    .collect();
                desk.ledger.note("read_news", &figures);
                Ok(ToolOutput::text(&found.text).origin(Origin::Document))
            }
        })
    }
}

pub(crate) fn ratios(recorded: &Recorded, _: &Ratios) -> Result<Vec<Figure>, ToolError> {
    let (now, _) = recorded.years()?;
    Ok(vec![
        figure("gross_margin", percent(1.0 - now.cost_of_sales / now.revenue)),
        figure("operating_margin", percent(now.operating_income / now.revenue)),
        figure("net_margin", percent(now.net_income / now.revenue)),
        figure("return_on_equity", percent(now.net_income / now.equity)),
        figure("debt_to_equity", ratio(now.debt / now.equity)),
        figure("free_cash_flow", millions(now.operating_cash_flow - now.capital_expenditure)),
        figure("earnings_per_share", euros(now.net_income / now.shares)),
        figure("year_of_statements", now.year.to_string()),
    ])
}

pub(crate) fn growth(recorded: &Recorded, asked: &Growth) -> Result<Vec<Figure>, ToolError> {
    let (now, before) = recorded.years()?;
    let (name, of): (_, fn(&Year) -> f64) = match asked.of {
        Item::Revenue => ("revenue", |year| year.revenue),
        Item::OperatingIncome => ("operating_income", |year| year.operating_income),
        Item::NetIncome => ("net_income", |year| year.net_income),
    };
    Ok(vec![
        figure(name, millions(of(now))),
        figure(&format!("{name}_growth"), percent(change(&[of(before), of(now)]))),
    ])
}

pub(crate) fn performance(recorded: &Recorded, _: &Performance) -> Result<Vec<Figure>, ToolError> {
    let prices = recorded.own_prices()?;
    let (lowest, highest) =
        prices.iter().fold((f64::MAX, f64::MIN), |(low, high), price| (low.min(*price), high.max(*price)));
    let (Some(price), Some(day)) = (prices.last(), recorded.days.last()) else {
        return Err(ToolError::failed("no prices"));
    };
    Ok(vec![
        figure("price", euros(*price)),
        figure("price_change", percent(change(prices))),
        figure("index_change", percent(change(recorded.prices(INDEX)?))),
        figure("lowest_price", euros(lowest)),
        figure("highest_price", euros(highest)),
        figure("last_day", day.clone()),
    ])
}

pub(crate) fn average(recorded: &Recorded, asked: &MovingAverage) -> Result<Vec<Figure>, ToolError> {
    let newest = moving_average(recorded.own_prices()?, asked.days).last().copied().flatten();
    let newest = newest.ok_or_else(|| ToolError::retry(format!("there are fewer than {} days", asked.days)))?;
    Ok(vec![
        figure(&format!("average_{}", asked.days), euros(newest)),
        figure(&format!("days_of_average_{}", asked.days), asked.days.to_string()),
    ])
}

pub(crate) fn risk(recorded: &Recorded, _: &Risk) -> Result<Vec<Figure>, ToolError> {
    let prices = recorded.own_prices()?;
    let fall = deepest(prices);
    Ok(vec![
        figure("volatility", percent(volatility(prices))),
        figure("beta", ratio(beta(prices, recorded.prices(INDEX)?))),
        figure("deepest_fall", percent(fall.depth)),
        figure("day_of_peak", recorded.days[fall.peak].clone()),
        figure("day_of_trough", recorded.days[fall.trough].clone()),
    ])
}

pub(crate) fn compare(recorded: &Recorded, _: &Compare) -> Result<Vec<Figure>, ToolError> {
    let (now, _) = recorded.years()?;
    let own = (&recorded.statements.ticker, now.revenue, now.net_income, now.shares);
    let peers = recorded.statements.peers.iter();
    let peers = peers.map(|peer| (&peer.ticker, peer.revenue, peer.net_income, peer.shares));
    let mut figures = Vec::new();
    for (ticker, revenue, income, shares) in std::iter::once(own).chain(peers) {
        let prices = recorded.prices(ticker)?;
        let price = prices.last().copied().unwrap_or_default();
        figures.push(figure(&format!("{ticker}_net_margin"), percent(income / revenue)));
        figures.push(figure(&format!("{ticker}_price_to_earnings"), ratio(price * shares / income)));
        figures.push(figure(&format!("{ticker}_price_change"), percent(change(prices))));
    }
    Ok(figures)
}

fn figure(name: &str, value: String) -> Figure {
    Figure { name: name.to_owned(), value }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

fn euros(value: f64) -> String {
    format!("{value:.2} EUR")
}

fn millions(value: f64) -> String {
    format!("{value:.1} million EUR")
}
