//! Section `quality`: nDCG@10 on SciFact through the index as a user has it (one Markdown file an abstract), by words,
//! by meaning and by both; and what int8 weights cost against the published f32 model.

use std::collections::HashMap;
use std::path::Path;

use lorewell::rag::chunk::ChunkOptions;
use lorewell::rag::search::{Fusion, Hits, Mode};
use lorewell_model::{Result, ResultExt};

use crate::args::Args;
use crate::lorewell::{Brain, Engine};
use crate::peers::Peers;
use crate::scifact::{DEPTH, SciFact};
use crate::table::{Bar, Row, Table};

/// Passages asked for: enough for ten different abstracts, since few have more than two passages.
const PASSAGES: usize = 50;
/// Texts embedded in one call, to bound memory.
const EMBED_TEXTS: usize = 512;

/// Measures and fills in the table.
pub(crate) fn run(args: &Args, table: &mut Table) -> Result<()> {
    let scifact = SciFact::read(&args.data("scifact")?)?;
    let scratch = tempfile::tempdir().context(|| "making a scratch folder".into())?;
    let folder = scratch.path().join("papers");
    let names = write(&scifact, &folder)?;
    let brain = Brain::open(&scratch.path().join("brain"), ChunkOptions::default())?;
    brain.add(&folder)?;

    let mut ndcg = |what: &str, mode, fusion, bar| -> Result<f64> {
        let figure = scifact.ndcg(|claim| Ok(papers(&brain.search(&claim.text, mode, fusion, PASSAGES)?, &names)))?;
        table.push(Row::alone(format!("SciFact nDCG@10, {what}"), "", vec![figure], bar));
        Ok(figure)
    };
    let words = ndcg("words", Mode::Words, Fusion::Dbsf, Bar::AtLeast(0.68))?;
    let meaning = ndcg("meaning", Mode::Meaning, Fusion::Dbsf, Bar::Shown)?;
    let both = ndcg("both by DBSF", Mode::Hybrid, Fusion::Dbsf, Bar::AtLeast(0.72))?;
    ndcg("both by RRF", Mode::Hybrid, Fusion::RRF, Bar::Shown)?;
    let lead = both - words.max(meaning);
    table.push(Row::alone("SciFact, DBSF above its better part", "", vec![lead], Bar::Above(0.0)));
    weights(&scifact, table)
}

/// Writes one file an abstract. File names carry no information: the ids of the collection are digits that claims
/// could contain, so they are spelt in letters.
fn write(scifact: &SciFact, folder: &Path) -> Result<HashMap<String, String>> {
    std::fs::create_dir_all(folder).context(|| format!("making `{}`", folder.display()))?;
    let mut names = HashMap::new();
    for paper in &scifact.papers {
        let letters: String = paper.id.bytes().map(|digit| char::from(b'g' + digit % 10)).collect();
        let path = folder.join(format!("{letters}.md"));
        let text = format!("# {}\n\n{}\n", paper.title, paper.text);
        std::fs::write(&path, text).context(|| format!("writing `{}`", path.display()))?;
        names.insert(letters, paper.id.clone());
    }
    Ok(names)
}

/// Returns the abstracts of the hits: each once, at the rank of its best passage.
fn papers(hits: &Hits, names: &HashMap<String, String>) -> Vec<String> {
    let mut papers: Vec<String> = Vec::new();
    for hit in &hits.hits {
        let stem = Path::new(&hit.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if let Some(id) = names.get(stem).filter(|id| !papers.contains(id)) {
            papers.push(id.clone());
        }
    }
    papers
}

/// Compares the bundled weights with the published ones, by exact search over whole abstracts.
fn weights(scifact: &SciFact, table: &mut Table) -> Result<()> {
    let published = Engine::open(&Peers::install()?.model_dir()?)?;
    let exact = by_meaning(scifact, &published)?;
    let bundled = by_meaning(scifact, &Engine::bundled()?)?;
    let loss = (exact - bundled).abs();
    table.push(Row::alone("SciFact nDCG@10, f32 weights, exact search", "", vec![exact], Bar::Shown));
    table.push(Row::alone("SciFact nDCG@10, int8 weights, exact search", "", vec![bundled], Bar::Shown));
    table.push(Row::alone("SciFact nDCG@10, int8 off f32 by", "", vec![loss], Bar::AtMost(0.005)));
    Ok(())
}

fn by_meaning(scifact: &SciFact, engine: &Engine) -> Result<f64> {
    let mut rows = Vec::with_capacity(scifact.papers.len());
    for papers in scifact.papers.chunks(EMBED_TEXTS) {
        let texts: Vec<String> = papers.iter().map(|paper| format!("{}\n{}", paper.title, paper.text)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        rows.extend(engine.embed(&texts)?.rows().map(<[f32]>::to_vec));
    }
    scifact.ndcg(|claim| {
        let query = engine.embed_queries(&[&claim.text])?;
        let score = |row: &Vec<f32>| row.iter().zip(query.row(0)).map(|(a, b)| a * b).sum::<f32>();
        let mut scored: Vec<(f32, &str)> =
            rows.iter().map(score).zip(scifact.papers.iter().map(|paper| paper.id.as_str())).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(scored.into_iter().take(DEPTH).map(|(_, id)| id.to_owned()).collect())
    })
}
