//! Vocabularies made here, and the models of the test data.

use std::fs;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Writes GGUF files that have metadata alone.
#[derive(Default, Clone)]
struct Writer {
    entries: u64,
    bytes: Vec<u8>,
}

impl Writer {
    fn raw(mut self, name: &str, kind: u32, value: &[u8]) -> Self {
        self.entries += 1;
        self.bytes.extend(text(name));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
        self
    }

    fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, 8, &text(value))
    }

    fn number(self, name: &str, value: u32) -> Self {
        self.raw(&key(name), 4, &value.to_le_bytes())
    }

    fn flag(self, name: &str, value: bool) -> Self {
        self.raw(&key(name), 7, &[value.into()])
    }

    fn array(self, name: &str, kind: u32, len: usize, values: &[u8]) -> Self {
        let mut array = kind.to_le_bytes().to_vec();
        array.extend((len as u64).to_le_bytes());
        array.extend(values);
        self.raw(&key(name), 9, &array)
    }

    fn texts<T: AsRef<str>>(self, name: &str, values: &[T]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| text(value.as_ref())).collect();
        self.array(name, 8, values.len(), &bytes)
    }

    fn scores(self, values: &[f32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array("scores", 6, values.len(), &bytes)
    }

    fn types(self, values: &[i32]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array("token_type", 5, values.len(), &bytes)
    }

    fn read(&self) -> Result<Tokenizer> {
        let folder = tempfile::tempdir().expect("the system has a folder for what is temporary");
        let path = folder.path().join("m.gguf");
        let header = [b"GGUF".as_slice(), &3_u32.to_le_bytes(), &0_u64.to_le_bytes(), &self.entries.to_le_bytes()];
        fs::write(&path, [header.concat(), self.bytes.clone()].concat()).expect("the folder is new");
        Tokenizer::from_gguf(&Gguf::open(&path)?)
    }

    fn error(&self, expected: &str) {
        let error = self.read().expect_err("it is wrong");
        assert!(error.message().contains(expected), "{error}");
    }
}

fn key(name: &str) -> String {
    format!("tokenizer.ggml.{name}")
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A vocabulary whose tokens have scores, like Llama 2's: 3 marks, 256 bytes, and some text.
fn scored() -> Writer {
    let words = ["▁", "a", "b", "c", "▁a", "ab", "▁ab", "aa", "aaaa", "<", "/", "s", ">", "</", "s>"];
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    tokens.extend((0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(words.map(str::to_owned));
    let types = [vec![2, 3, 3], vec![6; 256], vec![1; words.len()]].concat();
    let scores: Vec<f32> = (0_u8..).map(|id| -f32::from(id)).take(words.len()).collect();
    let scores = [vec![0.0; 259], scores].concat();
    Writer::default().text(&key("model"), "llama").texts("tokens", &tokens).types(&types).scores(&scores)
}

/// A vocabulary of bytes that are merged, like GPT-2's, with two marks and an added token.
fn ranked(pre: &str) -> Writer {
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "Ġ Ġ"];
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| byte_level::name(byte).to_string()).collect();
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let types = [vec![1; tokens.len()], vec![4, 3, 4]].concat();
    tokens.extend(["<think>", "<|im_end|>", "<|im_start|>"].map(str::to_owned));
    let writer = Writer::default().text(&key("model"), "gpt2").text(&key("pre"), pre);
    writer.texts("tokens", &tokens).types(&types).texts("merges", &merges)
}

/// A vocabulary of pieces of words, like BERT's.
fn pieces() -> Writer {
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁hello", "▁wor", "ld", "▁!", "▁cafe"];
    let writer = Writer::default().text(&key("model"), "bert").texts("tokens", &tokens);
    let writer = writer.types(&[3, 3, 3, 3, 1, 1, 1, 1, 1]).number("unknown_token_id", 1).number("padding_token_id", 0);
    writer.number("cls_token_id", 2).number("seperator_token_id", 3)
}

/// A vocabulary of likely tokens, like T5's.
fn likely() -> Writer {
    let tokens = ["<pad>", "</s>", "<unk>", "▁", "▁a", "a", "b", "ab", "▁ab", "</", "s>"];
    let writer = Writer::default().text(&key("model"), "t5").texts("tokens", &tokens);
    let writer = writer.types(&[3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1]).flag("add_space_prefix", true);
    writer.scores(&[0.0, 0.0, 0.0, -2.0, -2.5, -4.0, -4.0, -5.0, -9.0, -5.0, -5.0])
}

/// Shows what the tokens of a text stand for.
fn check(tokenizer: &Tokenizer, text: &str, markers: Markers, expected: &Expect) {
    let tokens = tokenizer.encode(text, markers).unwrap();
    let names: Vec<_> = tokens.iter().map(|id| String::from_utf8_lossy(tokenizer.vocabulary().bytes(*id))).collect();
    expected.assert_eq(&names.join("|"));
}

#[test]
fn scores_decide_what_is_merged_first() {
    let tokenizer = scored().read().unwrap();
    check(&tokenizer, "ab ab", Markers::Text, &expect![[r" ab| ab"]]);
    check(&tokenizer, "cab", Markers::Text, &expect![[r" |c|ab"]]);
    check(&tokenizer, "é", Markers::Text, &expect![[r" |�|�"]]);
    check(&tokenizer, "", Markers::Text, &expect![[r""]]);
    assert_eq!((tokenizer.beginning(), tokenizer.ending()), ([1].as_slice(), [].as_slice()));
    assert_eq!(
        (tokenizer.bos_text(), tokenizer.eos_text(), tokenizer.unk_text()),
        (Some("<s>"), Some("</s>"), Some("<unk>"))
    );
    assert_eq!(tokenizer.vocabulary().stops(), [2]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("  ab é", Markers::Text).unwrap()), "  ab é");
}

#[test]
fn marks_are_made_only_where_they_are_meant() {
    let tokenizer = scored().read().unwrap();
    check(&tokenizer, "a</s>b", Markers::Parse, &expect![[r" a|</s>| |b"]]);
    check(&tokenizer, "a</s>b", Markers::Text, &expect![[r" a|</|s>|b"]]);
    let tokenizer = ranked("gpt-2").read().unwrap();
    check(&tokenizer, "<|im_end|>hello", Markers::Parse, &expect![[r"<|im_end|>|hello"]]);
    check(&tokenizer, "<|im_end|>hello", Markers::Text, &expect![[r"<|||i|m|_|e|n|d|||>|hello"]]);
    check(&tokenizer, "<|im_start|> <think>", Markers::Text, &expect![[r"<|||i|m|_|s|t|a|r|t|||>| |<think>"]]);
    let tokenizer = likely().read().unwrap();
    check(&tokenizer, "ab</s>", Markers::Text, &expect![[r" a|b|</|s>"]]);
    check(&tokenizer, "ab</s>", Markers::Parse, &expect![[r" a|b|</s>"]]);
    let tokenizer = pieces().read().unwrap();
    check(&tokenizer, "[CLS] hello", Markers::Parse, &expect![[r"[CLS]| hello"]]);
    check(&tokenizer, "[CLS] hello", Markers::Text, &expect![[r"[UNK]|[UNK]|[UNK]| hello"]]);
}

#[test]
fn what_ends_an_answer_is_no_text_whatever_the_file_calls_it() {
    // `aa` is text to the file.
    let tokenizer = scored().number("eot_token_id", 266).read().unwrap();
    check(&tokenizer, "aab", Markers::Text, &expect![[r" a|ab"]]);
    check(&tokenizer, "aab", Markers::Parse, &expect![[r"aa| |b"]]);
    assert_eq!(tokenizer.vocabulary().stops(), [2, 266]);
}

#[test]
fn threads_can_share_it() {
    fn shared<T: Send + Sync>() {}
    shared::<Tokenizer>();
}

#[test]
fn ranks_decide_what_is_merged_first() {
    let tokenizer = ranked("gpt-2").read().unwrap();
    check(&tokenizer, "hello  hello", Markers::Text, &expect![[r"hello| | hello"]]);
    check(&tokenizer, "hell  ", Markers::Text, &expect![[r"hell|  "]]);
    assert_eq!(tokenizer.id("Ġhello"), Some(260));
    assert!(tokenizer.beginning().is_empty());
    assert_eq!(tokenizer.vocabulary().bytes(260), b" hello");
    assert_eq!(tokenizer.vocabulary().kind(263), TokenKind::Control);
    assert_eq!(tokenizer.vocabulary().kind(264), TokenKind::Control, "it is written as a mark");
    assert_eq!(tokenizer.vocabulary().stops(), [263]);
}

#[test]
fn words_are_cut_into_known_pieces() {
    let tokenizer = pieces().read().unwrap();
    check(&tokenizer, "Hello WORLD!", Markers::Text, &expect![[r" hello| wor|ld| !"]]);
    check(&tokenizer, "café x", Markers::Text, &expect![[r" cafe|[UNK]"]]);
    assert_eq!((tokenizer.beginning(), tokenizer.ending()), ([2].as_slice(), [3].as_slice()));
    assert_eq!((tokenizer.id("##ld"), tokenizer.id("hello"), tokenizer.pad_text()), (Some(6), Some(4), Some("[PAD]")));
}

#[test]
fn the_likeliest_tokens_win() {
    let tokenizer = likely().read().unwrap();
    check(&tokenizer, "ab b", Markers::Text, &expect![[r" a|b| |b"]]);
    check(&tokenizer, "xyb", Markers::Text, &expect![[r" |<unk>|b"]]);
    assert_eq!((tokenizer.beginning(), tokenizer.ending()), ([].as_slice(), [1].as_slice()));
}

#[test]
fn some_marks_take_the_white_space_after_them() {
    let tokens = ["<unk>", "<s>", "</s>", "▁", "a", "<|end|>"];
    let writer = Writer::default().text(&key("model"), "llama").text("general.name", "Phi-3 mini");
    let writer = writer.texts("tokens", &tokens).types(&[2, 3, 4, 1, 1, 3]).scores(&[0.0; 6]);
    let tokenizer = writer.read().unwrap();
    check(&tokenizer, "a<|end|> \n a<s> a", Markers::Parse, &expect![[r" |a|<|end|>| |a|<s>| | |a"]]);
    check(&tokenizer, "</s>", Markers::Text, &expect![[r" |<unk>"]]);
}

#[test]
fn flags_of_a_file_win() {
    let writer = scored().flag("add_bos_token", false).flag("add_eos_token", true).flag("add_space_prefix", false);
    let tokenizer = writer.number("eos_token_id", 1).read().unwrap();
    assert_eq!((tokenizer.beginning(), tokenizer.ending()), ([].as_slice(), [1].as_slice()));
    assert_eq!(tokenizer.vocabulary().stops(), [1, 2]);
    check(&tokenizer, "ab", Markers::Text, &expect!["ab"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    Writer::default().text(&key("model"), "gpt2").error("no `tokenizer.ggml.tokens`");
    Writer::default()
        .array("tokens", 0, 10_000_000, &vec![0; 10_000_000])
        .error("10000000 entries, more than the 2097152");
    Writer::default().array("tokens", 0, 3, &[0; 3]).error("`tokenizer.ggml.tokens` has 0 entries and should have 3");
    Writer::default().texts::<&str>("tokens", &[]).error("`tokenizer.ggml.tokens` is empty");
    let tokens = || Writer::default().texts("tokens", &["a", "b"]);
    tokens().error("its tokenizer is a ``");
    tokens().text(&key("model"), "rwkv").error("its tokenizer is a `rwkv`");
    tokens().text(&key("model"), "llama").error("no `tokenizer.ggml.scores`");
    tokens()
        .text(&key("model"), "llama")
        .scores(&[0.0; 3])
        .error("`tokenizer.ggml.scores` has 3 entries and should have 2");
    tokens().text(&key("model"), "llama").scores(&[0.0, f32::NAN]).error("the score of token 1 is no number");
    tokens().types(&[1]).error("`tokenizer.ggml.token_type` has 1 entries and should have 2");
    let bytes = || tokens().text(&key("model"), "gpt2").text(&key("pre"), "gpt-2");
    bytes().error("no `tokenizer.ggml.merges`");
    bytes().texts("merges", &["a b"]).error("merge 0, `a b`, needs `ab`, which is no token");
    bytes().texts("merges", &["a"]).error("merge 0, `a`, is not of two tokens");
    bytes().texts("merges", &["", "é"]).error("merge 0, ``, is not of two tokens");
    bytes().texts("merges", &["a x"]).error("needs `x`");
    let empty: [&str; 0] = [];
    bytes()
        .texts("merges", &empty)
        .number("eos_token_id", 2)
        .error("`tokenizer.ggml.eos_token_id` is 2, and there are 2 tokens");
    ranked("llama-9").error("`llama-9`");
    likely()
        .array("precompiled_charsmap", 0, 6, &[9, 0, 0, 0, 1, 2])
        .error("`tokenizer.ggml.precompiled_charsmap` is damaged");
    tokens().text(&key("model"), "bert").error("no `tokenizer.ggml.unknown_token_id`");
}

#[test]
fn long_words_take_no_longer_than_many_short_ones() {
    let tokenizer = scored().read().unwrap();
    let tokens = tokenizer.encode(&"a".repeat(1 << 17), Markers::Text).unwrap();
    assert_eq!(tokens.len(), (1 << 15) + 2, "` a`, fours, a two and a one");
}

/// Writes the files of a folder.
fn folder(files: &[(&str, serde_json::Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the system has a folder for what is temporary");
    for (name, json) in files {
        fs::write(folder.path().join(name), json.to_string()).expect("the folder is new");
    }
    folder
}

fn bytes_json() -> serde_json::Value {
    let vocabulary: serde_json::Map<_, _> =
        (0..=u8::MAX).map(|byte| (byte_level::name(byte).to_string(), byte.into())).collect();
    let added = |id: u32, content: &str, special: bool| {
        json!({"id": id, "content": content, "special": special, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false})
    };
    json!({
        "version": "1.0",
        "truncation": {"max_length": 2, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "added_tokens": [added(256, "<|im_end|>", false), added(257, "<eot>", true), added(258, "<think>", false)],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    })
}

#[test]
fn a_folder_tells_its_tokens_in_several_files() {
    let folder = folder(&[
        ("tokenizer.json", bytes_json()),
        (
            "tokenizer_config.json",
            json!({"eos_token": {"content": "<eot>"}, "bos_token": "<eot>", "add_bos_token": true}),
        ),
        ("special_tokens_map.json", json!({"eos_token": "!", "pad_token": "<think>"})),
        ("generation_config.json", json!({"eos_token_id": [257, 34]})),
    ]);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.vocabulary().stops(), [33, 34, 256, 257]);
    assert_eq!((tokenizer.beginning(), tokenizer.ending()), ([257].as_slice(), [].as_slice()));
    assert_eq!(
        (tokenizer.eos_text(), tokenizer.pad_text(), tokenizer.unk_text()),
        (Some("<eot>"), Some("<think>"), None)
    );
    assert_eq!(tokenizer.vocabulary().kind(256), TokenKind::Control, "it is written as a mark");
    assert_eq!(tokenizer.vocabulary().bytes(32), b" ");
    check(&tokenizer, "a<eot><|im_end|><think>", Markers::Parse, &expect![[r"a|<eot>|<|im_end|>|<think>"]]);
    check(&tokenizer, "<eot><think>", Markers::Text, &expect![[r"<|e|o|t|>|<think>"]]);
    check(&tokenizer, "<|im_end|>", Markers::Text, &expect![[r"<|||i|m|_|e|n|d|||>"]]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("<eot> é🦀", Markers::Text).unwrap()), "<eot> é🦀");
}

#[test]
fn a_folder_without_a_tokenizer_is_an_error_that_names_the_file() {
    let empty = folder(&[]);
    let error = Tokenizer::from_folder(empty.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
    let broken = folder(&[("tokenizer.json", json!({"model": 1}))]);
    assert_eq!(Tokenizer::from_folder(broken.path()).unwrap_err().kind(), Kind::BadInput);
    let broken = folder(&[("tokenizer.json", bytes_json()), ("generation_config.json", json!([]))]);
    let error = Tokenizer::from_folder(broken.path()).unwrap_err();
    assert!(error.to_string().contains("generation_config.json"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn text_comes_back(text in "(?s).{0,40}", words in "(hello| |ab|aa|\n|'s|<\\|im_end\\|>|</s>|\\PC){0,20}") {
        let tokenizers = [scored().read()?, ranked("gpt-2").read()?, ranked("qwen2").read()?, ranked("llama-bpe").read()?];
        for text in [text, words] {
            for (index, tokenizer) in tokenizers.iter().enumerate() {
                let tokens = tokenizer.encode(&text, Markers::Text)?;
                let expected = if index == 0 { text.replace('▁', " ") } else { text.clone() };
                prop_assert_eq!(tokenizer.decode(&tokens), expected);
                prop_assert!(tokens.iter().all(|id| tokenizer.vocabulary().kind(*id) == TokenKind::Text));
                let mut utf8 = Utf8::default();
                let pieces: String = tokens.iter().map(|id| utf8.push(tokenizer.vocabulary().bytes(*id))).collect();
                prop_assert!(pieces.ends_with(&tokenizer.decode(&tokens)));
                tokenizer.encode(&text, Markers::Parse)?;
            }
        }
    }
}
