//! The local embedder end to end: parity with candle's own BERT on small random models, independence of the batch,
//! the int8 format, WordPiece beside the tokenizers crate, and what is said about directories that are no model.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::dot;

const WORDS: [&str; 16] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "##s", "on", "mat", "a", "b", "##b", "!", "é", "貓"];

/// Values without pattern, the same in every run.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from(u16::try_from(state >> 48).unwrap()) / 32768.0 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A model directory with random weights.
struct Model {
    dir: TempDir,
    config: Value,
}

/// Hidden size, heads, inner size.
type Sizes = (usize, usize, usize);

impl Model {
    fn new((hidden, heads, inner): Sizes, activation: &str, dtype: DType) -> Self {
        let config = json!({
            "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": hidden, "num_hidden_layers": 2,
            "num_attention_heads": heads, "intermediate_size": inner, "hidden_act": activation,
            "max_position_embeddings": 40, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.0, "initializer_range": 0.02, "pad_token_id": 0,
        });
        let model = Self { dir: tempfile::tempdir().unwrap(), config };
        model.write_json("config.json", &model.config);
        model.write("vocab.txt", WORDS.join("\n").as_bytes());
        let tensors = tensors(hidden, inner, dtype);
        candle_core::safetensors::save(&tensors, model.path().join("model.safetensors")).unwrap();
        model
    }

    fn usual() -> Self {
        Self::new((24, 3, 40), "gelu", DType::F32)
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn write_json(&self, name: &str, value: &Value) {
        self.write(name, value.to_string().as_bytes());
    }

    fn set(&self, key: &str, value: impl Into<Value>) {
        let mut config = self.config.clone();
        config[key] = value.into();
        self.write_json("config.json", &config);
    }

    fn open(&self) -> Local {
        Local::open(self.path()).unwrap()
    }

    fn check_error(&self, expected: &Expect) {
        let error = Embedder::open(self.path()).unwrap_err();
        let text = error.to_string().replace(&self.path().display().to_string(), "DIR");
        expected.assert_eq(&format!("{:?}: {text}", error.kind()));
    }

    /// The states of candle's model for one sentence, by token.
    fn reference(&self, ids: &[u32]) -> Vec<Vec<f32>> {
        let mut config = self.config.clone();
        if config["hidden_act"] == "gelu_new" {
            config["hidden_act"] = "geluapproximate".into();
        }
        let config: Config = serde_json::from_value(config).unwrap();
        let tensors = candle_core::safetensors::load(self.path().join("model.safetensors"), &Device::Cpu).unwrap();
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let model = BertModel::load(builder, &config).unwrap();
        let ids = Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let states = model.forward(&ids, &ids.zeros_like().unwrap(), None).unwrap();
        states.squeeze(0).unwrap().to_vec2().unwrap()
    }
}

fn tensors(hidden: usize, inner: usize, dtype: DType) -> HashMap<String, Tensor> {
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![WORDS.len(), hidden]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![40, hidden]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, hidden]),
    ];
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in ["encoder.layer.0", "encoder.layer.1"] {
        for (name, inputs, outputs) in [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", hidden, inner),
            ("output.dense", inner, hidden),
        ] {
            shapes.push((format!("{layer}.{name}.weight"), vec![outputs, inputs]));
            shapes.push((format!("{layer}.{name}.bias"), vec![outputs]));
        }
        norms.extend(["attention.output", "output"].map(|name| format!("{layer}.{name}.LayerNorm")));
    }
    for norm in norms {
        shapes.push((format!("{norm}.weight"), vec![hidden]));
        shapes.push((format!("{norm}.bias"), vec![hidden]));
    }
    let tensor = |(seed, (name, shape)): (u64, (String, Vec<usize>))| {
        let values = noise(shape.iter().product(), seed);
        (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap())
    };
    (1..).zip(shapes).map(tensor).collect()
}

fn pooled(states: &[Vec<f32>], pooling: Pooling) -> Vec<f32> {
    let mut vector = states[0].clone();
    if pooling == Pooling::Mean {
        for (index, value) in vector.iter_mut().enumerate() {
            *value = states.iter().map(|state| state[index]).sum();
        }
    }
    crate::normalize(&mut vector);
    vector
}

/// Compares every tier, with and without spreading, with candle's model.
fn check_parity(sizes: Sizes, activation: &str, dtype: DType, pooling: Pooling) {
    let model = Model::new(sizes, activation, dtype);
    let cls = pooling == Pooling::Cls;
    model
        .write_json("1_Pooling/config.json", &json!({"pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": !cls}));
    let description = Description::read(model.path(), &model.config).unwrap();
    let shards = [Bytes::open(&model.path().join("model.safetensors")).unwrap()];
    let tensors = Tensors::open(&shards).unwrap();
    let sentences: [&[u32]; 4] = [&[2, 4, 5, 3], &[2, 3], &[7; 40], &[2, 9, 8, 7, 6, 5, 4, 10, 11, 12, 13, 3]];
    for tier in Tier::available() {
        let encoder = Encoder::read(&tensors, &description.architecture, description.pooling, tier).unwrap();
        for threads in [Threads::One, Threads::All] {
            let mut found = vec![0.0; sentences.len() * sizes.0];
            encoder.encode(&sentences, threads, &mut Scratch::default(), &mut found);
            for (sentence, found) in sentences.iter().zip(found.chunks_exact(sizes.0)) {
                let expected = pooled(&model.reference(sentence), pooling);
                let apart = expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart < 1e-4, "{tier:?}, {sizes:?}, {threads:?}: {apart}");
            }
        }
    }
}

#[test]
fn it_agrees_with_candle() {
    check_parity((24, 3, 40), "gelu", DType::F32, Pooling::Mean);
    check_parity((64, 2, 96), "gelu", DType::F32, Pooling::Cls);
    check_parity((128, 2, 33), "relu", DType::F32, Pooling::Mean);
    check_parity((80, 1, 32), "gelu_new", DType::F32, Pooling::Mean);
    check_parity((24, 3, 40), "gelu", DType::F16, Pooling::Mean);
    check_parity((24, 3, 40), "gelu", DType::BF16, Pooling::Mean);
}

#[test]
fn int8_stays_close_and_describes_itself() {
    let model = Model::new((64, 2, 96), "gelu", DType::F32);
    let target = tempfile::tempdir().unwrap();
    quantize(model.path(), target.path()).unwrap();
    let (source, int8) = (model.open(), Local::open(target.path()).unwrap());
    assert_eq!(int8.info.name, format!("{} (int8)", source.info.name));
    assert_ne!(int8.info.fingerprint, source.info.fingerprint);
    let texts = ["the cat sat on a mat".to_owned(), "b".to_owned(), "cats ".repeat(60)];
    let (expected, found) = (source.engine.embed(&texts).unwrap(), int8.engine.embed(&texts).unwrap());
    for (expected, found) in expected.rows().zip(found.rows()) {
        let cosine = dot(expected, found);
        assert!(cosine > 0.999, "{cosine}");
    }
    let shard = target.path().join("model-00.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(shard, bytes).unwrap();
    let error = Local::open(target.path()).unwrap_err();
    assert_eq!((error.kind(), error.message().contains("fingerprint")), (Kind::Corrupt, true), "{error}");
}

fn words() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[4..]), 0..30).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_vector_does_not_depend_on_its_neighbours(texts in prop::collection::vec(words(), 1..20), int8: bool) {
        let (model, target) = (Model::usual(), tempfile::tempdir().unwrap());
        let engine = if int8 {
            quantize(model.path(), target.path()).unwrap();
            Local::open(target.path()).unwrap().engine
        } else {
            model.open().engine
        };
        let together = engine.embed(&texts).unwrap();
        for (text, vector) in texts.iter().zip(together.rows()) {
            let alone = engine.embed(std::slice::from_ref(text)).unwrap();
            let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(alone.row(0)), bits(vector));
        }
    }

    #[test]
    fn every_sentence_is_in_one_batch(lengths in prop::collection::vec(1_usize..300, 0..60), threads in 1_usize..9) {
        let sentences: Vec<Vec<u32>> = lengths.iter().map(|len| vec![0; *len]).collect();
        let batches = batches(&sentences, threads);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        for batch in batches {
            let tokens: usize = batch.iter().map(|index| lengths[*index]).sum();
            prop_assert!(batch.len() == 1 || tokens <= BATCH_TOKENS);
        }
    }

    #[test]
    fn word_piece_agrees_with_tokenizers(
        text in r"(the|cats|SAT|b|bb|bbb|É|e\u{301}|貓狗|[ -~\t\n]|\PC|\u{0}|\u{7f}|\u{85}|\u{2028}|\u{a0}| ){0,40}",
        lowercase: bool,
    ) {
        check_tokens(&text, lowercase, &WORDS);
    }
}

/// Compares ours with the tokenizers crate, whole and cut.
fn check_tokens(text: &str, lowercase: bool, words: &[&str]) {
    let normalizer = tokenizers::normalizers::BertNormalizer::new(true, true, None, lowercase);
    let ours = WordPiece::new(Bytes::from(words.join("\n").into_bytes()), normalizer).unwrap();
    let vocabulary: HashMap<String, u32> = words.iter().map(|word| (*word).to_owned()).zip(0..).collect();
    let model = json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": vocabulary});
    let model: tokenizers::models::wordpiece::WordPiece = serde_json::from_str(&model.to_string()).unwrap();
    let mut theirs = tokenizers::Tokenizer::new(model);
    theirs.with_normalizer(Some(normalizer)).unwrap();
    theirs.with_pre_tokenizer(Some(tokenizers::pre_tokenizers::bert::BertPreTokenizer));
    let expected = theirs.encode(text, false).unwrap().get_ids().to_vec();
    assert_eq!(ours.count(text), expected.len(), "{text:?}");
    for tokens_max in [usize::MAX, 2, 3, 9] {
        let ids = ours.encode(text, tokens_max);
        let kept = expected.len().min(tokens_max - 2);
        assert_eq!(ids[1..ids.len() - 1], expected[..kept], "{text:?}");
    }
}

#[test]
fn long_words_are_unknown() {
    for len in [99, 100, 101, 300] {
        check_tokens(&format!("a {} {}", "b".repeat(len), "é".repeat(len)), true, &WORDS);
    }
}

#[test]
fn special_tokens_in_a_text_are_plain_text() {
    let model = Model::usual();
    let ids = model.open().engine.tokenizer.encode("a [SEP] b", 40).unwrap();
    assert_eq!(ids.iter().filter(|id| **id == 3).count(), 1, "{ids:?}");
}

#[test]
fn tokenizer_json_and_vocab_txt_agree() {
    let model = Model::usual();
    let text = "The cats sat! bb [SEP] 貓é x";
    let expected = model.open().engine.tokenizer.encode(text, 40).unwrap();
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false})
    };
    let around = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let vocabulary: HashMap<&str, usize> = WORDS.iter().enumerate().map(|(id, word)| (*word, id)).collect();
    let mut json = json!({
        "version": "1.0",
        "added_tokens": [special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [around("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, around("[SEP]")], "pair": [],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    model.write_json("tokenizer.json", &json);
    let tokenizer = Tokenizer::open(model.path()).unwrap();
    assert!(matches!(tokenizer, Tokenizer::WordPiece(_)));
    assert_eq!(tokenizer.encode(text, 40).unwrap(), expected);
    // A limit other than BERT's is for the tokenizers crate to handle.
    json["model"]["max_input_chars_per_word"] = 99.into();
    model.write_json("tokenizer.json", &json);
    let tokenizer = Tokenizer::open(model.path()).unwrap();
    assert!(matches!(tokenizer, Tokenizer::General(_)));
    assert_eq!(tokenizer.encode(text, 40).unwrap(), expected);
    assert_eq!(tokenizer.encode(text, 5).unwrap(), [&expected[..4], &[3]].concat());
    assert_eq!(tokenizer.count(text), expected.len() - 2);
    assert_eq!(tokenizer.vocabulary_len(), WORDS.len());
}

#[tokio::test]
async fn prompts_go_before_texts() {
    let model = Model::usual();
    let bare = Embedder::open(model.path()).unwrap();
    model.write_json("config_sentence_transformers.json", &json!({"prompts": {"query": "cat ", "document": "mat "}}));
    let embedder = Embedder::open(model.path()).unwrap();
    assert_ne!(embedder.info().fingerprint, bare.info().fingerprint);
    for (purpose, text) in [(Purpose::Query, "cat sat"), (Purpose::Passage, "mat sat")] {
        let expected = bare.embed(&[text], purpose).await.unwrap();
        assert_eq!(embedder.embed(&["sat"], purpose).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn nothing_gives_nothing_and_an_empty_text_a_vector() {
    let embedder = Embedder::open(Model::usual().path()).unwrap();
    assert!(embedder.embed(&[], Purpose::Query).await.unwrap().is_empty());
    let vectors = embedder.embed(&["", "\u{0}"], Purpose::Query).await.unwrap();
    assert_eq!(vectors.row(0), vectors.row(1));
    assert!((dot(vectors.row(0), vectors.row(0)) - 1.0).abs() < 1e-5);
}

#[tokio::test]
async fn text_beyond_the_limit_has_no_influence() {
    let model = Model::usual();
    model.write_json("sentence_bert_config.json", &json!({"max_seq_length": 6}));
    let embedder = Embedder::open(model.path()).unwrap();
    assert_eq!(embedder.info().tokens_max, 4);
    let vectors = embedder.embed(&["a b a b", "a b a b cat", "a b a"], Purpose::Passage).await.unwrap();
    assert_eq!(vectors.row(0), vectors.row(1));
    assert_ne!(vectors.row(0), vectors.row(2));
}

#[test]
fn a_directory_that_is_no_model_is_refused_by_name() {
    let model = Model::usual();
    model.set("model_type", "llama");
    model.check_error(&expect![
        "BadInput: opening the embedder `DIR`: `config.json` says `model_type` is `llama`; only `bert` can embed"
    ]);
    model.set("hidden_act", "swish");
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: `config.json` is not what a BERT model has there: unknown variant `swish`, expected one of `gelu`, `gelu_fast`, `gelu_new`, `gelu_pytorch_tanh`, `relu`"]);
    model.set("position_embedding_type", "relative_key");
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: `config.json` asks for `relative_key` positions; only `absolute` is supported"]);
    model.set("num_attention_heads", 7);
    model.check_error(&expect![
        "BadInput: opening the embedder `DIR`: `config.json` has impossible sizes: 24 components in 7 heads"
    ]);
    model.set("hidden_size", 48);
    model.check_error(&expect!["Corrupt: opening the embedder `DIR`: `embeddings.token_type_embeddings.weight` has shape [2, 24], but `config.json` asks for [2, 48]"]);
    model.set("vocab_size", 3);
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: the tokenizer has 16 tokens, but `config.json` says 3; they belong to different models"]);
    model.set("lorewell_int8", 99);
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: int8 format 99 is not the 1 that this version reads; convert the model again"]);
    model.write("config.json", b"{");
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: `config.json` is not what a BERT model has there: EOF while parsing an object at line 1 column 1"]);
    std::fs::remove_file(model.path().join("config.json")).unwrap();
    model.check_error(&expect![
        "NotFound: opening the embedder `DIR`: there is no `config.json`; is it a model directory?"
    ]);
}

#[test]
fn steps_that_are_not_supported_are_refused_by_name() {
    let model = Model::usual();
    model.write_json("1_Pooling/config.json", &json!({"pooling_mode_max_tokens": true}));
    model.check_error(&expect![[r#"BadInput: opening the embedder `DIR`: `1_Pooling/config.json` asks for ["max_tokens"]; `cls_token` or `mean_tokens` is supported"#]]);
    model.write_json("modules.json", &json!([{"type": "sentence_transformers.models.Dense"}]));
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: `modules.json` asks for `sentence_transformers.models.Dense`, which is not supported"]);
}

#[test]
fn damaged_and_missing_files_are_named() {
    let model = Model::usual();
    let weights = std::fs::read(model.path().join("model.safetensors")).unwrap();
    model.write("model.safetensors", &weights[..weights.len() - 1]);
    model.check_error(&expect![
        "Corrupt: opening the embedder `DIR`: the weights are not a whole safetensors file; fetch them again"
    ]);
    model.write("model.safetensors", b"");
    model.check_error(&expect![
        "Corrupt: opening the embedder `DIR`: the weights are not a whole safetensors file; fetch them again"
    ]);
    std::fs::remove_file(model.path().join("model.safetensors")).unwrap();
    model.check_error(&expect!["NotFound: opening the embedder `DIR`: there is no `model.safetensors`; models in other formats have to be converted first"]);
    let model = Model::usual();
    model.write("vocab.txt", b"a\nb\n");
    model.check_error(&expect!["BadInput: opening the embedder `DIR`: the vocabulary lacks `[UNK]`; it is not BERT's"]);
    std::fs::remove_file(model.path().join("vocab.txt")).unwrap();
    model.check_error(&expect![
        "NotFound: opening the embedder `DIR`: `DIR` has neither `tokenizer.json` nor `vocab.txt`"
    ]);
}

#[test]
fn weights_that_are_not_numbers_are_reported() {
    let model = Model::usual();
    let path = model.path().join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let bias = Tensor::full(f32::NAN, 24, &Device::Cpu).unwrap();
    tensors.insert("embeddings.LayerNorm.bias".into(), bias);
    candle_core::safetensors::save(&tensors, path).unwrap();
    let error = model.open().engine.embed(&["a".into()]).unwrap_err();
    assert_eq!(error.kind(), Kind::BadOutput);
}

#[cfg(feature = "bundled-minilm")]
mod bundled {
    use super::*;

    #[test]
    fn it_gives_the_published_vector() {
        let local = Local::bundled().unwrap();
        assert_eq!(local.engine.tokenizer.encode("hello world.", 256).unwrap()[..3], [101, 7592, 2088]);
        let (_, found) = local.engine.encode(&[vec![101, 7592, 2088, 102]]).remove(0);
        // The first components by the f32 model of sentence-transformers.
        let expected = [-0.034_477_0, 0.031_023_0, 0.006_735_0, 0.026_109_0, -0.039_362_0, -0.160_303];
        for (expected, found) in expected.iter().zip(&found) {
            assert!((expected - found).abs() < 0.003, "{expected} {found}");
        }
    }

    #[test]
    fn its_fingerprint_is_that_of_its_bytes() {
        let config = serde_json::from_slice(lorewell_minilm_0::CONFIG).unwrap();
        let quantized = Quantized::parse(&config).unwrap().unwrap();
        let shards = [lorewell_minilm_0::PART, lorewell_minilm_1::PART, lorewell_minilm_2::PART].map(Bytes::from);
        let parts = quantized.tokenizer_parts(lorewell_minilm_0::VOCABULARY);
        assert_eq!(fingerprint(&quantized.description, &parts, &shards), quantized.fingerprint);
        // What indexes know it by also says how its vectors were computed.
        let known = Local::bundled().unwrap().info.fingerprint;
        assert_eq!(known, versioned(&quantized.fingerprint));
        assert_ne!(known, quantized.fingerprint);
    }

    #[test]
    fn it_tokenizes_the_rust_book_as_tokenizers_does() {
        let Some(data) = std::env::var_os("LOREWELL_DATA") else {
            eprintln!("skipped: LOREWELL_DATA does not say where the Rust book is");
            return;
        };
        let vocabulary = std::str::from_utf8(lorewell_minilm_0::VOCABULARY).unwrap();
        let words: Vec<&str> = vocabulary.lines().collect();
        let mut files = 0;
        for entry in std::fs::read_dir(Path::new(&data).join("rust-book/src")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                check_tokens(&std::fs::read_to_string(path).unwrap(), true, &words);
                files += 1;
            }
        }
        assert!(files > 0);
    }
}

#[tokio::test]
async fn a_query_does_not_wait_for_the_threads_of_others() {
    let threads = rayon::current_num_threads();
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(threads + 1));
    for _ in 0..threads {
        let barrier = std::sync::Arc::clone(&barrier);
        rayon::spawn(move || {
            barrier.wait(); // all threads are taken
            barrier.wait(); // until here
        });
    }
    barrier.wait();
    let embedder = Embedder::open(Model::usual().path()).unwrap();
    let limit = std::time::Duration::from_mins(1); // only a query that waits for ever reaches it
    let vectors = tokio::time::timeout(limit, embedder.embed(&["the cat"], Purpose::Query)).await;
    barrier.wait();
    assert_eq!(vectors.expect("it waited").unwrap().len(), 1);
}

#[test]
fn a_text_without_tokens_has_a_vector_that_is_like_nothing() {
    let local = Model::usual().open();
    let vectors = local.engine.encode(&[vec![], vec![2, 4, 3]]);
    assert_eq!(vectors.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
    assert_eq!(local.engine.encode(&[vec![]]), []);
}

#[test]
fn a_model_is_not_converted_into_a_folder_of_other_things() {
    let model = Model::usual();
    let error = quantize(model.path(), model.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.message().contains("the target is not empty"), "{error}");
    Embedder::open(model.path()).unwrap();
}
