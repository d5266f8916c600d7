//! What `config.json` says, and what it must not say.

use serde_json::{Value, json};

use super::*;

/// A configuration with some fields set; null removes one.
#[expect(clippy::needless_pass_by_value, reason = "`json!` makes a value at each call")]
fn config(fields: Value) -> Result<Config> {
    let mut all = json!({
        "model_type": "qwen3", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 100,
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
    });
    let object = all.as_object_mut().expect("it is an object");
    object.extend(fields.as_object().expect("it is an object").clone());
    Config::new(object.clone())
}

fn shape(fields: Value, window: usize) -> Result<Shape> {
    config(fields).and_then(|config| Shape::of_config(&config, window))
}

fn refused(fields: Value) -> String {
    shape(fields, 100).expect_err("it cannot be run").to_string()
}

#[test]
fn positions_are_stretched_as_transformers_does_it() {
    // Frequencies and magnitudes are what `ROPE_INIT_FUNCTIONS` of transformers 5.23 gives.
    let cases = [
        (
            json!({"rope_theta": 1e6, "rope_scaling":
                {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}}),
            [1.0, 0.1778279, 0.03162278, 0.00421756, 0.0005, 4.445_699e-5, 7.905_694e-6, 1.405_853e-6],
            1.138_629_4,
        ),
        (
            json!({"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0, "beta_fast": 16, "beta_slow": 2,
                "original_max_position_embeddings": 1024, "truncate": false, "mscale": 0.8, "mscale_all_dim": 0.4}}),
            [1.0, 0.3162278, 0.1, 0.0187018, 0.0025, 0.000_790_569_5, 0.00025, 7.905_695e-5],
            1.052_538_4,
        ),
        (
            json!({"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"type": "llama3", "factor": 8.0,
                "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}),
            [1.0, 0.1939228, 0.03760603, 0.007_292_665, 0.000_524_846, 3.428_102e-5, 6.64787e-6, 1.289_173e-6],
            1.0,
        ),
    ];
    for (fields, frequencies, magnitude) in cases {
        let shape = shape(fields.clone(), 100).expect("it is a shape");
        let rotation = &shape.rotations[0];
        assert!((rotation.magnitude - magnitude).abs() < 1e-6, "{fields}: {}", rotation.magnitude);
        for (found, expected) in rotation.frequencies.iter().zip(frequencies) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{fields}: {found} {expected}");
        }
    }
}

#[test]
fn long_factors_are_for_long_sequences() {
    let fields = json!({"model_type": "phi3", "original_max_position_embeddings": 4096, "max_position_embeddings": 131_072,
        "rope_scaling": {"type": "longrope", "short_factor": vec![1.0; 8], "long_factor": vec![2.0; 8]}});
    let first = |window| shape(fields.clone(), window).expect("it is a shape").rotations[0].frequencies[0];
    assert_eq!([first(4096), first(4097)], [1.0, 0.5]);
}

#[test]
fn layers_see_what_the_list_says_or_else_the_family() {
    let windows = |fields| -> Vec<bool> {
        shape(fields, 100).expect("it is a shape").layers.iter().map(|layer| layer.window.is_some()).collect()
    };
    let sliding = json!({"use_sliding_window": true, "sliding_window": 32, "max_window_layers": 2});
    assert_eq!(windows(sliding), [false, false, true, true]);
    assert_eq!(windows(json!({"use_sliding_window": false, "sliding_window": 32, "max_window_layers": 2})), [false; 4]);
    assert_eq!(windows(json!({"model_type": "mistral", "sliding_window": 32})), [true; 4]);
    assert_eq!(windows(json!({"model_type": "mistral", "sliding_window": null})), [false; 4]);
    let listed = json!({"model_type": "gemma3_text", "sliding_window": 32, "hidden_activation": "gelu_pytorch_tanh",
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]});
    assert_eq!(windows(listed), [false, true, true, false]);
    let still = shape(json!({"model_type": "smollm3", "no_rope_layers": [1, 0, 1, 1]}), 100).expect("it is a shape");
    assert_eq!(still.layers.iter().map(|layer| layer.rotation).collect::<Vec<_>>(), [Some(0), None, Some(0), Some(0)]);
}

#[test]
fn a_model_that_sees_as_well_is_run_for_its_text() {
    let seeing = json!({"model_type": "gemma3", "text_config": {"hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 6, "sliding_window": 8}});
    let shape = shape(seeing, 100).expect("it is a shape");
    assert_eq!((shape.heads.queries, shape.heads.keys, shape.heads.width, shape.vocabulary), (8, 4, 256, 262_208));
    assert_eq!(shape.layers.iter().filter(|layer| layer.window == Some(8)).count(), 5);
    assert_eq!(shape.rotations.len(), 2);
}

#[test]
fn what_cannot_be_run_is_said() {
    let cases = [
        (json!({"model_type": null}), "it lacks `model_type`"),
        (json!({"model_type": "mamba"}), "it is a model of the form `mamba`, and `llama`, `mistral`, "),
        (json!({"hidden_size": null}), "it lacks `hidden_size`"),
        (json!({"hidden_size": "64"}), "`hidden_size` is \"64\" and should be a whole number of at most 1048576"),
        (json!({"hidden_size": 1_u64 << 40}), "should be a whole number of at most 1048576"),
        (json!({"num_hidden_layers": 0}), "`num_hidden_layers` is 0"),
        (json!({"num_key_value_heads": 3}), "4 heads, 3 of keys, 16 and 16 wide, do not fit together"),
        (json!({"hidden_act": "relu"}), "its activation is `relu`"),
        (json!({"rms_norm_eps": -1.0}), "`rms_norm_eps` is -1 and should be above 0"),
        (json!({"quantization_config": {"quant_method": "gptq"}}), "it sets `quantization_config`"),
        (json!({"layer_types": ["full_attention"]}), "`layer_types` speaks of 1 layers, and there are 4"),
        (
            json!({"layer_types": vec!["linear_attention"; 4]}),
            "layer 0 is none of `full_attention` and `sliding_attention`",
        ),
        (json!({"rope_scaling": {"rope_type": "xpos"}}), "its positions are stretched as `xpos`"),
        (json!({"rope_scaling": {"rope_type": "linear"}}), "lacks `factor`"),
        (json!({"rope_scaling": {"rope_type": "linear", "factor": 0.5}}), "`factor` of positions is 0.5"),
        (json!({"partial_rotary_factor": 1.5}), "24 components cannot be turned of 16"),
        (
            json!({"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}),
            "`short_factor` does not fit the heads",
        ),
    ];
    for (fields, expected) in cases {
        let error = refused(fields.clone());
        assert!(error.contains(expected), "{fields}: {error}");
    }
}
