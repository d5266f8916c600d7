//! Map and reduce: one task for each page, as many at a time as you allow; their results are folded in the order of the
//! pages, whichever is ready first.
//!
//! `cargo run --example map_reduce`

use std::collections::BTreeMap;
use std::time::Duration;

use lorewell::agent::{Cx, END, Goto, Graph, Result, START, State};

const PAGES: [&str; 4] = [
    "The river keeps the bridge company, and the bridge keeps the road.",
    "The road is old. The river is older.",
    "Nobody asks the bridge.",
    "At night the river talks, and the bridge listens.",
];

#[derive(Clone, Default, State)]
struct Book {
    #[reduce(with = add)]
    words: BTreeMap<String, u32>,
    #[reduce(append)]
    read: Vec<usize>,
    top: Vec<String>,
}

/// A rule of one's own: counts are added up, word by word.
fn add(total: &mut BTreeMap<String, u32>, page: BTreeMap<String, u32>) {
    for (word, n) in page {
        *total.entry(word).or_default() += n;
    }
}

/// Counts the words of the page that it was sent.
async fn count(cx: Cx<Book>) -> Result<BookUpdate> {
    let page: usize = cx.input()?;
    tokio::time::sleep(Duration::from_millis(40 / (page as u64 + 1))).await; // the first page takes longest
    let mut words = BTreeMap::new();
    for word in PAGES[page].split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 3) {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    Ok(Book::update().words(words).read([page]))
}

/// Runs once, when all pages are counted.
async fn rank(cx: Cx<Book>) -> Result<BookUpdate> {
    let mut ranked: Vec<(&String, &u32)> = cx.state().words.iter().collect();
    ranked.sort_by_key(|(word, n)| (std::cmp::Reverse(**n), *word));
    let top: Vec<String> = ranked.iter().take(3).map(|(word, n)| format!("{n} × {word}")).collect();
    Ok(Book::update().top(top))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let flow = Graph::<Book>::new()
        .node("count", count)
        .node("rank", rank)
        .branch(START, ["count"], |_: &Book| (0..PAGES.len()).map(|page| Goto::send("count", page)).collect::<Vec<_>>())
        .edge("count", "rank")
        .edge("rank", END)
        .build()?;

    let book = flow.run(Book::default()).parallel_max(8).await?.done()?;
    println!("pages, in order: {:?}", book.read);
    println!("{}", book.top.join("\n"));
    Ok(())
}
