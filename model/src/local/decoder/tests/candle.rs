//! What candle-transformers says to a folder: another implementation on the same tensors, without the detour of a file of
//! expectations.

use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Llama, LlamaConfig};
use gpu::{DType, Device, Tensor};

use super::*;

/// How far a score may be from that of candle-transformers.
const SCORE_OFF_MAX: f32 = 1e-3;

/// Returns the scores after all of some tokens.
fn expected(path: &str, tokens: &[u32]) -> Vec<f32> {
    let config = std::fs::read(format!("{path}/config.json")).unwrap();
    let config = serde_json::from_slice::<LlamaConfig>(&config).unwrap().into_config(false);
    let weights = std::fs::read(format!("{path}/model.safetensors")).unwrap();
    let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu).unwrap();
    let llama = Llama::load(weights, &config).unwrap();
    let mut cache = Cache::new(true, DType::F32, &config, &Device::Cpu).unwrap();
    let tokens = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    llama.forward(&tokens, 0, &mut cache).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn check(name: &str) {
    let path = format!("{}/tests/parity/fixtures/hf/{name}", env!("CARGO_MANIFEST_DIR"));
    let tokens: Vec<u32> = (0..100).map(|index| 3 + index * 37 % 280).collect();
    let folder = Folder::open(path.as_ref()).unwrap();
    for open in [exact_kernels, guest] {
        let mut runner = Runner::new(of_folder(&folder, tokens.len(), open).unwrap(), 1);
        let scores = runner.read(&[(0, &tokens)]);
        for len in [1, 33, 100] {
            let off = scores[len - 1].iter().zip(expected(&path, &tokens[..len]));
            let off = off.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
            println!("{name}, {len} tokens: {off} apart");
            assert!(off < SCORE_OFF_MAX, "{name}, {len} tokens: {off} apart");
        }
    }
}

#[test]
fn llamas_say_what_candle_transformers_says() {
    check("llama-bf16");
    // With the stretched positions of Llama 3.
    check("llama3-f32");
}
