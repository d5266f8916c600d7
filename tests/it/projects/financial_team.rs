//! The team of analysts: what it shows, and its numbers beside others that are computed here, from the same files in other ways.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::expect;

use super::run;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/financial_team/data");

/// Runs the team, and returns what it printed, its report and its chart.
fn report() -> (String, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (shown, errors, code) = run("financial_team", &["brwd", "--out", "out"], folder.path());
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    (shown, read("report.md"), read("chart.svg"))
}

/// The figures of the table at the end of a report, by name, with their tools.
fn figures(report: &str) -> BTreeMap<&str, (&str, &str)> {
    let rows = report.lines().skip_while(|line| *line != "|---|---|---|").skip(1);
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[0], (cells[1], cells[2].trim_matches('`')))).collect()
}

/// Closing prices of a column, as text and as numbers.
fn column(ticker: &str) -> Vec<f64> {
    let table = std::fs::read_to_string(Path::new(DATA).join("prices.csv")).unwrap();
    let at = table.lines().next().unwrap().split(',').position(|name| name == ticker).unwrap();
    table.lines().skip(1).map(|row| row.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

fn statement(year: usize, field: &str) -> f64 {
    let text = std::fs::read_to_string(Path::new(DATA).join("statements.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    all["years"].as_array().unwrap().iter().find(|known| known["year"] == year).unwrap()[field].as_f64().unwrap()
}

#[test]
fn who_works_and_what_it_takes_is_shown() {
    let (shown, ..) = report();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    // Who of five that work at the same time is first is left open.
    let mut lines: Vec<&str> = shown.lines().collect();
    lines[2..].sort_unstable();
    expect![[r#"
        Brinewood Optics with mock:team. The company and its data are invented.
        The model is scripted: all but the numbers was written beforehand.

                      no tool gave 61
        11 requests, 10 calls of tools, 1055 tokens, $0.0000
        Written: out/report.md, out/chart.svg
        check         begins
        check         is done
        editor        begins
        editor        is done
        fundamentals  begins
        fundamentals  calls growth {"of":"net_income"}
        fundamentals  calls growth {"of":"revenue"}
        fundamentals  calls ratios {}
        fundamentals  is done
        news          begins
        news          calls read_news {"id":"2026-02-12-recall"}
        news          calls read_news {"id":"2026-05-20-order"}
        news          calls read_news {"id":"2026-07-08-plant"}
        news          is done
        peers         begins
        peers         calls compare {}
        peers         is done
        price         begins
        price         calls average {"days":50}
        price         calls performance {}
        price         is done
        risk          begins
        risk          calls risk {}
        risk          is done"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn the_report_marks_what_no_tool_gave() {
    let (_, report, _) = report();
    let (text, _) = report.split_once("## Where").unwrap();
    expect![[r#"
        # Brinewood Optics (BRWD)

        The company is invented, and so are its data. Not advice.

        ## The fundamentals

        In 2025 revenue grew by 13.7 % to 468.5 million EUR, and net income by 33.0 %. The gross margin was 41.0 %, the operating margin 13.5 %. Free cash flow was 42.5 million EUR, and debt is 0.35 of equity.

        ## The news

        A recall of 4,200 sensors will cost 6.5 million euros. A railway ordered cameras for 38 million euros. The plant for lenses grows by 2,600 square metres.

        ## The peers

        At 19.40 times earnings it is cheaper than HALV at 23.34 and OSTR at 27.19. Its net margin of 9.6 % is higher than theirs, 8.9 % and 5.4 %. The price of HALV changed by 17.6 %, that of OSTR by 10.1 %.

        ## The price

        The share closed at 36.45 EUR on 2026-08-18, a change of 7.2 % over the recorded days against 21.8 % of the index. It stood between 31.13 EUR and 42.55 EUR. The mean of the last 50 days is 35.30 EUR.

        ## The risk

        The price swings by 25.3 % a year. With a beta of 1.25 it moves more than the market. Its deepest fall was -26.8 %, from 2025-12-08 to 2026-05-18.

        ## Outlook

        If growth goes on like this, a price of 61 [?] EUR is within reach.

        ![Price, moving averages and drawdown](chart.svg)

    "#]].assert_eq(text);
    assert_eq!(text.matches("Not advice").count(), 1);
}

#[test]
fn figures_are_what_the_data_say() {
    let (_, report, _) = report();
    let figures = figures(&report);
    let check =
        |name: &str, tool: &str, expected: String| assert_eq!(figures.get(name), Some(&(&*expected, tool)), "{name}");
    let percent = |share: f64| format!("{:.1} %", share * 100.0);

    let (own, index) = (column("BRWD"), column("INDEX"));
    check("price change", "performance", percent((own[own.len() - 1] - own[0]) / own[0]));
    check("average 50", "average", format!("{:.2} EUR", own.iter().rev().take(50).sum::<f64>() / 50.0));
    check("volatility", "risk", percent((variance(&own) * 252.0).sqrt()));
    check("beta", "risk", format!("{:.2}", slope(&index, &own)));
    // The deepest fall is the lowest of all pairs of a day and a later one.
    let pairs = own.iter().enumerate().flat_map(|(day, high)| own[day..].iter().map(move |low| low / high - 1.0));
    check("deepest fall", "risk", percent(pairs.fold(0.0, f64::min)));

    let (revenue, before) = (statement(2025, "revenue"), statement(2024, "revenue"));
    check("revenue growth", "growth", percent((revenue - before) / before));
    check("gross margin", "ratios", percent((revenue - statement(2025, "cost_of_sales")) / revenue));
    check("debt to equity", "ratios", format!("{:.2}", statement(2025, "debt") / statement(2025, "equity")));
    let earnings = statement(2025, "net_income") / statement(2025, "shares");
    check("BRWD price to earnings", "compare", format!("{:.2}", own[own.len() - 1] / earnings));
}

/// Daily changes.
fn changes(prices: &[f64]) -> Vec<f64> {
    (1..prices.len()).map(|day| (prices[day] - prices[day - 1]) / prices[day - 1]).collect()
}

/// The variance of daily changes, by the mean of the squares.
fn variance(prices: &[f64]) -> f64 {
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for change in changes(prices) {
        (n, sum, squares) = (n + 1.0, sum + change, squares + change * change);
    }
    (squares - sum * sum / n) / (n - 1.0)
}

/// The slope of the line of least squares through the daily changes of two prices.
fn slope(of: &[f64], to: &[f64]) -> f64 {
    let (mut n, mut x, mut y, mut xy, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (a, b) in changes(of).into_iter().zip(changes(to)) {
        (n, x, y, xy, xx) = (n + 1.0, x + a, y + b, xy + a * b, xx + a * a);
    }
    (n * xy - x * y) / (n * xx - x * x)
}

#[test]
fn statements_add_up() {
    for year in [2024, 2025] {
        let of = |field| statement(year, field);
        let rest = of("operating_income") - of("interest") - of("tax") - of("net_income");
        assert!(rest.abs() < 1e-9, "{year}: {rest}");
    }
    let grown = statement(2024, "equity") + statement(2025, "net_income") - statement(2025, "dividends");
    assert!((grown - statement(2025, "equity")).abs() < 1e-9, "{grown}");
}

#[test]
fn the_chart_is_a_picture_of_all_days() {
    let (_, _, chart) = report();
    let chart = roxmltree::Document::parse(&chart).unwrap();
    assert_eq!(chart.root_element().tag_name().name(), "svg");
    let lines = chart.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "polyline")));
    let points: Vec<usize> = lines.map(|line| line.attribute("points").unwrap().split(' ').count()).collect();
    let days = column("BRWD").len();
    assert_eq!(points, [days, days - 19, days - 49, days]);
    assert!(chart.descendants().all(|node| node.attribute("href").is_none()), "it needs nothing else");
}
