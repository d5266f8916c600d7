//! How figures are written: samples as their least and their median, tables in Markdown, times and sizes in the unit that
//! suits them. The bench of agents includes this file, so that both write the same.

use std::fmt::Write as _;

/// The least sample: what the work takes where nobody disturbs it.
pub(crate) fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The middle sample; of two the lower one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// Writes lines below a header.
pub(crate) fn drawn<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} "); // a string takes all
        }
        text.push_str("|\n");
        if at == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rules.join("|"));
        }
    }
    text
}

/// Writes a figure with about three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Writes a time in the unit that suits it.
pub(crate) fn microseconds(time: f64) -> String {
    match time {
        time if time >= 1e6 => format!("{} s", figure(time / 1e6)),
        time if time >= 1e3 => format!("{} ms", figure(time / 1e3)),
        time => format!("{} µs", figure(time)),
    }
}

/// Writes a size in the unit that suits it.
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        bytes if bytes >= 1e6 => format!("{} MB", figure(bytes / 1e6)),
        bytes => format!("{} kB", figure(bytes / 1e3)),
    }
}

/// Names the processor and the number of cores, and says how busy they are.
pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?").to_owned();
    format!("{}, {cores} cores, load average {load}", model.map_or("unknown processor", |(_, name)| name))
}
