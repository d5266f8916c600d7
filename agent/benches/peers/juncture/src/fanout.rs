//! W2: a task for each subject, and in each a subgraph. The start of a graph cannot send here, so a node does, in a
//! superstep more.

use std::sync::Arc;

use juncture_core::command::SendTarget;
use juncture_core::node::{NodeFnCommand, NodeFnUpdate};
use juncture_core::{Command, CompiledGraph, END, PathMap, StateGraph};
use juncture_derive::State;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::inputs::Letters;
use crate::juncture::{Graph, router};
use crate::measure::{Outcome, Workload};

const SUBJECT_LETTERS: usize = 1000;
const BUMPS: usize = 10;
const SUPERSTEPS_WITHIN: u64 = 12;

#[derive(State, Clone, Debug, Default, Serialize, Deserialize)]
struct Show {
    subjects: Vec<String>,
    #[reducer(append)]
    jokes: Vec<String>,
}

#[derive(State, Clone, Debug, Default, Serialize, Deserialize)]
struct Joke {
    subject: String,
    jokes: Vec<String>,
}

fn joke() -> Outcome<CompiledGraph<Joke>> {
    let mut graph = StateGraph::<Joke>::new();
    graph.add_node_simple(
        "edit",
        NodeFnUpdate(|joke: &Joke| {
            let subject = format!("{} - hohoho", joke.subject);
            async { Ok(JokeUpdate { subject: Some(subject), ..JokeUpdate::default() }) }
        }),
    )?;
    graph.add_node_simple(
        "generate",
        NodeFnUpdate(|joke: &Joke| {
            let jokes = vec![format!("Joke about {}", joke.subject)];
            async { Ok(JokeUpdate { jokes: Some(jokes), ..JokeUpdate::default() }) }
        }),
    )?;
    graph.add_node_simple(
        "bump",
        NodeFnUpdate(|joke: &Joke| {
            let jokes = vec![format!("{} a", joke.jokes[0])];
            async { Ok(JokeUpdate { jokes: Some(jokes), ..JokeUpdate::default() }) }
        }),
    )?;
    graph.set_entry_point("edit");
    graph.add_edge("edit", "generate");
    graph.add_edge("generate", END);
    graph.add_edge("generate", "bump");
    let route = router(|joke: &Joke| if joke.jokes[0].ends_with(&" a".repeat(BUMPS)) { END } else { "bump" });
    graph.add_conditional_edges("bump", route, PathMap::from([("bump", "bump"), (END, END)].as_slice()));
    Ok(graph.compile()?)
}

/// Makes the workload with a number of subjects.
pub(crate) fn workload(subjects: usize, variant: &str) -> Outcome<impl Workload> {
    let mut graph = StateGraph::<Show>::new();
    let share = |show: &Show| -> Vec<SendTarget> {
        let target = |subject: &String| SendTarget {
            node: "generate_joke".to_owned(),
            state: json!({ "subjects": [subject], "jokes": [] }),
            timeout: None,
        };
        show.subjects.iter().map(target).collect()
    };
    let node = NodeFnCommand(move |show: &Show| {
        let targets = share(show);
        Box::pin(async { Ok(Command::send(targets)) })
    });
    graph.add_node("share", node, false, None, None, vec![], vec![])?;
    graph.add_subgraph_explicit(
        "generate_joke",
        Arc::new(joke()?),
        |show: &Show| Joke { subject: show.subjects[0].clone(), jokes: Vec::new() },
        |joke: &Joke| ShowUpdate { subjects: None, jokes: Some(joke.jokes.clone()) },
    )?;
    // The graph is checked for nodes that no arrow leads to; this one is never taken.
    let targets = PathMap::from([("generate_joke", "generate_joke"), (END, END)].as_slice());
    graph.add_conditional_edges("share", router(|_: &Show| END), targets);
    graph.set_entry_point("share");
    graph.set_finish_point("generate_joke");
    let mut letters = Letters::new(2);
    let input = Show { subjects: (0..subjects).map(|_| letters.subject(SUBJECT_LETTERS)).collect(), jokes: Vec::new() };
    let supersteps = SUPERSTEPS_WITHIN * u64::try_from(subjects)? + 2;
    let expected: Vec<String> = input.subjects.iter().map(expected).collect();
    let check = move |show: &Show| match show.jokes == expected {
        true => Ok(()),
        false => Err(format!("{} jokes that are not about the subjects in order", show.jokes.len())),
    };
    Ok(Graph { graph, input, supersteps, check: Box::new(check), variant: variant.to_owned() })
}

fn expected(subject: &String) -> String {
    format!("Joke about {subject} - hohoho{}", " a".repeat(BUMPS))
}
