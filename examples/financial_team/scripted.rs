//! What models would say in this team, written down, so that the example runs without a key. Numbers are not written down: they
//! come out of the results of the tools, as with a real model, but for one that the editor makes up.

use std::collections::BTreeMap;

use lorewell::model::mock::Rules;
use lorewell::model::{Part, Role, ToolCall, ToolResult};
use lorewell::{Message, Model, Request, Result};
use serde_json::{Value, json};

use crate::tools::Figure;

/// What an analyst says when it has the results of its tools; `{name}` stands for a figure.
const SAYS: [(&str, &str); 5] = [
    (
        "fundamentals",
        "In {year_of_statements} revenue grew by {revenue_growth} to {revenue}, and net income by {net_income_growth}. The \
         gross margin was {gross_margin}, the operating margin {operating_margin}. Free cash flow was {free_cash_flow}, and \
         debt is {debt_to_equity} of equity.",
    ),
    (
        "price",
        "The share closed at {price} on {last_day}, a change of {price_change} over the recorded days against \
         {index_change} of the index. It stood between {lowest_price} and {highest_price}. The mean of the last \
         {days_of_average_50} days is {average_50}.",
    ),
    (
        "news",
        "A recall of 4,200 sensors will cost 6.5 million euros. A railway ordered cameras for 38 million euros. The plant \
         for lenses grows by 2,600 square metres.",
    ),
    (
        "risk",
        "The price swings by {volatility} a year. With a beta of {beta} it moves more than the market. Its deepest fall \
         was {deepest_fall}, from {day_of_peak} to {day_of_trough}.",
    ),
    (
        "peers",
        "At {BRWD_price_to_earnings} times earnings it is cheaper than HALV at {HALV_price_to_earnings} and OSTR at \
         {OSTR_price_to_earnings}. Its net margin of {BRWD_net_margin} is higher than theirs, {HALV_net_margin} and \
         {OSTR_net_margin}. The price of HALV changed by {HALV_price_change}, that of OSTR by {OSTR_price_change}.",
    ),
];
/// What the editor adds. No tool gave the number, and the check has to find it.
const MADE_UP: &str = "If growth goes on like this, a price of 61 EUR is within reach.";

/// Makes the scripted model that speaks for all members.
pub(crate) fn model() -> Result<Model> {
    let analysts = SAYS.into_iter().fold(Rules::new(), |rules, (subject, says)| {
        let is_asked = move |request: &Request| told(request).contains(&format!("the analyst of {subject}"));
        rules.when_request(is_asked, move |request| analyse(subject, says, request))
    });
    Ok(Model::new("mock:team".parse()?, analysts.otherwise(edit)))
}

fn analyse(subject: &str, says: &str, request: &Request) -> Message {
    let results: Vec<&ToolResult> =
        request.messages.iter().flat_map(|message| &message.parts).filter_map(result).collect();
    if results.is_empty() {
        let calls = calls(subject).into_iter().zip(1..);
        let calls = calls.map(|((tool, asked), id)| ToolCall::new(format!("{subject}_{id}"), tool, &asked));
        return Message::new(Role::Assistant, calls.map(Part::ToolCall));
    }
    let figures =
        results.iter().filter_map(|result| serde_json::from_str::<Vec<Figure>>(&result.text()).ok()).flatten();
    let figures: BTreeMap<String, String> = figures.map(|figure| (figure.name, figure.value)).collect();
    let text = figures.iter().fold(says.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    Message::assistant(text)
}

fn calls(subject: &str) -> Vec<(&'static str, Value)> {
    match subject {
        "fundamentals" => {
            vec![("ratios", json!({})), ("growth", json!({"of": "revenue"})), ("growth", json!({"of": "net_income"}))]
        }
        "price" => vec![("performance", json!({})), ("average", json!({"days": 50}))],
        "news" => ["2026-02-12-recall", "2026-05-20-order", "2026-07-08-plant"]
            .map(|id| ("read_news", json!({"id": id})))
            .into(),
        "risk" => vec![("risk", json!({}))],
        _ => vec![("compare", json!({}))],
    }
}

/// Puts what the analysts have said under headings.
fn edit(request: &Request) -> Message {
    let heard: Vec<String> =
        request.messages.iter().filter(|message| message.role == Role::User).map(|m| m.text().into_owned()).collect();
    let mut report = String::new();
    for paragraph in heard.iter().flat_map(|text| text.split("\n\n")) {
        let said = paragraph.strip_prefix('[').and_then(|said| said.split_once("] "));
        if let Some((subject, text)) = said {
            report += &format!("## The {subject}\n\n{text}\n\n");
        }
    }
    Message::assistant(format!("{report}## Outlook\n\n{MADE_UP}"))
}

fn told(request: &Request) -> String {
    let system = request.messages.iter().find(|message| message.role == Role::System);
    system.map(|message| message.text().into_owned()).unwrap_or_default()
}

fn result(part: &Part) -> Option<&ToolResult> {
    if let Part::ToolResult(result) = part { Some(result) } else { None }
}
