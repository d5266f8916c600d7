//! What is computed from prices: plain functions of numbers.

/// Days of trade in a year, by which daily measures become yearly ones.
const DAYS_PER_YEAR: f64 = 252.0;

/// How far a price fell below its highest before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawdown {
    /// −0.2 is a fall of 20 %.
    pub(crate) depth: f64,
    /// The day of the highest price.
    pub(crate) peak: usize,
    /// The day of the lowest price after it.
    pub(crate) trough: usize,
}

/// Returns the change from the first to the last of them: 0.1 is a rise of 10 %.
pub(crate) fn change(values: &[f64]) -> f64 {
    match values {
        [first, .., last] => last / first - 1.0,
        _ => 0.0,
    }
}

/// Returns the change from each day to the next.
fn daily(prices: &[f64]) -> Vec<f64> {
    prices.windows(2).map(change).collect()
}

fn count(values: &[f64]) -> f64 {
    values.iter().map(|_| 1.0).sum()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

/// Returns the covariance of a sample.
fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let products = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b));
    products.sum::<f64>() / (count(a) - 1.0)
}

/// Returns the standard deviation of daily changes, for a year.
pub(crate) fn volatility(prices: &[f64]) -> f64 {
    let daily = daily(prices);
    (covariance(&daily, &daily) * DAYS_PER_YEAR).sqrt()
}

/// Returns by how much the price moves when the market moves by one.
pub(crate) fn beta(prices: &[f64], market: &[f64]) -> f64 {
    let (own, market) = (daily(prices), daily(market));
    covariance(&own, &market) / covariance(&market, &market)
}

/// Returns for each day how far the price is below its highest so far.
pub(crate) fn drawdowns(prices: &[f64]) -> Vec<f64> {
    let mut highest = f64::MIN;
    let below = prices.iter().map(|price| {
        highest = highest.max(*price);
        price / highest - 1.0
    });
    below.collect()
}

/// Returns the deepest fall.
pub(crate) fn deepest(prices: &[f64]) -> Drawdown {
    let (mut peak, mut deepest) = (0, Drawdown { depth: 0.0, peak: 0, trough: 0 });
    for (day, price) in prices.iter().enumerate() {
        if *price > prices[peak] {
            peak = day;
        }
        let depth = price / prices[peak] - 1.0;
        if depth < deepest.depth {
            deepest = Drawdown { depth, peak, trough: day };
        }
    }
    deepest
}

/// Returns the mean of each day and those before it; nothing where there are too few.
pub(crate) fn moving_average(prices: &[f64], days: usize) -> Vec<Option<f64>> {
    let averages = (1..=prices.len()).map(|end| end.checked_sub(days).map(|start| mean(&prices[start..end])));
    averages.collect()
}
