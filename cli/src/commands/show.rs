//! `show`: a source, with line numbers.

use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, bail};
use lorewell::Kind;
use lorewell::rag::document::{Document, Format};
use lorewell::rag::index::{FileInfo, Index};
use lorewell::rag::load::read_text;
use lorewell::rag::place::{Place, Places};
use serde::Serialize;

use super::{Session, last, spot};
use crate::brain::{self, Brain};
use crate::editor;
use crate::exit::{Exit, Misuse};
use crate::output::{self, BOLD, DIM, REFERENCE, count, note, paint, plain};

#[derive(Serialize)]
struct Source<'a> {
    path: &'a str,
    first: usize,
    lines: Vec<&'a str>,
}

/// What a reference leads to.
struct Target {
    path: String,
    place: Place,
    quotes: Vec<String>,
}

/// A text to show, and which of its lines are meant; all if none are named.
struct Text {
    text: String,
    lines: Option<RangeInclusive<u32>>,
}

pub(super) async fn run(session: &Session, reference: &str, context: u32, open: bool) -> Result<Exit> {
    let (index, target) = match reference.parse::<usize>() {
        Ok(number) => numbered(session, number).await?,
        Err(_) => {
            let index = session.index().await?;
            let target = named(&index, reference).await?;
            (index, target)
        }
    };
    if open {
        let on_disk = last::on_disk(&index, &target.path);
        let on_disk = on_disk.with_context(|| format!("`{}` is not a file on disk", target.path))?;
        // A file without lines, or one that was never read, is opened at its top.
        let lines = if target.place.lines.is_some() { text(&index, &target).await?.lines } else { None };
        editor::open(&on_disk, lines.map_or(1, |lines| *lines.start()))?;
        return Ok(Exit::Done);
    }
    let text = text(&index, &target).await?;
    print(session, &target.path, &text, context as usize)?;
    Ok(Exit::Done)
}

fn print(session: &Session, path: &str, text: &Text, context: usize) -> Result<()> {
    let all: Vec<&str> = text.text.lines().collect();
    let lines = text.lines.as_ref();
    if let Some(first) = lines.map(|lines| *lines.start()).filter(|first| *first as usize > all.len()) {
        bail!("`{path}` has {}; there is no line {first}", count(all.len() as u64, "line"));
    }
    let wanted = window(lines, context, all.len());
    let shown = &all[wanted.clone()];
    if session.is_json() {
        return session.json(&Source { path, first: wanted.start + 1, lines: shown.to_vec() });
    }
    output::line(&paint(REFERENCE, &plain(path)))?;
    for (number, line) in (wanted.start + 1..).zip(shown) {
        let is_wanted = lines.is_none_or(|lines| u32::try_from(number).is_ok_and(|n| lines.contains(&n)));
        let style = if is_wanted { BOLD } else { DIM };
        output::line(&format!("{} {}", paint(style, &format!("{number:>6}")), plain(line)))?;
    }
    Ok(())
}

/// Returns what was shown under a number, in the brain that it was shown from.
async fn numbered(session: &Session, number: usize) -> Result<(Index, Target)> {
    let last::Shown { brain, project, path, place, quotes } = last::find(session, number)?;
    let brain = Brain { dir: brain, project };
    if !brain.exists() {
        bail!("the brain `{}` of the last result is gone; search or ask again", brain.dir.display());
    }
    let index = brain.open(&session.config).await?;
    let path = index.file(&path).await?.path;
    Ok((index, Target { path, place, quotes }))
}

/// Reads a reference as it is printed: `PATH`, `PATH:LINE`, `PATH:LINE-LINE`, `PATH p.PAGE` or `PATH §HEADING`. What is
/// a path as a whole is no reference into another.
async fn named(index: &Index, reference: &str) -> Result<Target> {
    let mut unknown = match file(index, reference).await? {
        Ok(file) => return Ok(Target { path: file.path, place: Place::default(), quotes: Vec::new() }),
        Err(unknown) => unknown,
    };
    for (path, place) in readings(reference) {
        match file(index, path).await? {
            Ok(file) => return Ok(Target { path: file.path, place, quotes: Vec::new() }),
            Err(error) => unknown = error,
        }
    }
    Err(no_lines(index, reference).await.unwrap_or(unknown.into()))
}

/// Finds a file of the index; not to know it is no failure of the search.
async fn file(index: &Index, path: &str) -> Result<Result<FileInfo, lorewell::Error>> {
    match index.file(path).await {
        Err(error) if error.kind() != Kind::NotFound => Err(error.into()),
        found => Ok(found),
    }
}

/// Splits a reference into a path and a place in all ways in which it can be meant.
fn readings(reference: &str) -> Vec<(&str, Place)> {
    let mut readings = Vec::new();
    if let Some((path, page)) = reference.rsplit_once(" p.")
        && let Ok(page) = page.parse()
    {
        readings.push((path, Place { page: Some(page), ..Place::default() }));
    }
    for (at, sign) in reference.match_indices(" §") {
        let headings = vec![reference[at + sign.len()..].trim().to_owned()];
        readings.push((&reference[..at], Place { headings, ..Place::default() }));
    }
    if let Some((path, lines)) = reference.rsplit_once(':')
        && let Some(lines) = line_range(lines)
    {
        readings.push((path, Place { lines: Some(lines), ..Place::default() }));
    }
    readings
}

/// Reads the text that a reference leads into, and finds the lines that it means.
async fn text(index: &Index, target: &Target) -> Result<Text> {
    let documents = index.documents().await?;
    let format = documents.iter().find(|document| document.path == target.path).map(|document| document.format);
    if format.is_some_and(|format| !matches!(format, Format::Pdf | Format::Docx)) {
        return lined(index, target).await;
    }
    let Target { path, place, quotes } = target;
    if quotes.is_empty() && (place.page.is_some() || !place.headings.is_empty()) {
        return part(index, target).await;
    }
    // To read such a file again can take seconds, and the words lead to the place as well.
    let text = index.text(path).await?;
    let found = spot::quoted(&text, quotes, &(0..text.len()));
    if found.is_none() && !quotes.is_empty() {
        note("The passage was not found again; this is the whole document.");
    }
    let lines = found.map(|found| spot::lines_of(&text, &found)).or_else(|| place.lines.clone());
    Ok(Text { text, lines })
}

/// Reads a file that has lines as it is now; if it is gone, as it was read. What was quoted may have moved since.
async fn lined(index: &Index, target: &Target) -> Result<Text> {
    let (file, lines) = (index.file_of(&target.path), target.place.lines.clone());
    // Not to be read any more is no error: the index has kept what it read.
    let Ok(text) = read_text(&file) else {
        return Ok(Text { text: index.text(&target.path).await?, lines });
    };
    if target.quotes.is_empty() {
        return Ok(Text { text, lines });
    }
    // What cannot be loaded any more, such as JSON that is being edited, still has words and lines.
    let loaded = load(index, &target.path).await;
    let document = loaded.unwrap_or_else(|_| Document::new(Format::Text, text.clone()));
    let expected = spot::range_of(&document, &target.place).unwrap_or(0..document.text.len());
    let quoted = spot::quoted(&document.text, &target.quotes, &expected);
    let quoted = quoted.and_then(|found| Places::new(&document).place(found).lines);
    if quoted.is_none() {
        note("The file has changed and does not say it any more; these are the lines where it stood.");
    }
    Ok(Text { text, lines: quoted.or(lines) })
}

/// Reads a page or a section of a file again, as only a loader knows where they begin.
async fn part(index: &Index, target: &Target) -> Result<Text> {
    let Target { path, place, .. } = target;
    let part = match place.page {
        Some(page) => format!("page {page}"),
        None => format!("section `{}`", place.headings.join(" > ")),
    };
    let document = load(index, path).await.with_context(|| format!("finding {part} of `{path}`"))?;
    let Some(range) = spot::range_of(&document, place) else {
        bail!("`{path}` has no {part}; `lorewell show` without it shows the whole document");
    };
    let lines = spot::lines_of(&document.text, &range);
    Ok(Text { text: document.text, lines: Some(lines) })
}

async fn load(index: &Index, path: &str) -> Result<Document> {
    let (loader, file) = (brain::loader()?, index.file_of(path));
    Ok(tokio::task::spawn_blocking(move || loader.load(&file)).await??.document)
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

    #[test]
    fn a_reference_is_read_as_it_was_printed() {
        let check = |reference: &str, expected: &[(&str, Place)]| assert_eq!(readings(reference), expected);
        let lines = |lines| Place { lines: Some(lines), ..Place::default() };
        let section = |title: &str| Place { headings: vec![title.to_owned()], ..Place::default() };
        check("a.md:92-94", &[("a.md", lines(92..=94))]);
        check("text:minutes:1", &[("text:minutes", lines(1..=1))]);
        check("a b.pdf p.3", &[("a b.pdf", Place { page: Some(3), ..Place::default() })]);
        check("a.docx §Terms > § 5: 2", &[("a.docx", section("Terms > § 5: 2")), ("a.docx §Terms >", section("5: 2"))]);
        check("a.md", &[]);
        check("a.md:x", &[]);
    }
}
