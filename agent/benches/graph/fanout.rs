//! W2: a task for each subject, sent at once, and in each a subgraph with a state of its own that goes in a loop.

use lorewell_agent::{Cx, END, Goto, Graph, Result, START, State};

use crate::inputs::Letters;
use crate::lorewell::{self, Store};
use crate::measure::Workload;
use crate::variant::Variant;

/// Letters of a subject, which make 5000 characters as they are shown.
const SUBJECT_LETTERS: usize = 1000;
/// What the loop adds, and how often.
const BUMP: &str = " a";
const BUMPS: usize = 10;
/// Supersteps of the subgraph: edit, generate and the loop.
const SUPERSTEPS_WITHIN: u64 = 12;

#[derive(Clone, Default, State)]
struct Show {
    subjects: Vec<String>,
    #[reduce(append)]
    jokes: Vec<String>,
}

#[derive(Clone, Default, State)]
struct Joke {
    subject: String,
    jokes: Vec<String>,
}

async fn edit(cx: Cx<Joke>) -> Result<JokeUpdate> {
    Ok(Joke::update().subject(format!("{} - hohoho", cx.state().subject)))
}

async fn generate(cx: Cx<Joke>) -> Result<JokeUpdate> {
    Ok(Joke::update().jokes(vec![format!("Joke about {}", cx.state().subject)]))
}

async fn bump(cx: Cx<Joke>) -> Result<JokeUpdate> {
    Ok(Joke::update().jokes(vec![format!("{}{BUMP}", cx.state().jokes[0])]))
}

/// Makes the workload with a number of subjects.
pub(crate) fn workload(subjects: usize, variant: Variant) -> Result<impl Workload<Store = Store>> {
    let joke = Graph::<Joke>::new()
        .node("edit", edit)
        .node("generate", generate)
        .node("bump", bump)
        .start("edit")
        .edge("edit", "generate")
        .edge("generate", END)
        .edge("generate", "bump")
        .branch("bump", ["bump", END], |joke: &Joke| match joke.jokes[0].ends_with(&BUMP.repeat(BUMPS)) {
            true => END,
            false => "bump",
        })
        .build()?;
    let subject =
        |cx: &Cx<Show>| Joke { subject: cx.input().expect("each task is sent its subject"), ..Joke::default() };
    let flow = Graph::<Show>::new()
        .node("generate_joke", joke.within(subject, |joke: Joke| Show::update().jokes(joke.jokes)))
        .branch(START, ["generate_joke"], |show: &Show| -> Vec<Goto> {
            show.subjects.iter().map(|subject| Goto::send("generate_joke", subject.clone())).collect()
        })
        .build()?;
    let mut letters = Letters::new(2);
    let input = Show { subjects: (0..subjects).map(|_| letters.subject(SUBJECT_LETTERS)).collect(), jokes: Vec::new() };
    let input = input.into();
    let within = u64::try_from(subjects).expect("a few");
    let (supersteps, graphs) = (SUPERSTEPS_WITHIN * within + 1, within + 1);
    Ok(lorewell::Graph { flow, input, supersteps, graphs, check: Box::new(check), variant })
}

fn check(show: &Show) -> Result<(), String> {
    let end = BUMP.repeat(BUMPS);
    let is_right = |(subject, joke): (&String, &String)| {
        let rest = joke.strip_prefix("Joke about ").and_then(|rest| rest.strip_prefix(subject.as_str()));
        rest.and_then(|rest| rest.strip_prefix(" - hohoho")) == Some(&end)
    };
    match show.jokes.len() == show.subjects.len() && show.subjects.iter().zip(&show.jokes).all(is_right) {
        true => Ok(()),
        false => Err(format!("{} jokes that are not about the subjects in order", show.jokes.len())),
    }
}
