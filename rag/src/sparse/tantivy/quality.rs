//! How well words alone find what is asked, on real collections. They are not part of the repository: the tests
//! look for them in the folder that `LOREWELL_DATA` names and do nothing without it.

use std::collections::HashMap;
use std::fs;

use tempfile::TempDir;

use super::*;

fn data(collection: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LOREWELL_DATA").map(|data| PathBuf::from(data).join(collection));
    if folder.is_none() {
        eprintln!("skipped: `LOREWELL_DATA` does not name a folder with `{collection}`");
    }
    folder
}

/// A chunk that owns its texts.
#[derive(Default)]
struct Passage {
    title: String,
    path: String,
    headings: Vec<String>,
    text: String,
}

async fn index(dir: &Path, passages: &[Passage]) -> TantivySparse {
    let chunks: Vec<Terms<'_>> = (0..).zip(passages).map(|(id, passage)| passage.terms(id)).collect();
    let store = TantivySparse::open(dir, Access::Write).await.unwrap();
    store.add(&chunks).await.unwrap();
    store.commit().await.unwrap();
    store
}

impl Passage {
    fn terms(&self, id: u64) -> Terms<'_> {
        let Self { title, path, headings, text } = self;
        Terms { id: ChunkId(id), title, path, headings, text, language: None }
    }
}

fn records(file: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(record: &serde_json::Value, field: &str) -> String {
    record[field].as_str().unwrap().to_owned()
}

/// Judged relevances: question → document → grade.
fn judgements(file: &Path) -> HashMap<String, HashMap<String, f64>> {
    let mut judgements: HashMap<_, HashMap<_, _>> = HashMap::new();
    for line in fs::read_to_string(file).unwrap().lines().skip(1) {
        let [question, document, grade] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        judgements.entry(question.to_owned()).or_default().insert(document.to_owned(), grade.parse().unwrap());
    }
    judgements
}

/// Discounted gain of a ranking's first ten over that of the best possible one, with linear gain.
fn ndcg_at_10(grades: &[f64], judged: &HashMap<String, f64>) -> f64 {
    let gain = |grades: &[f64]| -> f64 {
        (2u32..).zip(grades.iter().take(10)).map(|(rank, grade)| grade / f64::from(rank).log2()).sum()
    };
    let mut ideal: Vec<f64> = judged.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    gain(grades) / gain(&ideal)
}

#[tokio::test]
async fn scientific_claims_find_their_evidence() {
    let Some(folder) = data("scifact") else { return };
    let corpus = records(&folder.join("corpus.jsonl"));
    let judgements = judgements(&folder.join("qrels/test.tsv"));
    let questions = records(&folder.join("queries.jsonl"));
    let as_text = |record| Passage { text: text(record, "title") + "\n" + &text(record, "text"), ..Passage::default() };
    let apart = |record| Passage { title: text(record, "title"), text: text(record, "text"), ..Passage::default() };
    let both = |record| Passage { title: text(record, "title"), ..as_text(record) };
    let variants: [(&str, Vec<Passage>); 3] = [
        ("title in the text", corpus.iter().map(as_text).collect()),
        ("title apart", corpus.iter().map(apart).collect()),
        ("title in both", corpus.iter().map(both).collect()),
    ];
    for (variant, passages) in &variants {
        let dir = TempDir::new().unwrap();
        let store = index(dir.path(), passages).await;
        let mut sum = 0.0;
        let mut judged_questions = 0.0;
        for question in &questions {
            let Some(judged) = judgements.get(question["_id"].as_str().unwrap()) else { continue };
            let hits = store.search(question["text"].as_str().unwrap(), 10, None).await.unwrap();
            let grade = |hit: &Scored| {
                let document = corpus[usize::try_from(hit.id.0).unwrap()]["_id"].as_str().unwrap();
                judged.get(document).copied().unwrap_or(0.0)
            };
            sum += ndcg_at_10(&hits.iter().map(grade).collect::<Vec<_>>(), judged);
            judged_questions += 1.0;
        }
        let ndcg = sum / judged_questions;
        eprintln!("scifact, {variant}: nDCG@10 {ndcg:.4}");
        assert!(judged_questions == 300.0 && ndcg >= 0.68, "{variant}: {ndcg}");
    }
}

/// The sections of a Markdown file, each a passage.
fn sections(path: &str, markdown: &str) -> Vec<Passage> {
    let mut title = String::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut passages: Vec<Passage> = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        let rank = line.len() - line.trim_start_matches('#').len();
        if !in_code && rank > 0 {
            let heading = line[rank..].trim().to_owned();
            open.retain(|(outer, _)| *outer < rank);
            open.push((rank, heading.clone()));
            title = if title.is_empty() { heading } else { title };
            let headings = open.iter().map(|(_, heading)| heading.clone()).collect();
            passages.push(Passage { title: title.clone(), path: path.to_owned(), headings, text: String::new() });
        }
        if let Some(passage) = passages.last_mut() {
            passage.text.push_str(line);
            passage.text.push('\n');
        }
    }
    passages
}

/// Questions a reader may have, the file and the heading of the section that answers each.
const BOOK_QUESTIONS: [(&str, &str, &str); 24] = [
    ("what are the ownership rules?", "ch04-01", "Ownership Rules"),
    ("how do I declare a constant?", "ch03-01", "Declaring Constants"),
    ("what is shadowing?", "ch03-01", "Shadowing"),
    ("what is a dangling reference?", "ch04-02", "Dangling References"),
    ("what are the rules of references?", "ch04-02", "The Rules of References"),
    ("how do I slice a string?", "ch04-03", "String Slices"),
    ("how are methods defined on a struct?", "ch05-03", "Method Syntax"),
    ("how do I append to a string with push_str?", "ch08-02", "Appending with `push_str` or `push`"),
    ("why can't strings be indexed?", "ch08-02", "Indexing into Strings"),
    ("what does the ? operator do?", "ch09-02", "The `?` Operator Shortcut"),
    ("when should code panic? guidelines", "ch09-03", "Guidelines for Error Handling"),
    ("what are the lifetime elision rules?", "ch10-03", "Lifetime Elision"),
    ("how do I run a subset of the tests by name?", "ch11-02", "Running a Subset of Tests by Name"),
    ("how can tests be ignored unless requested?", "ch11-02", "Ignoring Tests Unless Specifically Requested"),
    ("how do closures capture their environment?", "ch13-01", "Capturing the Environment"),
    ("how do I publish a crate to crates.io?", "ch14-02", "Publishing to Crates.io"),
    ("how do I use Box<T> to store data on the heap?", "ch15-01", "Storing Data on the Heap"),
    ("how does deref coercion work?", "ch15-02", "Using Deref Coercion in Functions and Methods"),
    ("how do I break reference cycles with Weak<T>?", "ch15-06", "Preventing Reference Cycles Using `Weak<T>`"),
    ("what is the API of Mutex<T>?", "ch16-03", "The API of `Mutex<T>`"),
    ("atomic reference counting with Arc<T>", "ch16-03", "Atomic Reference Counting with `Arc<T>`"),
    ("what is a match guard?", "ch19-03", "Adding Conditionals with Match Guards"),
    ("how does a while let loop work?", "ch19-01", "`while let` Conditional Loops"),
    ("how do I dereference a raw pointer?", "ch20-01", "Dereferencing a Raw Pointer"),
];

#[tokio::test]
async fn questions_about_a_book_find_the_section() {
    let Some(folder) = data("rust-book/src") else { return };
    let mut passages = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_str().unwrap();
            passages.extend(sections(name, &fs::read_to_string(&path).unwrap()));
        }
    }
    let dir = TempDir::new().unwrap();
    let store = index(dir.path(), &passages).await;
    let mut sum = 0.0;
    for (question, file, heading) in BOOK_QUESTIONS {
        let hits = store.search(question, 10, None).await.unwrap();
        let is_answer = |hit: &Scored| {
            let passage = &passages[usize::try_from(hit.id.0).unwrap()];
            passage.path.starts_with(file) && passage.headings.last().unwrap() == heading
        };
        let rank = (1u32..).zip(&hits).find(|(_, hit)| is_answer(hit)).map(|(rank, _)| rank);
        if rank != Some(1) {
            eprintln!("rust-book, {question}: rank {rank:?}");
        }
        assert!(rank == Some(1) || question != "what are the ownership rules?");
        sum += rank.map_or(0.0, |rank| 1.0 / f64::from(rank));
    }
    let mrr = sum / f64::from(u32::try_from(BOOK_QUESTIONS.len()).unwrap());
    eprintln!("rust-book: mean reciprocal rank {mrr:.3}");
    assert!(mrr >= 0.7, "{mrr}");
}
