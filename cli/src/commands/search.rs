//! `search`: passages, one to a block like `path:lines: text`, with their reasons when asked.

use anyhow::Result;
use lorewell::rag::index::{FileState, Index};
use lorewell::rag::search::{Filter, Fusion, Hit, Hits, LIMIT_MAX, Meaning, Mode, Part, Search, Why};

use super::{Session, last, question, why_of};
use crate::args;
use crate::exit::Exit;
use crate::output::{self, BOLD, DIM, REFERENCE, columns, count, note, paint, plain};

/// Lines of a passage shown when not asked for more.
const LINES_SHOWN_MAX: usize = 6;

pub(super) async fn run(session: &Session, args: args::Search) -> Result<Exit> {
    let question = question::read(&args.question, "what to search for? for example: lorewell search \"cache\"")?;
    let index = session.index().await?;
    let limit = args.limit.unwrap_or_else(|| session.config.number("limit"));
    let search = index
        .search(&question)
        .mode(mode(args.mode))
        .fusion(fusion(session, args.fusion))
        .filter(filter(&args.filters))
        .limit(limit);
    if let Some(file) = args.why {
        return why(session, &index, search, &file, limit).await;
    }
    let hits = if args.explain { search.explain().await? } else { search.await? };
    last::keep(session, &hits.hits.iter().map(|hit| shown(session, hit)).collect::<Vec<_>>());
    print(session, &hits)?;
    if hits.hits.is_empty() {
        say_nothing_found(&index).await?;
    }
    Ok(if hits.hits.is_empty() { Exit::Nothing } else { Exit::Done })
}

pub(super) fn print(session: &Session, hits: &Hits) -> Result<()> {
    if session.global.json {
        return session.json(hits);
    }
    if session.global.jsonl {
        return hits.hits.iter().try_for_each(|hit| session.json(hit));
    }
    for (index, hit) in hits.hits.iter().enumerate() {
        print_hit(session, index + 1, hit)?;
    }
    say_meaning(&hits.meaning);
    Ok(())
}

/// Says that there is no hit, and what to do where there are no documents.
pub(super) async fn say_nothing_found(index: &Index) -> Result<()> {
    let is_empty = index.status().await?.chunks == 0;
    note(if is_empty {
        "Nothing found: there are no documents yet; read some with `lorewell ingest FOLDER`."
    } else {
        "Nothing found."
    });
    Ok(())
}

fn print_hit(session: &Session, number: usize, hit: &Hit) -> Result<()> {
    let reference = paint(REFERENCE, &plain(&hit.place.reference(&hit.path)));
    let headings = paint(DIM, &plain(&hit.headings.join(" > ")));
    let number = paint(BOLD, &format!("[{number}]"));
    output::line(&format!("{number} {}", columns([&reference, &headings])))?;
    let limit = if session.global.verbose > 0 { usize::MAX } else { LINES_SHOWN_MAX };
    let lines: Vec<&str> = hit.text.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in lines.iter().take(limit) {
        output::line(&format!("    {}", plain(line)))?;
    }
    if lines.len() > limit {
        output::line(&paint(DIM, &format!("    … {}", count((lines.len() - limit) as u64, "more line"))))?;
    }
    if !hit.terms.is_empty() {
        explain(hit)?;
    }
    Ok(())
}

fn explain(hit: &Hit) -> Result<()> {
    let part = |name: &str, part: Option<Part>| match part {
        Some(part) => format!("{name} rank {} score {:.3} adds {:.3}", part.rank, part.score, part.share),
        None => format!("{name} not among the candidates"),
    };
    let (words, meaning) = (part("words:", hit.words), part("meaning:", hit.meaning));
    output::line(&paint(DIM, &format!("    score {:.3} = {words}; {meaning}", hit.score)))?;
    let terms = hit.terms.iter().map(|term| format!("{} {:.2}", term.word, term.score));
    let terms: Vec<String> = terms.collect();
    output::line(&paint(DIM, &format!("    words: {}", plain(&terms.join(", ")))))
}

async fn why(session: &Session, index: &Index, search: Search, file: &str, limit: usize) -> Result<Exit> {
    let why = search.why(file).await?;
    if session.is_json() {
        session.json(&why)?;
    } else {
        print_why(index, &why, limit)?;
    }
    Ok(if why.rank.is_some() { Exit::Done } else { Exit::Nothing })
}

fn print_why(index: &Index, why: &Why, limit: usize) -> Result<()> {
    let path = paint(REFERENCE, &plain(&why.file.path));
    let reason = why.file.reason.as_deref().unwrap_or("no reason was noted");
    let reason = why_of(index, &why.file.path, reason);
    if why.file.state == FileState::Skipped {
        return output::line(&format!("{path} was skipped: {reason}."));
    }
    if why.file.state == FileState::Failed {
        return output::line(&format!("{path} could not be read: {reason}."));
    }
    output::line(&format!("{path} is indexed ({}).", count(why.chunks, "passage")))?;
    if why.filtered {
        return output::line("A filter of this search leaves it out.");
    }
    output::line(&match why.rank {
        Some(rank) => {
            format!("Its best passage ranks {rank} of {} for this query.", output::thousands(why.hits as u64))
        }
        None => "No passage of it was found for this query.".to_owned(),
    })?;
    let rank = |rank: Option<usize>| rank.map_or_else(|| "not found".to_owned(), |rank| format!("rank {rank}"));
    output::line(&format!("  by words: {}    by meaning: {}", rank(why.rank_words), rank(why.rank_meaning)))?;
    let (found, missing): (Vec<_>, Vec<_>) = why.terms.iter().partition(|term| term.score > 0.0);
    let words = |terms: Vec<&lorewell::rag::search::TermExplanation>| {
        let words: Vec<String> = terms.iter().map(|term| plain(&term.word)).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    output::line(&format!("  words found: {}    words missing: {}", words(found), words(missing)))?;
    if let Some(rank) = why.rank.filter(|rank| (limit + 1..=LIMIT_MAX).contains(rank)) {
        note(&format!("To see it: -n {rank}"));
    }
    say_meaning(&why.meaning);
    Ok(())
}

/// Says so when the search by meaning was not whole.
pub(super) fn say_meaning(meaning: &Meaning) {
    if let Meaning::Partial { embedded, chunks } = meaning {
        let percent = embedded * 100 / (*chunks).max(1);
        note(&format!("Vectors are {percent} % ready; the rest was searched by words. Continue: lorewell ingest"));
    }
    if let Meaning::Off { why } = meaning
        && why != "only words were asked for"
    {
        note(&format!("Searched by words only: {why}."));
    }
}

/// Names what `show NUMBER` is to show.
pub(super) fn shown(session: &Session, hit: &Hit) -> last::Shown {
    last::shown(session, &hit.path, &hit.place, vec![hit.text.clone()])
}

/// Reads the filters.
pub(super) fn filter(args: &args::Filters) -> Filter {
    let mut filter = Filter::default();
    filter.format = args.format;
    filter.path.clone_from(&args.path);
    filter.tag.clone_from(&args.tag);
    filter.since.clone_from(&args.since);
    filter.until.clone_from(&args.until);
    filter
}

fn mode(mode: args::Mode) -> Mode {
    match mode {
        args::Mode::Hybrid => Mode::Hybrid,
        args::Mode::Words => Mode::Words,
        args::Mode::Meaning => Mode::Meaning,
    }
}

/// Returns the fusion of the flag, else of the setting.
pub(super) fn fusion(session: &Session, flag: Option<args::Fusion>) -> Fusion {
    match flag {
        Some(args::Fusion::Dbsf) => Fusion::Dbsf,
        Some(args::Fusion::Rrf) => Fusion::RRF,
        None if session.config.value("fusion") == "rrf" => Fusion::RRF,
        None => Fusion::Dbsf,
    }
}
