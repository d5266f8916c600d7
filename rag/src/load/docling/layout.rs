//! From the lines of a page, with their boxes, to paragraphs, headings, list items and tables in reading order.
//! Plain geometry; what a line says matters only for list markers and headings.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::document::BlockKind;

/// A line whose size exceeds the body's by this much is a heading. Below it lies what fonts differ by anyway.
const HEADING_SIZE: f32 = 1.12;

/// The longest heading; large type that goes on for longer is a poster.
const HEADING_CHARS_MAX: usize = 160;

/// How many sizes of headings are told apart.
const HEADING_RANKS: usize = 6;

/// A gap between lines of this many times the usual distance starts a paragraph.
const PARAGRAPH_GAP: f32 = 1.35;

/// Lines that a column must have on each side of its gutter; fewer may be a table or chance.
const COLUMN_LINES_MIN: usize = 4;

/// How much of a column's width its lines fill, typically; the cells of a table fill less.
const COLUMN_FILL: f32 = 0.6;

/// Columns beside each other; newspapers have eight, found by halving.
const COLUMN_DEPTH_MAX: usize = 4;

/// Rows of one page that columns are looked for in: looking takes time that grows with their square.
const COLUMN_ROWS_MAX: usize = 400;

/// Pages on which the same first or last line makes it a running head.
const RUNNING_PAGES_MIN: usize = 3;

/// A run of text with its box; vertical positions grow downwards.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

/// The lines of a page, in rows from top to bottom.
#[derive(Debug, Default)]
pub(super) struct Page {
    rows: Vec<Row>,
}

/// Lines beside each other, from left to right.
type Row = Vec<Line>;

/// What the document as a whole says about its lines.
#[derive(Debug, Default)]
pub(super) struct Styles {
    /// Height of most text.
    body: f32,
    /// Heights of headings, in the unit of [`size_key`], and their ranks.
    ranks: BTreeMap<u32, u8>,
    /// Bookmarks: page, and key of the title, to rank.
    bookmarks: HashMap<(usize, String), u8>,
    /// Keys of the lines that stand on page after page.
    running: HashSet<String>,
}

/// A block-to-be.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) kind: BlockKind,
    pub(super) text: String,
    /// Rank, if it is a heading.
    pub(super) rank: Option<u8>,
}

impl Line {
    fn height(&self) -> f32 {
        (self.bottom - self.top).max(1.0)
    }

    fn middle(&self) -> f32 {
        f32::midpoint(self.top, self.bottom)
    }

    /// Text set at a right angle has a box that is much taller than one line of so many characters would be.
    fn is_upright(&self) -> bool {
        let sideways = self.text.chars().count() > 3 && self.bottom - self.top > 3.0 * (self.right - self.left);
        !sideways
    }
}

impl Page {
    /// Sorts lines into rows. Lines without text or with a box that is none are dropped.
    pub(super) fn new(mut lines: Vec<Line>) -> Self {
        let placed = |line: &Line| [line.left, line.top, line.right, line.bottom].iter().all(|it| it.is_finite());
        lines.retain(|line| !line.text.trim().is_empty() && placed(line) && line.is_upright());
        lines.sort_by(|a, b| a.middle().total_cmp(&b.middle()));
        let mut rows: Vec<Row> = Vec::new();
        for line in lines {
            match rows.last_mut() {
                Some(row) if row.iter().any(|it| beside(it, &line)) => row.push(line),
                _ => rows.push(vec![line]),
            }
        }
        for row in &mut rows {
            row.sort_by(|a, b| a.left.total_cmp(&b.left));
        }
        Self { rows }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts the page into reading order and cuts it into blocks.
    pub(super) fn pieces(&self, index: usize, styles: &Styles) -> Vec<Piece> {
        let last = self.rows.len().saturating_sub(1);
        let edge = |at: usize| at == 0 || at == last;
        let kept =
            self.rows.iter().enumerate().filter(|(at, row)| !(edge(*at) && styles.running.contains(&key_of(row))));
        let rows: Vec<Row> = kept.map(|(_, row)| row.clone()).collect();
        let mut regions = Vec::new();
        read_columns(rows, COLUMN_DEPTH_MAX, &mut regions);
        regions.iter().flat_map(|region| Region::new(region, index, styles).pieces()).collect()
    }
}

/// Tells whether two lines stand in the same row: they share half of the lower one's height, and no width.
fn beside(a: &Line, b: &Line) -> bool {
    let shared = a.bottom.min(b.bottom) - a.top.max(b.top);
    let apart = a.right <= b.left + 1.0 || b.right <= a.left + 1.0;
    apart && shared >= 0.5 * a.height().min(b.height())
}

/// Splits rows into regions that read from top to bottom, columns one after the other.
fn read_columns(rows: Vec<Row>, depth: usize, regions: &mut Vec<Vec<Row>>) {
    let mut plain: Vec<Row> = Vec::new();
    let searched = if depth == 0 || rows.len() > COLUMN_ROWS_MAX { rows.len() } else { 0 };
    let mut rest = rows.into_iter().peekable();
    plain.extend(rest.by_ref().take(searched));
    let mut rest: Vec<Row> = rest.collect();
    while !rest.is_empty() {
        let Some((count, gutter)) = columns_from_here(&rest) else {
            plain.push(rest.remove(0));
            continue;
        };
        let below = rest.split_off(count);
        if !plain.is_empty() {
            regions.push(std::mem::take(&mut plain));
        }
        let side = |keep: fn(&Line, f32) -> bool| -> Vec<Row> {
            let halves = rest.iter().map(|row| row.iter().filter(|line| keep(line, gutter)).cloned().collect());
            halves.filter(|row: &Row| !row.is_empty()).collect()
        };
        read_columns(side(|line, gutter| line.left < gutter), depth - 1, regions);
        read_columns(side(|line, gutter| line.left >= gutter), depth - 1, regions);
        rest = below;
    }
    if !plain.is_empty() {
        regions.push(plain);
    }
}

/// Finds the longest run of rows, from the first on, that one gutter parts into two columns of prose: how many rows,
/// and the gutter's middle.
fn columns_from_here(rows: &[Row]) -> Option<(usize, f32)> {
    let lines = || rows.iter().flatten();
    let left = lines().map(|line| line.left).fold(f32::INFINITY, f32::min);
    let right = lines().map(|line| line.right).fold(f32::NEG_INFINITY, f32::max);
    let mut free = vec![(left, right)];
    let mut found = None;
    for (at, row) in rows.iter().enumerate() {
        for line in row {
            free = free.iter().flat_map(|gap| without(*gap, (line.left, line.right))).collect();
        }
        free.retain(|(from, to)| to - from >= 0.7 * row[0].height());
        if free.is_empty() {
            break;
        }
        let so_far = &rows[..=at];
        let inner = free.iter().map(|(from, to)| f32::midpoint(*from, *to)).filter(|x| left < *x && *x < right);
        // The row on which a column ends may reach no further than its gutter, so the run is as long as a gutter holds.
        if let Some(gutter) = { inner }.find(|gutter| parts_prose(so_far, *gutter)) {
            found = Some((at + 1, gutter));
        }
    }
    found
}

/// Takes an interval out of another.
fn without(gap: (f32, f32), taken: (f32, f32)) -> impl Iterator<Item = (f32, f32)> {
    let pieces = if taken.1 <= gap.0 || taken.0 >= gap.1 {
        [Some(gap), None]
    } else {
        [(gap.0 < taken.0).then_some((gap.0, taken.0)), (taken.1 < gap.1).then_some((taken.1, gap.1))]
    };
    pieces.into_iter().flatten()
}

/// Tells whether the lines on both sides of a gutter look like columns of prose and not like cells of a table.
fn parts_prose(rows: &[Row], gutter: f32) -> bool {
    [true, false].into_iter().all(|left_side| {
        let lines = || rows.iter().flatten().filter(move |line| (line.left < gutter) == left_side);
        let left = lines().map(|line| line.left).fold(f32::INFINITY, f32::min);
        let right = lines().map(|line| line.right).fold(f32::NEG_INFINITY, f32::max);
        let filled = lines().filter(|line| line.right - line.left >= COLUMN_FILL * (right - left)).count();
        let all = lines().count();
        let words = lines().filter(|line| line.text.split_whitespace().nth(2).is_some()).count();
        all >= COLUMN_LINES_MIN && 2 * filled >= all && 2 * words >= all
    })
}

/// Rows that read from top to bottom.
struct Region<'a> {
    rows: &'a [Row],
    page: usize,
    styles: &'a Styles,
    /// Usual distance from one line to the next.
    pitch: f32,
}

impl<'a> Region<'a> {
    fn new(rows: &'a [Row], page: usize, styles: &'a Styles) -> Self {
        let mut steps: Vec<f32> = rows.windows(2).map(|pair| pair[1][0].top - pair[0][0].top).collect();
        steps.sort_by(f32::total_cmp);
        // The lower third: of a page of single lines with gaps between them, none is a continuation.
        let usual = steps.get(steps.len() / 3).copied().unwrap_or(0.0);
        let pitch = usual.min(2.0 * styles.body).max(styles.body);
        Self { rows, page, styles, pitch }
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < self.rows.len() {
            let (piece, rows) = self.heading(at).or_else(|| self.table(at)).unwrap_or_else(|| self.paragraph(at));
            pieces.push(piece);
            at += rows;
        }
        pieces
    }

    /// Reads a heading: a bookmark's title, on up to three rows, or rows in a heading's size.
    fn heading(&self, at: usize) -> Option<(Piece, usize)> {
        let mut text = String::new();
        for (count, row) in self.rows[at..].iter().take(3).enumerate() {
            text = joined(text, &row_text(row));
            if key(&text).is_empty() {
                break; // a page number, with the title of the page below it
            }
            if let Some(rank) = self.styles.bookmarks.get(&(self.page, key(&text))) {
                return Some((Piece { kind: BlockKind::Heading, text, rank: Some(*rank) }, count + 1));
            }
        }
        let rank = self.rank(at)?;
        let size = size_key(row_height(&self.rows[at]));
        let same = |next: &usize| size_key(row_height(&self.rows[*next])) == size && self.follows(*next, 2.0);
        let count = 1 + (at + 1..self.rows.len()).take_while(same).count();
        let text = self.rows[at..at + count].iter().fold(String::new(), |text, row| joined(text, &row_text(row)));
        let says_something = text.chars().any(char::is_alphabetic);
        let short = text.chars().count() <= HEADING_CHARS_MAX;
        (says_something && short).then_some((Piece { kind: BlockKind::Heading, text, rank: Some(rank) }, count))
    }

    /// Returns the rank that a row's size gives it. Bookmarks, where there are any, know better.
    fn rank(&self, at: usize) -> Option<u8> {
        let row = &self.rows[at];
        let sized = self.styles.bookmarks.is_empty() && row.len() == 1;
        sized.then(|| self.styles.ranks.get(&size_key(row_height(row))).copied())?
    }

    /// Reads a table: two rows or more whose cells begin at the same places.
    fn table(&self, at: usize) -> Option<(Piece, usize)> {
        let first = &self.rows[at];
        let aligned = |row: &Row| {
            let starts = |line: &Line| {
                first
                    .iter()
                    .any(|it| (it.left - line.left).abs() < it.height() || (it.right - line.right).abs() < it.height())
            };
            row.len() >= 2 && row.iter().filter(|line| starts(line)).count() >= 2
        };
        let count = self.rows[at..].iter().take_while(|row| aligned(row)).count();
        if first.len() < 2 || count < 2 {
            return None;
        }
        let cells = |row: &Row| row.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" | ");
        let text = self.rows[at..at + count].iter().map(cells).collect::<Vec<_>>().join("\n");
        Some((Piece { kind: BlockKind::Table, text, rank: None }, count))
    }

    /// Reads a paragraph or a list item.
    fn paragraph(&self, at: usize) -> (Piece, usize) {
        let mut text = row_text(&self.rows[at]);
        let kind = if is_item(&text) { BlockKind::ListItem } else { BlockKind::Paragraph };
        let mut count = 1;
        while at + count < self.rows.len() && self.continues(at, at + count, &kind) {
            text = joined(text, &row_text(&self.rows[at + count]));
            count += 1;
        }
        (Piece { kind, text, rank: None }, count)
    }

    /// Tells whether a row goes on with the paragraph that began at another.
    fn continues(&self, first: usize, next: usize, kind: &BlockKind) -> bool {
        let (row, previous) = (&self.rows[next], &self.rows[next - 1]);
        let indented = row[0].left - previous[0].left > 0.8 * row[0].height();
        // The second line of a list item hangs under its first word; that of a paragraph does not.
        let starts = indented && !(*kind == BlockKind::ListItem && next == first + 1);
        let outdented = *kind == BlockKind::ListItem && row[0].left < self.rows[first][0].left - row[0].height();
        self.follows(next, PARAGRAPH_GAP)
            && !starts
            && !outdented
            && !is_item(&row_text(row))
            && self.heading(next).is_none()
            && self.table(next).is_none()
    }

    /// Tells whether a row is as close under the one before it as lines of one paragraph are.
    fn follows(&self, next: usize, gap: f32) -> bool {
        let step = self.rows[next][0].top - self.rows[next - 1][0].top;
        step > 0.0 && step <= gap * self.pitch.max(row_height(&self.rows[next - 1]))
    }
}

impl Styles {
    /// Measures a document. Bookmarks are page (from 0), depth and title.
    pub(super) fn of(pages: &[Page], bookmarks: Vec<(usize, usize, String)>) -> Self {
        let mut chars: BTreeMap<u32, usize> = BTreeMap::new();
        for line in pages.iter().flat_map(|page| page.rows.iter().flatten()) {
            *chars.entry(size_key(line.height())).or_default() += line.text.chars().count();
        }
        let body_key = chars.iter().max_by_key(|(_, count)| **count).map_or(0, |(size, _)| *size);
        let body = points(body_key).max(1.0);
        let large = chars.keys().rev().filter(|size| points(**size) >= HEADING_SIZE * body).take(HEADING_RANKS);
        let ranks = large.zip(1u8..).map(|(size, rank)| (*size, rank)).collect();
        let present: HashSet<(usize, String)> = titles(pages, &bookmarks);
        let rank = |depth: usize| u8::try_from(depth + 1).unwrap_or(u8::MAX);
        let bookmarks = bookmarks.into_iter().map(|(page, depth, title)| ((page, key(&title)), rank(depth)));
        let bookmarks = bookmarks.filter(|(at, _)| present.contains(at)).collect();
        Self { body, ranks, bookmarks, running: running(pages) }
    }
}

/// Returns the bookmarks whose titles stand on their pages. Some outlines only say `Page 3`.
fn titles(pages: &[Page], bookmarks: &[(usize, usize, String)]) -> HashSet<(usize, String)> {
    let on_page = |(page, _, title): &(usize, usize, String)| {
        let title = key(title);
        let text: String = pages.get(*page)?.rows.iter().flatten().map(|line| key(&line.text)).collect();
        (!title.is_empty() && text.contains(&title)).then_some((*page, title))
    };
    bookmarks.iter().filter_map(on_page).collect()
}

/// Finds the first and last rows that stand, but for page numbers, on most pages.
fn running(pages: &[Page]) -> HashSet<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let edges = [page.rows.first(), page.rows.last()].into_iter().flatten().map(key_of);
        for key in edges.collect::<HashSet<_>>() {
            *counts.entry(key).or_default() += 1;
        }
    }
    let enough = RUNNING_PAGES_MIN.max(pages.len() / 2);
    counts.into_iter().filter(|(_, count)| *count >= enough).map(|(key, _)| key).collect()
}

/// Reduces a title to its letters, so that numbering, spaces and punctuation do not matter.
fn key(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

fn key_of(row: &Row) -> String {
    row.iter().map(|line| key(&line.text)).collect()
}

/// Sizes in half points: what fonts differ by less is rounding.
fn size_key(height: f32) -> u32 {
    const SIZE_MAX: f32 = 2000.0; // higher than any page
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=4000 just here")]
    let key = (height.clamp(0.0, SIZE_MAX) * 2.0).round() as u32;
    key
}

fn points(size_key: u32) -> f32 {
    f32::from(u16::try_from(size_key).unwrap_or(u16::MAX)) / 2.0
}

fn row_height(row: &Row) -> f32 {
    row.iter().map(Line::height).fold(0.0, f32::max)
}

fn row_text(row: &Row) -> String {
    row.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ")
}

/// Tells whether a line begins with a bullet or with a number as lists have it.
fn is_item(text: &str) -> bool {
    let Some((marker, _)) = text.trim_start().split_once(char::is_whitespace) else { return false };
    let number = marker.trim_start_matches('(').strip_suffix(['.', ')']);
    let counts = |it: &str| it.len() <= 3 && !it.is_empty() && it.chars().all(|c| c.is_ascii_digit());
    let letter = |it: &str| it.len() == 1 && it.chars().all(|c| c.is_ascii_lowercase());
    matches!(marker, "•" | "◦" | "▪" | "‣" | "·" | "–" | "-" | "*" | "o")
        || number.is_some_and(|it| counts(it) || letter(it))
}

/// Joins a line to the text before it. A hyphen between small letters at a line's end parts a word.
fn joined(mut text: String, next: &str) -> String {
    let mut ending = text.chars().rev();
    let hyphen = matches!(ending.next(), Some('-' | '\u{ad}' | '\u{2010}'));
    let within = hyphen && ending.next().is_some_and(char::is_lowercase) && next.starts_with(char::is_lowercase);
    if within {
        text.pop();
    } else if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(next);
    text
}
