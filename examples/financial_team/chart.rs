//! The chart: one SVG that needs nothing else. Above the price with its moving averages, below how far it was under its highest.

use std::fmt::Write as _;

use lorewell::Result;

use crate::measure::{drawdowns, moving_average};
use crate::recorded::Recorded;

/// Pixels of the whole.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 460.0;
/// Pixels to the left and right of what is drawn, for the scale.
const MARGIN: f64 = 56.0;
/// The averages that are drawn: days and colour.
const AVERAGES: [(usize, &str); 2] = [(20, "#d97706"), (50, "#7c3aed")];
const PRICE: &str = "#1d4ed8";
const FALL: &str = "#b91c1c";

/// A part of the picture with a scale of its own.
struct Panel {
    top: f64,
    bottom: f64,
    low: f64,
    high: f64,
    days: usize,
}

impl Panel {
    fn x(&self, day: usize) -> f64 {
        // A year of days is far from where a float is inexact.
        let share = |day: usize| u32::try_from(day).map_or(0.0, f64::from);
        MARGIN + (WIDTH - 2.0 * MARGIN) * share(day) / share(self.days.saturating_sub(1)).max(1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let span = (self.high - self.low).max(f64::EPSILON);
        self.bottom - (self.bottom - self.top) * (value - self.low) / span
    }

    /// Draws a line through the values that are there.
    fn line(&self, values: impl IntoIterator<Item = Option<f64>>, colour: &str) -> String {
        let values = values.into_iter().enumerate();
        let points = values.filter_map(|(day, value)| Some(format!("{:.1},{:.1}", self.x(day), self.y(value?))));
        let points: Vec<String> = points.collect();
        format!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>\n", points.join(" "))
    }

    /// Draws a line across at a value, and writes the value beside it.
    fn scale(&self, value: f64, label: &str) -> String {
        let (y, right) = (self.y(value), WIDTH - MARGIN);
        let text = format!("<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", MARGIN - 6.0, y + 4.0);
        format!("<path stroke=\"#cbd5e1\" d=\"M{MARGIN} {y:.1}H{right}\"/>\n{text}\n")
    }
}

/// Draws the chart of a company.
pub(crate) fn svg(recorded: &Recorded) -> Result<String> {
    let prices = recorded.own_prices()?;
    let falls = drawdowns(prices);
    let extremes =
        |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let ((low, high), (deepest, _)) = (extremes(prices), extremes(&falls));
    let price = Panel { top: 56.0, bottom: 300.0, low, high, days: prices.len() };
    let fall = Panel { top: 340.0, bottom: 420.0, low: deepest, high: 0.0, days: prices.len() };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    svg += &price.scale(low, &format!("{low:.2}"));
    svg += &price.scale(high, &format!("{high:.2}"));
    svg += &price.line(prices.iter().copied().map(Some), PRICE);
    for (days, colour) in AVERAGES {
        svg += &price.line(moving_average(prices, days), colour);
    }
    svg += &fall.scale(0.0, "0 %");
    svg += &fall.scale(deepest, &format!("{:.1} %", deepest * 100.0));
    svg += &fall.line(falls.into_iter().map(Some), FALL);
    svg += &words(recorded);
    Ok(svg + "</svg>\n")
}

/// Writes the title, what each colour means, and the first and last day.
fn words(recorded: &Recorded) -> String {
    let title = format!("{} ({}), invented", recorded.statements.company, recorded.statements.ticker);
    let mut words = format!("<text x=\"{MARGIN}\" y=\"22\" font-size=\"15\">{}</text>\n", escaped(&title));
    let averages = AVERAGES.map(|(days, colour)| (format!("mean of {days} days"), colour));
    let legend = [("closing price in EUR".to_owned(), PRICE)].into_iter().chain(averages);
    let mut x = MARGIN;
    for (label, colour) in legend.chain([("below its highest".to_owned(), FALL)]) {
        // Writing to a string cannot fail.
        let _ = writeln!(words, "<text x=\"{x}\" y=\"42\" fill=\"{colour}\">{label}</text>");
        x += 150.0;
    }
    let ends = [(recorded.days.first(), MARGIN, "start"), (recorded.days.last(), WIDTH - MARGIN, "end")];
    for (day, x, anchor) in ends {
        let day = escaped(day.map_or("", String::as_str));
        let _ = writeln!(words, "<text x=\"{x}\" y=\"444\" text-anchor=\"{anchor}\">{day}</text>");
    }
    words
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
