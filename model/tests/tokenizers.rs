//! Holds tokenizers against what others make of the same text. The vocabularies are not part of this repository: set
//! `LOREWELL_VOCABULARIES` to a folder of GGUF files, each with texts in a `.inp` beside it and their tokens in a `.out`, as
//! llama.cpp has them in `models`; `LOREWELL_TOKENIZERS` to what `tests/parity/hf_tokenizers.py` writes; `LOREWELL_DATA` to
//! the test data, whose models come both as GGUF and as folders.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use lorewell_model::local::{Gguf, Markers, Tokenizer};

/// What ends each text.
const END: &str = "\n__ggml_vocab_test__\n";

/// Returns the folder that a variable names, or says that it names none.
fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: set `{variable}` to hold tokenizers against others");
    }
    folder
}

/// Returns the files of a folder that end like this, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the variable names a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.retain(|path| path.extension() == Some(OsStr::new(extension)));
    files.sort();
    files
}

fn open(path: &Path) -> Tokenizer {
    let gguf = Gguf::open(path).unwrap_or_else(|error| panic!("{error}"));
    Tokenizer::from_gguf(&gguf).unwrap_or_else(|error| panic!("{error}"))
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, Markers::Text).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the texts and tokens that lie beside a vocabulary.
fn cases(path: &Path) -> Option<Vec<(String, Vec<u32>)>> {
    let beside = |extension: &str| fs::read_to_string(format!("{}.{extension}", path.display())).ok();
    let (texts, tokens) = (beside("inp")?, beside("out")?);
    let tokens =
        tokens.lines().map(|line| line.split_whitespace().map(|id| id.parse().expect("ids are numbers")).collect());
    let texts: Vec<_> = texts.strip_suffix(END).unwrap_or(&texts).split(END).map(str::to_owned).collect();
    let tokens: Vec<_> = tokens.collect();
    assert_eq!(texts.len(), tokens.len(), "every text of `{}` has its tokens", path.display());
    let cases = texts.into_iter().zip(tokens).collect();
    Some(cases)
}

#[test]
fn every_vocabulary_makes_the_tokens_that_llama_cpp_makes() {
    let Some(folder) = folder("LOREWELL_VOCABULARIES") else { return };
    let mut failed = 0;
    for path in files(&folder, "gguf") {
        let Some(cases) = cases(&path) else { continue };
        let tokenizer = open(&path);
        let wrong = cases.iter().filter(|(text, expected)| {
            let tokens = encode(&tokenizer, text);
            if tokens != *expected {
                eprintln!("{text:?}\n  gave   {tokens:?}\n  wanted {expected:?}");
            }
            // Pieces of words lose accents and white space.
            let is_lossy = path.to_string_lossy().contains("bert");
            assert!(is_lossy || tokenizer.decode(&tokens) == *text, "{text:?} comes back");
            tokens != *expected
        });
        let wrong = wrong.count();
        failed += wrong;
        eprintln!("{}: {} of {}", path.display(), cases.len() - wrong, cases.len());
    }
    assert_eq!(failed, 0, "texts have other tokens");
}

#[derive(serde::Deserialize)]
struct Answer {
    text: String,
    /// What tokenizers makes of it.
    tokens: Vec<u32>,
    /// What llama.cpp makes of it, where that is something else.
    llama_cpp: Option<Vec<u32>>,
}

/// Returns how many of the texts have tokens that are right, and says what the others have.
fn right(name: &str, tokenizer: &Tokenizer, answers: &[Answer], is_right: impl Fn(&Answer, &[u32]) -> bool) -> usize {
    let mut right = 0;
    for answer in answers {
        let found = encode(tokenizer, &answer.text);
        if is_right(answer, &found) {
            right += 1;
        } else {
            eprintln!("{name} {:?}\n  gave   {found:?}\n  wanted {:?}", answer.text, answer.tokens);
        }
    }
    right
}

#[test]
fn texts_have_the_tokens_that_hugging_face_makes() {
    let (Some(folder), Some(vocabularies)) = (folder("LOREWELL_TOKENIZERS"), folder("LOREWELL_VOCABULARIES")) else {
        return;
    };
    let mut failed = 0;
    let mut folders: Vec<_> = fs::read_dir(folder).expect("the variable names a folder").flatten().collect();
    folders.retain(|entry| entry.path().is_dir());
    folders.sort_by_key(fs::DirEntry::file_name);
    for entry in folders {
        let name = entry.file_name().to_string_lossy().into_owned();
        let answers = fs::read(entry.path().join("expected.json")).expect("answers can be read");
        let answers: Vec<Answer> = serde_json::from_slice(&answers).expect("answers have a text and tokens");
        let from_folder = Tokenizer::from_folder(&entry.path()).unwrap_or_else(|error| panic!("{error}"));
        let from_file = open(&vocabularies.join(format!("ggml-vocab-{name}.gguf")));
        let as_folder = right(&name, &from_folder, &answers, |answer, found| found == answer.tokens);
        // Where the judges disagree, a GGUF file may be read as either reads it.
        let as_file = right(&name, &from_file, &answers, |answer, found| {
            found == answer.tokens || answer.llama_cpp.as_deref() == Some(found)
        });
        failed += 2 * answers.len() - as_folder - as_file;
        eprintln!("{name}: {} of {}", as_folder + as_file, 2 * answers.len());
    }
    assert_eq!(failed, 0, "texts have other tokens");
}

#[test]
fn a_model_has_the_same_tokens_as_a_file_and_as_a_folder() {
    let Some(data) = folder("LOREWELL_DATA") else { return };
    for name in ["stories260K", "babyllama105"] {
        let folder = data.join("models").join(name);
        let from_folder = Tokenizer::from_folder(&folder).unwrap_or_else(|error| panic!("{error}"));
        for path in files(&folder, "gguf") {
            let from_file = open(&path);
            for path in files(&data.join("rust-book/src"), "md").into_iter().take(8) {
                let mut text = fs::read_to_string(path).expect("chapters are text");
                text.push_str("</s> <s>caf\u{e9} 漢字 🦀▁\t\u{a0}<0x0A>");
                for markers in [Markers::Text, Markers::Parse] {
                    let tokens = from_file.encode(&text, markers).unwrap_or_else(|error| panic!("{error}"));
                    assert_eq!(tokens, from_folder.encode(&text, markers).unwrap_or_else(|error| panic!("{error}")));
                }
            }
            assert_eq!(from_file.beginning(), from_folder.beginning());
            assert_eq!(from_file.vocabulary().stops(), from_folder.vocabulary().stops());
            for id in 0..u32::try_from(from_file.vocabulary().len()).expect("they are few") {
                assert_eq!(from_file.vocabulary().bytes(id), from_folder.vocabulary().bytes(id), "token {id}");
            }
        }
    }
}
