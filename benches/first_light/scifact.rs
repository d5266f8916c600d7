//! SciFact in BEIR's layout, and the measure it is judged by.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use lorewell_model::{Error, Kind, Result, ResultExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How deep the measure looks: the `10` of nDCG@10.
pub(crate) const DEPTH: usize = 10;

/// An abstract.
#[derive(Debug, Deserialize)]
pub(crate) struct Paper {
    /// Its name in the judgements.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    /// Its title.
    pub(crate) title: String,
    /// Its text.
    pub(crate) text: String,
}

/// A claim to find evidence for.
#[derive(Debug, Deserialize)]
pub(crate) struct Claim {
    /// Its name in the judgements.
    #[serde(rename = "_id")]
    pub(crate) id: String,
    /// Its text.
    pub(crate) text: String,
}

/// The collection, with the claims of its test set only.
#[derive(Debug)]
pub(crate) struct SciFact {
    /// All abstracts.
    pub(crate) papers: Vec<Paper>,
    /// The claims of the test set.
    pub(crate) claims: Vec<Claim>,
    relevant: HashMap<String, HashSet<String>>,
}

impl SciFact {
    /// Reads the collection.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let relevant = judgements(&folder.join("qrels/test.tsv"))?;
        let mut claims: Vec<Claim> = lines(&folder.join("queries.jsonl"))?;
        claims.retain(|claim| relevant.contains_key(&claim.id));
        Ok(Self { papers: lines(&folder.join("corpus.jsonl"))?, claims, relevant })
    }

    /// Returns the mean nDCG@10 over the claims, with linear gain as trec_eval has it. `search` gives the names of
    /// abstracts, best first.
    pub(crate) fn ndcg(&self, mut search: impl FnMut(&Claim) -> Result<Vec<String>>) -> Result<f64> {
        let mut sum = 0.0;
        for claim in &self.claims {
            let relevant = &self.relevant[&claim.id];
            let found = search(claim)?;
            let gain = |rank: usize| 1.0 / (rank as f64 + 2.0).log2(); // rank from 0
            let hits = found.iter().take(DEPTH).enumerate().filter(|(_, id)| relevant.contains(*id));
            let ideal: f64 = (0..relevant.len().min(DEPTH)).map(gain).sum();
            sum += hits.map(|(rank, _)| gain(rank)).sum::<f64>() / ideal;
        }
        Ok(sum / self.claims.len() as f64)
    }
}

/// Reads `claim <tab> abstract <tab> grade` lines after a header. Every grade of SciFact is 1.
fn judgements(path: &Path) -> Result<HashMap<String, HashSet<String>>> {
    let text = std::fs::read_to_string(path).context(|| format!("reading `{}`", path.display()))?;
    let mut relevant: HashMap<String, HashSet<String>> = HashMap::new();
    for line in text.lines().skip(1) {
        let mut words = line.split('\t');
        match (words.next(), words.next(), words.next()) {
            (Some(claim), Some(paper), Some("1")) => relevant.entry(claim.into()).or_default().insert(paper.into()),
            _ => return Err(Error::new(Kind::BadInput, format!("`{}`: `{line}` is no judgement", path.display()))),
        };
    }
    Ok(relevant)
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).context(|| format!("reading `{}`", path.display()))?;
    let bad = |error| Error::new(Kind::BadInput, format!("`{}`: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).map_err(bad)).collect()
}
