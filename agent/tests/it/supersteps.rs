//! What runs when, in which order writes are applied, and what a branch sees.

use lorewell_agent::checkpoint::Memory;
use lorewell_agent::{
    Command, Cx, END, Goto, Graph, Json, JsonUpdate, Kind, Outcome, Result, Rule, START, State, node,
};
use serde_json::json;

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Log {
    #[reduce(append)]
    ran: Vec<String>,
    #[reduce(sum)]
    n: u32,
    route: String,
}

/// A node that writes its name.
async fn name(cx: Cx<Log>) -> Result<LogUpdate> {
    Ok(Log::update().ran([cx.node().to_owned()]))
}

async fn run(graph: Graph<Log>) -> Vec<String> {
    match graph.build().unwrap().run(Log::default()).await.unwrap() {
        Outcome::Done(log) => log.ran,
        Outcome::Paused(paused) => panic!("paused: {paused:?}"),
    }
}

#[tokio::test]
async fn edges_lead_from_superstep_to_superstep() {
    let graph = Graph::new().node("b", name).node("a", name).start("b").edge("b", "a").edge("a", END);
    assert_eq!(run(graph).await, ["b", "a"]);
}

#[tokio::test]
async fn parallel_writes_are_applied_in_the_order_of_names_then_of_sends() {
    async fn late(cx: Cx<Log>) -> Result<LogUpdate> {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        name(cx).await
    }
    async fn sent(cx: Cx<Log>) -> Result<LogUpdate> {
        let n: u64 = cx.input()?;
        tokio::time::sleep(std::time::Duration::from_millis(n)).await;
        Ok(Log::update().ran([format!("w{n}")]))
    }
    let graph = Graph::new().node("z", name).node("b", late).node("w", sent).start("z").start("b").branch(
        START,
        ["w"],
        |_: &Log| [2u64, 0, 1].map(|n| Goto::send("w", n)).to_vec(),
    );
    assert_eq!(run(graph).await, ["b", "z", "w2", "w0", "w1"]);
}

#[tokio::test]
async fn a_join_waits_for_all_and_a_deferred_node_for_everything() {
    let graph = Graph::new()
        .node("a", name)
        .node("b1", name)
        .node("b2", name)
        .node("joined", name)
        .node("last", node(name).defer())
        .start("a")
        .start("b1")
        .start("last")
        .edge("b1", "b2")
        .join(["a", "b2"], "joined");
    assert_eq!(run(graph).await, ["a", "b1", "b2", "joined", "last"]);
}

#[tokio::test]
async fn a_branch_sees_what_its_own_task_wrote_and_not_what_others_did() {
    async fn one(_: Cx<Log>) -> Result<LogUpdate> {
        Ok(Log::update().n(1u32))
    }
    let graph = || {
        Graph::new()
            .node("a", one)
            .node("b", one)
            .node("saw1", name)
            .node("saw2", name)
            .branch("a", ["saw1", "saw2"], |log: &Log| if log.n == 1 { "saw1" } else { "saw2" })
            .start("a")
    };
    assert_eq!(run(graph().edge("b", END).join(["a", "b"], "saw2").start("b")).await, ["saw1", "saw2"]);
}

#[tokio::test]
async fn a_command_writes_and_goes() {
    async fn go(cx: Cx<Log>) -> Result<Command<Log>> {
        Ok(Command::from(name(cx).await?).goto("b").send("c", 7u32))
    }
    let graph = Graph::new()
        .node("a", node(go).goto(["b", "c"]))
        .node("b", name)
        .node("c", name)
        .node("d", name)
        .start("a")
        .edge("a", "d");
    assert_eq!(run(graph).await, ["a", "b", "d", "c"]);
}

#[tokio::test]
async fn two_writers_of_one_value_are_named() {
    async fn write(_: Cx<Log>) -> Result<LogUpdate> {
        Ok(Log::update().route("x"))
    }
    let graph = Graph::<Log>::new().node("a", write).node("b", write).start("a").start("b");
    let error = graph.build().unwrap().run(Log::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("`a` and `b` wrote `route`"), "{error}");
}

#[tokio::test]
async fn a_loop_ends_at_the_limit() {
    let graph = Graph::<Log>::new().node("a", name).start("a").branch("a", ["a", END], |_: &Log| "a");
    let error = graph.build().unwrap().run(Log::default()).steps_max(5).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
}

#[tokio::test]
async fn a_graph_put_together_at_run_time_works_on_json() {
    // As it might come from a file: names, rules, arrows.
    let blank = Json::new([("items", Rule::Append, json!([])), ("best", Rule::Max, json!(null))]).unwrap();
    let mut graph = Graph::from_blank(blank.clone()).start("n0");
    for n in 0..3u32 {
        graph = graph.node(&format!("n{n}"), move |cx: Cx<Json>| async move {
            let seen = cx.state().get("items").and_then(|items| items.as_array()).map_or(0, Vec::len);
            Ok(JsonUpdate::new().set("items", json!([seen])).set("best", n))
        });
        if n > 0 {
            graph = graph.edge(&format!("n{}", n - 1), &format!("n{n}"));
        }
    }
    let flow = graph.build().unwrap();
    let store = Memory::new();
    let state = flow.thread("t", store.clone()).run(blank).await.unwrap().done().unwrap();
    assert_eq!(json!(state), json!({"items": [0, 1, 2], "best": 2}));
    assert_eq!(json!(flow.thread("t", store).standing().await.unwrap().state), json!(state));
}
