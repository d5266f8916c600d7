//! Looking back, forking, editing, copying, pruning.

use lorewell_agent::checkpoint::Checkpoints;
use lorewell_agent::{CheckpointId, Cx, END, Flow, Graph, Kind, Result, Source, State, expire};

use crate::{Shelf, done, paused};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    #[reduce(append)]
    notes: Vec<String>,
    #[reduce(sum)]
    n: u32,
    #[reduce(ephemeral)]
    hint: Option<String>,
    #[reduce(untracked)]
    scratch: Vec<u8>,
}

async fn note(cx: Cx<Desk>) -> Result<DeskUpdate> {
    let seen = cx.state().hint.clone().unwrap_or_default();
    let update = Desk::update().notes([format!("{}{seen}", cx.node())]).n(1);
    Ok(match cx.node() {
        "a" => update.hint("!".to_owned()),
        _ => update,
    })
}

/// a → b → c, c asks.
fn abc() -> Flow<Desk> {
    Graph::new()
        .node("a", note)
        .node("b", note)
        .node("c", |cx: Cx<Desk>| async move {
            let word: String = cx.ask("word?").await?;
            Ok(Desk::update().notes([word]))
        })
        .start("a")
        .edge("a", "b")
        .edge("b", "c")
        .edge("c", END)
        .build()
        .unwrap()
}

fn names(checkpoints: &[lorewell_agent::Checkpoint]) -> Vec<String> {
    checkpoints.iter().map(|checkpoint| format!("{} {:?}", checkpoint.id, checkpoint.next)).collect()
}

#[tokio::test]
async fn history_tells_every_checkpoint_and_the_state_there() {
    for mut shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        paused(thread.run(Desk::default()).await.unwrap());
        shelf.reopen().await;
        let thread = abc().thread("t", shelf.store.clone());
        let history = thread.history(None, 10).await.unwrap();
        assert_eq!(names(&history), ["0.2 [\"c\"]", "0.1 [\"b\"]", "0.0 [\"a\"]"]);
        assert_eq!(history.iter().map(|c| c.source).collect::<Vec<_>>(), [Source::Loop, Source::Loop, Source::Input]);
        assert_eq!(names(&thread.history(Some(&history[0].id), 1).await.unwrap()), ["0.1 [\"b\"]"]);
        let at = thread.standing_at(&history[1].id).await.unwrap();
        assert_eq!((at.state.notes, at.state.hint), (vec!["a".to_owned()], Some("!".to_owned())));
        let now = thread.standing().await.unwrap();
        assert_eq!((now.state.notes, now.state.hint, now.state.n), (vec!["a".to_owned(), "b!".to_owned()], None, 2));
        assert_eq!(now.questions.len(), 1);
        let missing: CheckpointId = "0.9".parse().unwrap();
        assert_eq!(thread.standing_at(&missing).await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!("x".parse::<CheckpointId>().unwrap_err().kind(), Kind::BadInput);
        assert_eq!(history[1].id.to_string().parse::<CheckpointId>().unwrap(), history[1].id);
    }
}

#[tokio::test]
async fn a_fork_goes_on_from_an_earlier_checkpoint_and_leaves_the_rest() {
    for shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        let open = paused(thread.run(Desk::default()).await.unwrap()).questions;
        thread.answer(&open[0].id, "one").await.unwrap();
        done(thread.resume().await.unwrap());
        let history = thread.history(None, 10).await.unwrap();
        thread.fork(&history[2].id).await.unwrap();
        let open = paused(thread.resume().await.unwrap()).questions;
        thread.answer(&open[0].id, "two").await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["a", "b!", "two"]);
        assert_eq!(
            names(&thread.history(None, 10).await.unwrap()),
            ["1.3 []", "1.2 [\"c\"]", "0.1 [\"b\"]", "0.0 [\"a\"]"]
        );
        let old = thread.standing_at(&history[0].id).await.unwrap();
        assert_eq!(old.state.notes, ["a", "b!", "one"]);
        // And back to the first branch.
        thread.fork(&history[0].id).await.unwrap();
        assert_eq!(thread.standing().await.unwrap().state.notes, ["a", "b!", "one"]);
    }
}

#[tokio::test]
async fn an_edit_changes_the_state_and_keeps_what_waits() {
    for mut shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        let open = paused(thread.run(Desk::default()).await.unwrap()).questions;
        thread.edit(Desk::update().notes(["by hand".to_owned()])).await.unwrap();
        shelf.reopen().await;
        let thread = abc().thread("t", shelf.store.clone());
        assert_eq!(thread.questions().await.unwrap(), open);
        thread.answer(&open[0].id, "one").await.unwrap();
        thread.edit(Desk::update().n(10)).await.unwrap();
        let desk = done(thread.resume().await.unwrap());
        assert_eq!((desk.notes, desk.n), (["a", "b!", "by hand", "one"].map(str::to_owned).to_vec(), 12));
        let sources: Vec<_> = thread.history(None, 10).await.unwrap().iter().map(|c| c.source).collect();
        assert_eq!(sources[..3], [Source::Loop, Source::Edit, Source::Edit]);
    }
}

#[tokio::test]
async fn an_edit_as_a_node_goes_on_behind_it() {
    for shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        paused(thread.run(Desk::default()).await.unwrap());
        let history = thread.history(None, 10).await.unwrap();
        thread.fork(&history[2].id).await.unwrap();
        thread.edit_as("a", Desk::update().notes(["instead of a".to_owned()])).await.unwrap();
        let paused = paused(thread.resume().await.unwrap());
        assert_eq!(paused.state.notes, ["instead of a", "b"]);
        thread.edit_as("c", Desk::update().notes(["instead of c".to_owned()])).await.unwrap();
        assert_eq!(done(thread.resume().await.unwrap()).notes, ["instead of a", "b", "instead of c"]);
        let error = thread.edit_as("d", Desk::update()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
    }
}

#[tokio::test]
async fn a_copy_has_everything_and_goes_its_own_way() {
    for shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        paused(thread.run(Desk::default()).await.unwrap());
        let copy = thread.copy("u").await.unwrap();
        assert_eq!(thread.copy("u").await.unwrap_err().kind(), Kind::Conflict);
        let open = copy.questions().await.unwrap();
        copy.answer(&open[0].id, "copied").await.unwrap();
        assert_eq!(done(copy.resume().await.unwrap()).notes, ["a", "b!", "copied"]);
        assert_eq!(thread.questions().await.unwrap().len(), 1);
        assert!(thread.delete().await.unwrap());
        assert_eq!(thread.standing().await.unwrap_err().kind(), Kind::NotFound);
        assert_eq!(copy.standing().await.unwrap().state.notes, ["a", "b!", "copied"]);
    }
}

#[tokio::test]
async fn pruning_keeps_the_newest_and_the_state() {
    async fn again(_: Cx<Desk>) -> Result<DeskUpdate> {
        Ok(Desk::update().n(1).notes(["x".to_owned()]))
    }
    for mut shelf in Shelf::all().await {
        let flow = Graph::new()
            .node("again", again)
            .start("again")
            .branch("again", ["again", END], |desk: &Desk| if desk.n.is_multiple_of(50) { END } else { "again" })
            .build()
            .unwrap();
        let thread = flow.thread("t", shelf.store.clone());
        done(thread.run(Desk::default()).await.unwrap());
        let history = thread.history(None, 100).await.unwrap();
        assert_eq!(history.len(), 51);
        thread.fork(&history[10].id).await.unwrap();
        done(thread.resume().await.unwrap());
        thread.prune(5).await.unwrap();
        shelf.reopen().await;
        let thread = flow.thread("t", shelf.store.clone());
        assert_eq!(thread.history(None, 100).await.unwrap().len(), 5);
        assert_eq!(thread.standing().await.unwrap().state.notes.len(), 50);
        let oldest = thread.history(None, 100).await.unwrap().pop().unwrap();
        assert_eq!(thread.standing_at(&oldest.id).await.unwrap().state.n, 46);
        let thread = thread.retain(10);
        done(thread.run(Desk::update()).await.unwrap());
        assert_eq!(thread.history(None, 100).await.unwrap().len(), 10);
        assert_eq!(thread.standing().await.unwrap().state.n, 100);
    }
}

#[tokio::test]
async fn a_branch_that_was_pruned_does_not_come_back() {
    for shelf in Shelf::all().await {
        let thread = abc().thread("t", shelf.store.clone());
        paused(thread.run(Desk::default()).await.unwrap());
        for _ in 0..2 {
            let first = thread.history(None, 10).await.unwrap().pop().unwrap();
            thread.fork(&first.id).await.unwrap();
            paused(thread.resume().await.unwrap());
        }
        assert_eq!(thread.branches().await.unwrap().len(), 3);
        thread.prune(2).await.unwrap();
        let history = thread.history(None, 10).await.unwrap();
        assert_eq!(names(&history), ["2.2 [\"c\"]", "2.1 [\"b\"]"]);
        assert_eq!(thread.branches().await.unwrap().len(), 1);
        thread.fork(&history[1].id).await.unwrap();
        assert_eq!(thread.standing().await.unwrap().checkpoint, history[1].id);
        paused(thread.resume().await.unwrap());
        assert_eq!(names(&thread.history(None, 10).await.unwrap()), ["3.2 [\"c\"]", "2.1 [\"b\"]"]);
    }
}

#[tokio::test]
async fn idle_threads_expire() {
    for shelf in Shelf::all().await {
        for name in ["a", "b"] {
            paused(abc().thread(name, shelf.store.clone()).run(Desk::default()).await.unwrap());
        }
        let store: &dyn Checkpoints = &*shelf.store;
        assert_eq!(expire(store, std::time::Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(expire(store, std::time::Duration::ZERO).await.unwrap(), 2);
        assert!(store.threads("", 10).await.unwrap().is_empty());
    }
}
