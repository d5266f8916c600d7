//! `show`: a source, with line numbers.

use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, bail};
use lorewell::Kind;
use lorewell::rag::index::Index;
use serde::Serialize;

use super::{Session, last};
use crate::editor;
use crate::exit::{Exit, Misuse};
use crate::output::{self, BOLD, DIM, REFERENCE, count, paint, plain};

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    first: usize,
    lines: Vec<&'a str>,
}

pub(super) async fn run(session: &Session, reference: &str, context: u32, open: bool) -> Result<Exit> {
    let index = session.index().await?;
    let (path, lines) = resolve(session, reference)?;
    let file = match index.file(&path).await {
        Err(error) if error.kind() == Kind::NotFound => {
            return Err(no_lines(&index, &path).await.unwrap_or(error.into()));
        }
        file => file?,
    };
    let on_disk = last::on_disk(&index, &file.path);
    if open {
        let on_disk = on_disk.with_context(|| format!("`{}` is not a file on disk", file.path))?;
        editor::open(&on_disk, lines.map_or(1, |lines| *lines.start()))?;
        return Ok(Exit::Done);
    }
    let text = index.text(&file.path).await?;
    let all: Vec<&str> = text.lines().collect();
    if let Some(first) = lines.as_ref().map(|lines| *lines.start()).filter(|first| *first as usize > all.len()) {
        bail!("`{}` has {}; there is no line {first}", file.path, count(all.len() as u64, "line"));
    }
    let wanted = window(lines.as_ref(), context as usize, all.len());
    let shown = &all[wanted.clone()];
    if session.is_json() {
        session.json(&Source { path: &file.path, first: wanted.start + 1, lines: shown.to_vec() })?;
        return Ok(Exit::Done);
    }
    output::line(&paint(REFERENCE, &plain(&file.path)))?;
    for (number, line) in (wanted.start + 1..).zip(shown) {
        let is_wanted = lines.as_ref().is_none_or(|lines| u32::try_from(number).is_ok_and(|n| lines.contains(&n)));
        let style = if is_wanted { BOLD } else { DIM };
        output::line(&format!("{} {}", paint(style, &format!("{number:>6}")), plain(line)))?;
    }
    Ok(Exit::Done)
}

/// Reads `NUMBER`, `PATH`, `PATH:LINE` or `PATH:LINE-LINE`.
fn resolve(session: &Session, reference: &str) -> Result<(String, Option<RangeInclusive<u32>>)> {
    if let Ok(number) = reference.parse::<usize>() {
        let shown = last::find(session, number)?;
        return Ok((shown.path, shown.first.zip(shown.last).map(|(first, last)| first..=last)));
    }
    let split = reference.rsplit_once(':').and_then(|(path, lines)| Some((path, line_range(lines)?)));
    Ok(match split {
        Some((path, lines)) => (path.to_owned(), Some(lines)),
        None => (reference.to_owned(), None),
    })
}

/// Says so when what follows the colon of a known path are no lines.
async fn no_lines(index: &Index, reference: &str) -> Option<anyhow::Error> {
    let (path, lines) = reference.rsplit_once(':')?;
    index.file(path).await.ok()?;
    Some(Misuse(format!("`{lines}` is neither a line nor lines like 12-18; give `{path}:12`")).into())
}

fn line_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
    (first > 0 && first <= last).then_some(first..=last)
}

/// Returns the range of lines to show, from 0.
fn window(lines: Option<&RangeInclusive<u32>>, context: usize, all: usize) -> std::ops::Range<usize> {
    let Some(lines) = lines else { return 0..all };
    let first = (*lines.start() as usize - 1).saturating_sub(context).min(all);
    let last = (*lines.end() as usize).saturating_add(context).min(all);
    first..last.max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ranges_are_read_and_bounded() {
        assert_eq!(line_range("92-94"), Some(92..=94));
        assert_eq!(line_range("7"), Some(7..=7));
        assert_eq!(line_range("0"), None);
        assert_eq!(line_range("9-3"), None);
        assert_eq!(line_range("x"), None);
        assert_eq!(window(Some(&(2..=3)), 3, 10), 0..6);
        assert_eq!(window(Some(&(99..=u32::MAX)), 3, 10), 10..10);
        assert_eq!(window(None, 3, 10), 0..10);
    }
}
