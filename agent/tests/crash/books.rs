//! The graph that is killed: rounds of work in parallel, of every kind there is. Edges and sends, a graph inside with
//! its own state, retries, an error handler, questions, gates; and an effect or two in each task.

use std::collections::BTreeMap;
use std::time::Duration;

use lorewell_agent::{Command, Cx, END, Error, Flow, Goto, Graph, Kind, Node, Result, Retry, State, node};

use crate::outside::{Booked, Outside};

pub(crate) const ROUNDS: u32 = 6;
const SENDS: u32 = 3;

/// The state of the thread.
#[derive(Clone, Debug, Default, PartialEq, State)]
pub(crate) struct Books {
    #[reduce(sum)]
    pub(crate) round: u32,
    /// What happened, in order: the same in every run.
    #[reduce(append)]
    pub(crate) lines: Vec<String>,
    /// What chance and the clock gave, by what was booked.
    #[reduce(merge)]
    pub(crate) drawn: BTreeMap<String, String>,
    /// Blank again after the superstep that works on it.
    #[reduce(ephemeral)]
    pub(crate) motto: Option<String>,
}

/// The state of the graph inside.
#[derive(Clone, Debug, Default, PartialEq, State)]
pub(crate) struct Audit {
    pub(crate) round: u32,
    #[reduce(append)]
    pub(crate) lines: Vec<String>,
    #[reduce(merge)]
    pub(crate) drawn: BTreeMap<String, String>,
}

/// open → { book ×3, ask, shaky, broken or mend, audit } → close → open …
pub(crate) fn flow(outside: &Outside) -> Flow<Books> {
    let audit = inside(outside).within(
        |cx: &Cx<Books>| Audit { round: cx.state().round, ..Audit::default() },
        |audit: Audit| Books::update().lines(audit.lines).drawn(audit.drawn),
    );
    let retry = Retry::default().first(Duration::from_millis(1));
    Graph::new()
        .node("open", with(outside, open))
        .node("book", with(outside, book))
        .node("ask", with(outside, ask))
        .node("shaky", with(outside, shaky).retry(retry))
        .node("broken", with(outside, broken).on_error("mend"))
        .node("mend", with(outside, mend))
        .node("audit", audit)
        .node("close", with(outside, close))
        .start("open")
        .edge("open", "ask")
        .edge("open", "shaky")
        .edge("open", "broken")
        .edge("open", "audit")
        .branch("open", ["book"], |_: &Books| (0..SENDS).map(|n| Goto::send("book", n)).collect::<Vec<_>>())
        .edge("book", "close")
        .edge("ask", "close")
        .edge("shaky", "close")
        .edge("mend", "close")
        .edge("audit", "close")
        .branch("close", ["open", END], |books: &Books| if books.round < ROUNDS { "open" } else { END })
        .gate_after("close")
        .build()
        .unwrap()
}

/// look → { count, weigh } → judge.
pub(crate) fn inside(outside: &Outside) -> Flow<Audit> {
    Graph::new()
        .node("look", with(outside, audit))
        .node("count", with(outside, audit))
        .node("weigh", with(outside, audit))
        .node("judge", with(outside, audit))
        .start("look")
        .edge("look", "count")
        .edge("look", "weigh")
        .join(["count", "weigh"], "judge")
        .edge("judge", END)
        .build()
        .unwrap()
}

/// Makes a node of a function that needs the world outside.
fn with<S, R, Fut>(outside: &Outside, run: fn(Cx<S>, Outside) -> Fut) -> Node<S>
where
    S: State,
    R: Into<Command<S>> + 'static,
    Fut: Future<Output = Result<R>> + Send + 'static,
{
    let outside = outside.clone();
    node(move |cx| run(cx, outside.clone()))
}

fn task(cx: &Cx<Books>) -> String {
    format!("{}/{}", cx.state().round, cx.node())
}

fn booked(all: Vec<Booked>) -> BooksUpdate {
    let (lines, drawn): (Vec<_>, BTreeMap<_, _>) = all.into_iter().map(|booked| (booked.line, booked.drawn)).unzip();
    Books::update().lines(lines).drawn(drawn)
}

/// What somebody answers who is asked this.
pub(crate) fn answer(prompt: &str) -> u32 {
    prompt.bytes().map(u32::from).sum()
}

async fn open(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    let first = outside.book(&cx, &task, "open").await?;
    Ok(booked(vec![first]).round(1).motto(format!("round {}", cx.state().round + 1)))
}

async fn book(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let n: u32 = cx.input()?;
    let task = format!("{}-{n}", task(&cx));
    outside.begin(&cx, &task).await;
    tokio::time::sleep(Duration::from_micros(500 * u64::from(n))).await;
    let booked = booked(vec![outside.book(&cx, &task, "book").await?]);
    Ok(match &cx.state().motto {
        Some(motto) => booked.lines([format!("{task}: {motto}")]),
        None => booked,
    })
}

/// Asks twice, one question after the other.
async fn ask(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    let mut all = vec![outside.book(&cx, &task, "before").await?];
    if !cx.state().round.is_multiple_of(3) {
        return Ok(booked(all));
    }
    let first: u32 = cx.ask(format!("{task}?1")).await?;
    all.push(outside.book(&cx, &task, "between").await?);
    let second: u32 = cx.ask(format!("{task}?2")).await?;
    all.push(outside.book(&cx, &task, "after").await?);
    Ok(booked(all).lines([format!("{task}: {first} {second}")]))
}

async fn shaky(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    let first = outside.book(&cx, &task, "first").await?;
    if cx.attempt() == 1 {
        return Err(Error::new(Kind::Unavailable, "not at the first attempt"));
    }
    let second = outside.book(&cx, &task, "second").await?;
    Ok(booked(vec![first, second]))
}

async fn broken(cx: Cx<Books>, outside: Outside) -> Result<()> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    // What a task that fails has drawn reaches the state by the message of its error.
    let Booked { line, drawn: (entry, drawn) } = outside.book(&cx, &task, "broken").await?;
    Err(Error::new(Kind::Internal, format!("{line}|{entry}|{drawn}")))
}

async fn mend(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    let second = outside.book(&cx, &task, "mend").await?;
    let failure = cx.failure().unwrap();
    let parts: Vec<&str> = failure.message.split('|').collect();
    let [line, entry, drawn] = parts[..] else { panic!("{failure:?}") };
    let first = Booked { line: line.to_owned(), drawn: (entry.to_owned(), drawn.to_owned()) };
    Ok(booked(vec![first, second]))
}

async fn close(cx: Cx<Books>, outside: Outside) -> Result<BooksUpdate> {
    let task = task(&cx);
    outside.begin(&cx, &task).await;
    let first = outside.book(&cx, &task, "close").await?;
    assert_eq!(cx.state().motto, None);
    Ok(booked(vec![first]))
}

async fn audit(cx: Cx<Audit>, outside: Outside) -> Result<AuditUpdate> {
    let task = format!("{}/audit/{}", cx.state().round, cx.node());
    outside.begin(&cx, &task).await;
    // The same name twice: effects are then told apart by their order.
    let first = outside.book(&cx, &format!("{task}-1"), "audit").await?;
    let second = outside.book(&cx, &format!("{task}-2"), "audit").await?;
    let mut lines = vec![first.line, second.line];
    if cx.node() == "judge" && cx.state().round.is_multiple_of(2) {
        let verdict: u32 = cx.ask(format!("{task}?1")).await?;
        lines.push(format!("{task}: {verdict}"));
    }
    Ok(Audit::update().lines(lines).drawn(BTreeMap::from([first.drawn, second.drawn])))
}
