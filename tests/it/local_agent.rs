//! An agent whose model runs on this machine: decoding holds its answer to a form, whatever the model would like to say. The model
//! is one of the test data; without `LOREWELL_DATA` nothing is done.

use lorewell::{Agent, model};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Cat,
    Dog,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Pet {
    kind: Kind,
    #[schemars(range(min = 1, max = 4))]
    legs: u8,
}

/// An agent whose model tells stories, and knows nothing of JSON; none without test data.
async fn storyteller() -> Option<Agent> {
    let Some(data) = std::env::var_os("LOREWELL_DATA") else {
        println!("skipped: LOREWELL_DATA names no folder with models");
        return None;
    };
    let file = std::path::Path::new(&data).join("models/stories260K/stories260K.gguf");
    Some(Agent::new(model(format!("gguf:{}", file.display())).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_local_model_has_the_form_of_a_type() {
    let Some(agent) = storyteller().await else { return };
    let pet: Pet = agent.run_as("Once there was a pet.").await.unwrap();
    assert!((1..=4).contains(&pet.legs) && matches!(pet.kind, Kind::Cat | Kind::Dog), "{pet:?}");
}
