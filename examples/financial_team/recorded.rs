//! The recorded data: prices, statements and news of companies that do not exist. Nothing is fetched.

use std::path::{Path, PathBuf};

use lorewell::{Error, Kind, Result, ResultExt as _};
use serde::Deserialize;

/// The folder that comes with the example.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/financial_team/data");
/// The index that the market is measured by, among the columns of prices.
pub(crate) const INDEX: &str = "INDEX";

/// All that is known of a company.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) statements: Statements,
    /// Days of trade, as `YYYY-MM-DD`.
    pub(crate) days: Vec<String>,
    /// Closing prices in euros by ticker, one for each day.
    prices: Vec<(String, Vec<f64>)>,
    /// News, oldest first.
    pub(crate) news: Vec<News>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Statements {
    pub(crate) company: String,
    pub(crate) ticker: String,
    /// Oldest first.
    pub(crate) years: Vec<Year>,
    pub(crate) peers: Vec<Peer>,
}

/// A year of statements: millions of euros, millions of shares.
#[derive(Debug, Deserialize)]
pub(crate) struct Year {
    pub(crate) year: u16,
    pub(crate) revenue: f64,
    pub(crate) cost_of_sales: f64,
    pub(crate) operating_income: f64,
    pub(crate) net_income: f64,
    pub(crate) equity: f64,
    pub(crate) debt: f64,
    pub(crate) operating_cash_flow: f64,
    pub(crate) capital_expenditure: f64,
    pub(crate) shares: f64,
}

/// What is known of another company.
#[derive(Debug, Deserialize)]
pub(crate) struct Peer {
    pub(crate) ticker: String,
    pub(crate) revenue: f64,
    pub(crate) net_income: f64,
    pub(crate) shares: f64,
}

#[derive(Debug)]
pub(crate) struct News {
    /// The name of its file, without the ending.
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Recorded {
    /// Reads what there is of a ticker.
    pub(crate) fn read(ticker: &str) -> Result<Self> {
        let folder = Path::new(FOLDER);
        let statements: Statements = serde_json::from_str(&text(&folder.join("statements.json"))?)?;
        if !statements.ticker.eq_ignore_ascii_case(ticker) {
            let message = format!("nothing is recorded of `{ticker}`; there is `{}`", statements.ticker);
            return Err(Error::new(Kind::NotFound, message));
        }
        let (days, prices) = prices(&folder.join("prices.csv"))?;
        let recorded = Self { statements, days, prices, news: news(&folder.join("news"))? };
        let peers = recorded.statements.peers.iter().map(|peer| &*peer.ticker);
        for ticker in peers.chain([INDEX, &recorded.statements.ticker]) {
            recorded.prices(ticker)?;
        }
        Ok(recorded)
    }

    /// Returns the closing prices of a ticker.
    pub(crate) fn prices(&self, ticker: &str) -> Result<&[f64]> {
        let found = self.prices.iter().find(|(name, _)| name == ticker);
        found
            .map(|(_, prices)| &**prices)
            .ok_or_else(|| Error::new(Kind::NotFound, format!("no prices are recorded of `{ticker}`")))
    }

    /// Returns the closing prices of the company.
    pub(crate) fn own_prices(&self) -> Result<&[f64]> {
        self.prices(&self.statements.ticker)
    }

    /// Returns the newest year of statements and the one before.
    pub(crate) fn years(&self) -> Result<(&Year, &Year)> {
        match &*self.statements.years {
            [.., before, newest] => Ok((newest, before)),
            _ => Err(Error::new(Kind::Corrupt, "`statements.json` has fewer than two years")),
        }
    }
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).context(|| format!("reading `{}`", path.display()))
}

type Prices = (Vec<String>, Vec<(String, Vec<f64>)>);

fn prices(path: &Path) -> Result<Prices> {
    let wrong =
        |error: csv::Error| Error::from_source(Kind::Corrupt, error).context(format!("reading `{}`", path.display()));
    let mut table = csv::Reader::from_path(path).map_err(wrong)?;
    let tickers = table.headers().map_err(wrong)?.iter().skip(1).map(str::to_owned);
    let mut prices: Vec<(String, Vec<f64>)> = tickers.map(|ticker| (ticker, Vec::new())).collect();
    let mut days = Vec::new();
    for row in table.records() {
        let row = row.map_err(wrong)?;
        days.push(row.get(0).unwrap_or_default().to_owned());
        for ((ticker, prices), price) in prices.iter_mut().zip(row.iter().skip(1)) {
            let read = price.parse().ok().filter(|price: &f64| price.is_finite() && *price > 0.0);
            let no_price = || Error::new(Kind::Corrupt, format!("`{price}` is no price of `{ticker}`"));
            prices.push(read.ok_or_else(no_price)?);
        }
    }
    Ok((days, prices))
}

fn news(folder: &Path) -> Result<Vec<News>> {
    let entries = std::fs::read_dir(folder).context(|| format!("reading `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().context(|| "reading news".to_owned())?;
    paths.sort();
    let id = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| Ok(News { id: id(path), text: text(path)? })).collect()
}
