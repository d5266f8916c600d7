//! Tests of the checks, through the graph that an author writes.

use std::time::Instant;

use expect_test::{Expect, expect};
use lorewell_model::{Kind, Result};
use proptest::prelude::*;
use serde_json::json;

use super::nearest;
use crate::cx::Cx;
use crate::graph::{END, Graph, Node, START, node};
use crate::state::{Json, Rule};

async fn idle(_: Cx<Json>) -> Result<()> {
    Ok(())
}

fn plain() -> Node<Json> {
    node(idle)
}

fn state() -> Json {
    let fields =
        [("answer", Rule::Last, json!("")), ("route", Rule::Ephemeral, json!("")), ("hits", Rule::Append, json!([]))];
    Json::new(fields).unwrap()
}

/// A graph with these nodes, each begun by a space.
fn graph(nodes: &str) -> Graph<Json> {
    nodes.split_whitespace().fold(Graph::from_blank(state()), |graph, name| graph.node(name, idle))
}

/// Adds `a -> b -> c` for each such line.
fn edges(graph: Graph<Json>, lines: &[&str]) -> Graph<Json> {
    lines.iter().fold(graph, |graph, line| {
        let nodes: Vec<&str> = line.split(" -> ").collect();
        nodes.windows(2).fold(graph, |graph, pair| graph.edge(pair[0], pair[1]))
    })
}

fn check(graph: Graph<Json>, expect: &Expect) {
    let text = match graph.build() {
        Ok(_) => "fine".to_owned(),
        Err(error) => {
            assert_eq!(error.kind(), Kind::Config);
            error.to_string()
        }
    };
    expect.assert_eq(&text);
}

#[track_caller]
fn fine(graph: Graph<Json>) {
    if let Err(error) = graph.build() {
        panic!("{error}");
    }
}

/// A branch that is never asked.
fn one(_: &Json) -> &'static str {
    END
}

fn many(_: &Json) -> Vec<&'static str> {
    Vec::new()
}

#[test]
fn a_graph_has_nodes_and_a_start() {
    check(
        graph(""),
        &expect![[r#"
        the graph has a fault:
          there are no nodes; add one with `.node(..)`"#]],
    );
    check(
        graph("a"),
        &expect![[r#"
        the graph has a fault:
          nothing says where a run begins; say it with `.start(..)`"#]],
    );
    check(
        graph("").start("a"),
        &expect![[r#"
        the graph has 2 faults:
          start `a`: there is no node `a`
          there are no nodes; add one with `.node(..)`"#]],
    );
    fine(graph("a").start("a"));
    fine(graph("a").branch(START, ["a"], one));
}

#[test]
fn names_of_nodes_are_parts_of_paths() {
    let names = ["", START, "a/b", "x@y#z", "tab\there", "fine name, ünï", "twice", "twice", "twice"];
    let graph = names.iter().fold(Graph::from_blank(state()), |graph, name| graph.node(name, idle));
    check(
        graph.start("fine name, ünï"),
        &expect![[r#"
        the graph has 11 faults:
          a node has an empty name
          node `START`: the name is taken, it is no node
          node `a/b`: a name is part of paths and cannot have `/` in it
          node `x@y#z`: a name is part of paths and cannot have `#` and `@` in it
          node `tab\there`: a name is part of paths and cannot have `\t` in it
          node `twice`: there are 3 nodes with this name
          node ``: nothing leads to it; add an edge to it, or let a run start with it
          node `a/b`: nothing leads to it; add an edge to it, or let a run start with it
          node `x@y#z`: nothing leads to it; add an edge to it, or let a run start with it
          node `tab\there`: nothing leads to it; add an edge to it, or let a run start with it
          node `twice`: nothing leads to it; add an edge to it, or let a run start with it"#]],
    );
}

#[test]
fn misspelt_names_are_told_with_what_was_meant() {
    let graph = graph("plan search write").start("plna").edge("plan", "serach").edge("Search", "write");
    check(
        graph.branch("wrote", ["plan", "nowhere"], one),
        &expect![[r#"
        the graph has 6 faults:
          start `plna`: there is no node `plna`; did you mean `plan`?
          edge `plan` -> `serach`: there is no node `serach`; did you mean `search`?
          edge `Search` -> `write`: there is no node `Search`; did you mean `search`?
          branch after `wrote`: there is no node `wrote`; did you mean `write`?
          branch after `wrote`: there is no node `nowhere`
          cycle `plan` -> `search` -> `write` -> `plan`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    let graph = super::tests::graph("a b").start("a").edge("a", "c").edge("b", "zz");
    check(
        graph,
        &expect![[r#"
        the graph has 3 faults:
          edge `a` -> `c`: there is no node `c`
          edge `b` -> `zz`: there is no node `zz`
          node `b`: nothing leads to it; add an edge to it, or let a run start with it"#]],
    );
}

#[test]
fn settings_refer_to_nodes_and_fields() {
    let mend = plain().on_error("mend").goto(["plan", "sreach", START, END]).writes(["anwser", "hits", "zz"]);
    let graph = Graph::from_blank(state())
        .node("plan", mend)
        .node("search", plain().on_error("search"))
        .node("last", plain().on_error(END))
        .start("plan")
        .edge("plan", "search")
        .edge("search", "last")
        .gate_before("serch")
        .gate_after("last")
        .gate_after(END);
    check(
        graph,
        &expect![[r#"
        the graph has 9 faults:
          `on_error` of node `plan`: there is no node `mend`
          `goto` of node `plan`: nothing leads to `START`
          `goto` of node `plan`: there is no node `sreach`; did you mean `search`?
          `on_error` of node `search`: the node names itself; use `.retry(..)` to run it again
          `on_error` of node `last`: `END` is no node
          gate at `serch`: there is no node `serch`; did you mean `search`?
          gate at `END`: it is no node
          `writes` of node `plan`: the state has no field `anwser`; did you mean `answer`?
          `writes` of node `plan`: the state has no field `zz`"#]],
    );
}

#[test]
fn arrows_have_two_ends() {
    let graph = graph("a b").start("a").edge("a", "b").edge("a", "b").edge("b", START).edge(END, "a");
    check(
        graph.branch("b", Vec::<&str>::new(), one).branch(END, ["a"], one),
        &expect![[r#"
        the graph has 5 faults:
          edge `a` -> `b`: it is there already
          edge `b` -> `START`: nothing leads to `START`
          edge `END` -> `a`: nothing comes after `END`
          branch after `b`: it has no targets; name all that it may go to
          branch after `END`: nothing comes after `END`"#]],
    );
}

#[test]
fn joins_have_several_sources_and_a_target() {
    let graph = edges(graph("a b c"), &["__start__ -> a -> b -> c"])
        .join(Vec::<&str>::new(), "c")
        .join(["a"], "c")
        .join(["a", "a"], "c")
        .join(["a", START, END], "b")
        .join(["a", "b"], END)
        .join(["a", "b"], START)
        .join(["a", "b"], "c")
        .join(["b", "a"], "c");
    check(
        graph,
        &expect![[r#"
            the graph has 9 faults:
              join into `c`: it has no sources
              join of `a` into `c`: it has one source; that is an edge
              join of `a` and `a` into `c`: it names a source more than once
              join of `a` and `a` into `c`: it is there already
              join of `a`, `START` and `END` into `b`: nothing comes after `END`
              join of `a`, `START` and `END` into `b`: the start is no source; a run is always past it
              join of `a` and `b` into `END`: the end waits for everything anyway
              join of `a` and `b` into `START`: nothing leads to `START`
              join of `b` and `a` into `c`: it is there already"#]],
    );
}

#[test]
fn every_node_can_be_reached() {
    let graph = edges(graph("a b c lone x y"), &["__start__ -> a -> b", "x -> y -> x"]).join(["b", "lone"], "c");
    check(
        graph,
        &expect![[r#"
        the graph has 5 faults:
          node `c`: what leads to it cannot be reached from the start
          node `lone`: nothing leads to it; add an edge to it, or let a run start with it
          node `x`: what leads to it cannot be reached from the start
          node `y`: what leads to it cannot be reached from the start
          join of `b` and `lone` into `c`: it never completes, a run cannot come to `lone`"#]],
    );
    let graph = Graph::from_blank(state())
        .node("work", plain().on_error("mend").goto(["more"]))
        .node("mend", plain())
        .node("more", plain())
        .start("work");
    fine(graph);
    let graph = Graph::from_blank(state())
        .node("work", plain().on_error("mend"))
        .node("mend", plain().on_error("mend again"))
        .node("mend again", plain())
        .start("work");
    check(
        graph,
        &expect![[r#"
        the graph has a fault:
          node `mend again`: it stands in for nodes that no run comes to, or that only stand in for others"#]],
    );
}

#[test]
fn a_cycle_has_a_way_out() {
    check(
        edges(graph("a b c"), &["__start__ -> a -> b -> c -> b"]),
        &expect![[r#"
        the graph has a fault:
          cycle `b` -> `c` -> `b`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    check(
        edges(graph("a"), &["__start__ -> a -> a"]),
        &expect![[r#"
        the graph has a fault:
          cycle `a` -> `a`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    fine(edges(graph("a b"), &["__start__ -> a -> b"]).branch("b", ["a", END], one));
    fine(edges(graph("a b c"), &["__start__ -> a -> b"]).branch("b", ["a", "c"], one));
    // It may choose nothing.
    fine(edges(graph("a b"), &["__start__ -> a", "b -> a"]).branch("a", ["b"], many));
    // The way out is only of one of two that are followed.
    check(
        edges(graph("a b c"), &["__start__ -> a -> b -> a", "b -> c"]),
        &expect![[r#"
        the graph has a fault:
          cycle `a` -> `b` -> `a`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    check(
        edges(graph("a b c"), &["__start__ -> a -> b", "c -> a"]).branch("b", ["a", "c"], one),
        &expect![[r#"
        the graph has a fault:
          cycle `a` -> `b` -> `a`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    // Out of one cycle into another.
    check(
        edges(graph("a b c"), &["__start__ -> a", "b -> a", "c -> c"]).branch("a", ["b", "c"], one),
        &expect![[r#"
        the graph has a fault:
          cycle `c` -> `c`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
}

#[test]
fn commands_and_failures_lead_out_of_a_cycle() {
    let cycle = |b: Node<Json>| {
        edges(Graph::from_blank(state()).node("a", idle).node("b", b).node("c", idle), &["__start__ -> a -> b"])
    };
    fine(cycle(plain().goto(["a", "c"])));
    fine(cycle(plain().goto(["a"])).edge("a", "c"));
    fine(cycle(plain().on_error("c")).edge("b", "a"));
    fine(cycle(plain().goto([END])).edge("b", "a").edge("a", "c"));
    check(
        cycle(plain().goto(["a"])).edge("b", "a").edge("a", "c"),
        &expect![[r#"
        the graph has a fault:
          cycle `a` -> `b` -> `a`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
}

#[test]
fn a_join_closes_a_cycle_if_it_is_always_completed() {
    let graph = |end: &str| edges(graph("plan a b c"), &["__start__ -> plan -> a", "plan -> b", end]);
    check(
        graph("a -> c").join(["a", "b"], "plan"),
        &expect![[r#"
        the graph has a fault:
          cycle `plan` -> `a` -> `plan`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    check(
        graph("b -> c -> plan").join(["a", "b"], "c"),
        &expect![[r#"
            the graph has a fault:
              cycle `plan` -> `b` -> `c` -> `plan`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
    // `c` runs once.
    fine(graph("__start__ -> c").join(["a", "c"], "plan"));
}

#[test]
fn a_long_cycle_is_told_in_one_line() {
    let names: Vec<String> = (0..30).map(|n| format!("n{n}")).collect();
    let line = format!("__start__ -> {} -> n0", names.join(" -> "));
    check(
        edges(graph(&names.join(" ")), &[&line]),
        &expect![[r#"
        the graph has a fault:
          cycle `n0` -> `n1` -> `n2` -> `n3` -> `n4` -> `n5` -> `n6` -> `n7` -> `n8` -> `n9` -> `n10` -> `n11` -> (18 more) -> `n0`: it has no way out; let a branch choose between it and `END` or another node"#]],
    );
}

#[test]
fn nodes_that_run_together_do_not_write_the_same() {
    let writers = |start: &[&str]| {
        let both = || plain().writes(["answer", "route", "hits"]);
        let graph = Graph::from_blank(state())
            .node("a", both())
            .node("b", both())
            .node("c", plain().writes(["answer"]))
            .node("d", plain().writes(["hits"]))
            .node("x", plain())
            .node("y", plain());
        edges(graph, start)
    };
    // Out of one node, and two steps later.
    check(
        writers(&["__start__ -> x -> a -> c -> d -> y", "x -> b"]),
        &expect![[r#"
            the graph has a fault:
              nodes `a` and `b`: they can run in the same superstep and both write `answer` and `route`, which keep one value each; give such a field a rule, or let one node run after the other"#]],
    );
    check(
        writers(&["__start__ -> x -> a -> y -> d", "__start__ -> b -> c"]),
        &expect![[r#"
            the graph has a fault:
              nodes `a` and `c`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
    // In different steps, though on two paths.
    fine(writers(&["__start__ -> x -> a -> c", "__start__ -> b -> y -> d"]).edge("c", END));
    // A choice of one, a choice of many, an edge and a choice.
    let one_of = |from: &str| writers(&[from, "a -> d", "a -> y"]);
    fine(one_of("__start__ -> x").branch("x", ["a", "b", "c"], one));
    check(
        one_of("__start__ -> x").branch("x", ["a", "b", "c"], many),
        &expect![[r#"
            the graph has 3 faults:
              nodes `a` and `b`: they can run in the same superstep and both write `answer` and `route`, which keep one value each; give such a field a rule, or let one node run after the other
              nodes `a` and `c`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other
              nodes `b` and `c`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
    check(
        writers(&["__start__ -> a -> b", "a -> d -> y -> x"]).branch("a", ["c"], one),
        &expect![[r#"
            the graph has a fault:
              nodes `b` and `c`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
}

#[test]
fn joins_deferred_nodes_and_handlers_run_when_they_run() {
    let answer = || plain().writes(["answer"]);
    let join = |from: &str, to: &[&str]| {
        let graph = Graph::from_blank(state())
            .node("a", plain())
            .node("b", plain())
            .node("b2", plain())
            .node("t", answer())
            .node("x", answer());
        edges(graph, to).join(["a", from], "t")
    };
    // `t` runs after `b2`, `x` beside `b2` and then beside `t`.
    fine(join("b2", &["__start__ -> a -> x", "__start__ -> b -> b2"]));
    check(
        join("b2", &["__start__ -> a", "__start__ -> b -> b2 -> x"]),
        &expect![[r#"
            the graph has a fault:
              nodes `t` and `x`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
    // In a cycle too.
    let around = join("b", &["__start__ -> b2 -> a", "b2 -> b -> x"]).branch("t", ["b2", END], one);
    check(
        around,
        &expect![[r#"
            the graph has a fault:
              nodes `t` and `x`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );

    let late = |x: Node<Json>, to: &[&str]| {
        let graph = Graph::from_blank(state())
            .node("a", plain())
            .node("b", answer())
            .node("late", answer().defer())
            .node("x", x);
        edges(graph, to)
    };
    fine(late(answer(), &["__start__ -> a -> late", "a -> b -> x"]));
    check(
        late(answer().defer(), &["__start__ -> a -> late", "a -> b -> x"]),
        &expect![[r#"
            the graph has a fault:
              nodes `late` and `x`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );

    // What stands in for a node that failed and what follows that node never meet, so the join of both never fires, beside nobody.
    let exclusive = Graph::from_blank(state())
        .node("work", plain().on_error("mend").goto(["next"]))
        .node("mend", plain())
        .node("next", plain())
        .node("t", answer())
        .node("x", answer());
    let exclusive = edges(exclusive, &["__start__ -> work", "__start__ -> t"]).branch("next", ["x"], one);
    check(
        exclusive.join(["mend", "next"], "t"),
        &expect![[r#"
            the graph has a fault:
              join of `mend` and `next` into `t`: it never completes, no run comes to both `mend` and `next`; give each an edge to `t` instead"#]],
    );

    let handled = Graph::from_blank(state())
        .node("a", answer().on_error("mend"))
        .node("b", answer())
        .node("mend", answer())
        .node("after", answer());
    check(
        edges(handled, &["__start__ -> a", "__start__ -> b", "mend -> after"]),
        &expect![[r#"
            the graph has 2 faults:
              nodes `a` and `b`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other
              nodes `b` and `mend`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
}

#[test]
fn a_join_can_be_completed() {
    let fork = || graph("x a b c").start("x").join(["a", "b"], "c");
    check(
        fork().branch("x", ["a", "b"], one),
        &expect![[r#"
        the graph has a fault:
          join of `a` and `b` into `c`: it never completes, no run comes to both `a` and `b`; give each an edge to `c` instead"#]],
    );
    fine(fork().branch("x", ["a", "b"], many));
    fine(fork().edge("x", "a").edge("x", "b"));
    fine(fork().edge("x", "a").branch("x", ["b", END], one));
    fine(fork().branch("x", ["a", END], one).branch("x", ["b", END], one));
    // In turns.
    fine(fork().branch("x", ["a", "b"], one).branch("a", ["x", END], one));
    // The choice comes later.
    let deep = graph("x y z a b c").start("x").edge("x", "y").edge("x", "z").branch("y", ["a", "b"], one);
    fine(edges(deep, &["z -> b"]).join(["a", "b"], "c"));
    let deep = graph("x y z a b c").start("x").branch("x", ["y", "z"], one).join(["a", "b"], "c");
    check(
        edges(deep, &["y -> a", "z -> b"]),
        &expect![[r#"
        the graph has a fault:
          join of `a` and `b` into `c`: it never completes, no run comes to both `a` and `b`; give each an edge to `c` instead"#]],
    );
}

#[test]
fn commands_go_to_several_but_a_failure_replaces() {
    let graph = |x: Node<Json>| {
        Graph::from_blank(state()).node("x", x).node("a", idle).node("b", idle).node("c", idle).start("x")
    };
    fine(graph(plain().goto(["a", "b"])).join(["a", "b"], "c"));
    let either = graph(plain().on_error("a")).edge("x", "b");
    check(
        either.join(["a", "b"], "c"),
        &expect![[r#"
        the graph has a fault:
          join of `a` and `b` into `c`: it never completes, no run comes to both `a` and `b`; give each an edge to `c` instead"#]],
    );
    check(
        graph(plain().on_error("a")).join(["x", "a"], "c").edge("x", "b"),
        &expect![[r#"
        the graph has a fault:
          join of `x` and `a` into `c`: it never completes, no run comes to both `x` and `a`; give each an edge to `c` instead"#]],
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let graph = Graph::from_blank(state())
        .node("plan", plain())
        .node("search", plain().writes(["answer"]))
        .node("read", plain().writes(["answer", "rout"]))
        .node("a>b", plain())
        .node("lone", plain());
    let graph = edges(graph, &["__start__ -> plan -> serach", "plan -> read", "search -> search"]);
    check(
        graph.join(["plan", "lone"], "a>b").gate_before("reed"),
        &expect![[r#"
            the graph has 9 faults:
              node `a>b`: a name is part of paths and cannot have `>` in it
              edge `plan` -> `serach`: there is no node `serach`; did you mean `search`?
              gate at `reed`: there is no node `reed`; did you mean `read`?
              `writes` of node `read`: the state has no field `rout`; did you mean `route`?
              node `a>b`: what leads to it cannot be reached from the start
              node `lone`: nothing leads to it; add an edge to it, or let a run start with it
              cycle `search` -> `search`: it has no way out; let a branch choose between it and `END` or another node
              join of `plan` and `lone` into `a>b`: it never completes, a run cannot come to `lone`
              nodes `search` and `read`: they can run in the same superstep and both write `answer`, which keeps one value; give such a field a rule, or let one node run after the other"#]],
    );
}

#[test]
fn very_many_faults_are_counted() {
    let graph = (0..150).fold(graph("a"), |graph, n| graph.edge("a", &format!("far away {n}")));
    let error = graph.start("a").build().unwrap_err().to_string();
    assert!(error.starts_with("the graph has 150 faults:\n  edge `a` -> `far away 0`: there is no node"), "{error}");
    assert!(error.ends_with("\n  and 50 more"), "{error}");
}

#[test]
fn map_reduce_with_a_deferred_end_and_a_subgraph_are_fine() {
    let inner = graph("draft polish").start("draft").edge("draft", "polish").build().unwrap();
    let graph = Graph::from_blank(state())
        .node("split", plain())
        .node("work", inner)
        .node("collect", plain().defer().writes(["answer"]))
        .node("judge", plain().writes(["answer"]).on_error("excuse"))
        .node("excuse", plain().writes(["answer"]))
        .start("split")
        .branch("split", ["work"], many)
        .edge("work", "collect")
        .edge("collect", "judge")
        .branch("judge", ["split", END], one);
    fine(graph);
}

#[test]
fn nearest_names_are_near() {
    let near = |name: &str| nearest(name, ["search", "research", "a", "b", "be", "Plan", "plant"].into_iter());
    assert_eq!(near("serach"), Some("search"));
    assert_eq!(near("SEARCH"), Some("search"));
    assert_eq!(near("reserch"), Some("research"));
    assert_eq!(near("plan"), Some("Plan"));
    assert_eq!(near("planx"), Some("Plan"));
    assert_eq!(near("c"), None);
    assert_eq!(near("bb"), None);
    assert_eq!(near("write"), None);
    assert_eq!(near(""), None);
    assert_eq!(near(&"search".repeat(100_000)), None);
}

#[test]
fn a_graph_of_ten_thousand_nodes_is_checked_at_once() {
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n}")).collect();
    let all = || graph(&names.join(" "));
    let begun = Instant::now();
    let chain = names.windows(2).fold(all().start("n0"), |graph, pair| graph.edge(&pair[0], &pair[1]));
    fine(chain);
    let wide = names[1..].iter().fold(all().start("n0"), |graph, name| graph.edge("n0", name));
    fine(wide.join(&names[1..9_999], "n9999"));
    let chain = names.windows(2).fold(all().start("n0"), |graph, pair| graph.edge(&pair[0], &pair[1]));
    let ring = chain.branch("n9999", ["n0", END], one);
    fine(names.windows(3).step_by(3).fold(ring, |graph, three| graph.join([&three[0], &three[1]], &three[2])));
    let writers = names[1..].iter().fold(Graph::from_blank(state()).node("n0", idle).start("n0"), |graph, name| {
        graph.node(name, plain().writes(["answer"])).edge("n0", name)
    });
    assert!(writers.build().is_err());
    // Generous: it is to notice what grows with the square.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

/// What a random graph is made of.
#[derive(Debug, Clone)]
enum Part {
    Node { name: usize, deferred: bool, on_error: Option<usize>, goto: Vec<usize>, writes: bool },
    Edge(usize, usize),
    Branch { from: usize, to: Vec<usize>, many: bool },
    Join(Vec<usize>, usize),
    Gate(usize),
}

const NAMES: [&str; 12] = ["a", "b", "c", "d", "end", "e \"e\"", "f/", "ünï <&;", "", START, END, "subgraph\n"];

fn part() -> impl Strategy<Value = Part> {
    let name = || prop_oneof![8 => 0..5_usize, 1 => 0..NAMES.len()];
    let names = || prop::collection::vec(name(), 0..4);
    let from = || prop_oneof![3 => name(), 1 => Just(9_usize)];
    prop_oneof![
        4 => (name(), prop::bool::weighted(0.2), prop::option::weighted(0.2, name()), names(), any::<bool>())
            .prop_map(|(name, deferred, on_error, goto, writes)| Part::Node { name, deferred, on_error, goto, writes }),
        4 => (from(), name()).prop_map(|(from, to)| Part::Edge(from, to)),
        2 => (from(), names(), any::<bool>()).prop_map(|(from, to, many)| Part::Branch { from, to, many }),
        1 => (names(), name()).prop_map(|(sources, to)| Part::Join(sources, to)),
        1 => name().prop_map(Part::Gate),
    ]
}

fn add(graph: Graph<Json>, part: &Part) -> Graph<Json> {
    let names = |numbers: &[usize]| numbers.iter().map(|number| NAMES[*number]).collect::<Vec<_>>();
    match part {
        Part::Node { name, deferred, on_error, goto, writes } => {
            let mut node = plain().goto(names(goto));
            if *deferred {
                node = node.defer();
            }
            if let Some(handler) = on_error {
                node = node.on_error(NAMES[*handler]);
            }
            graph.node(NAMES[*name], if *writes { node.writes(["answer"]) } else { node })
        }
        Part::Edge(from, to) => graph.edge(NAMES[*from], NAMES[*to]),
        Part::Branch { from, to, many: true } => graph.branch(NAMES[*from], names(to), many),
        Part::Branch { from, to, many: false } => graph.branch(NAMES[*from], names(to), one),
        Part::Join(sources, to) => graph.join(names(sources), NAMES[*to]),
        Part::Gate(node) => graph.gate_after(NAMES[*node]),
    }
}

proptest! {
    #[test]
    fn any_graph_is_checked_and_drawn(parts in prop::collection::vec(part(), 0..16)) {
        let graph = parts.iter().fold(Graph::from_blank(state()), add);
        let (mermaid, dot) = (graph.mermaid(), graph.dot());
        prop_assert!(mermaid.starts_with("flowchart TD\n"));
        prop_assert!(dot.starts_with("digraph "));
        // `build` lays a graph out by its names, and would not come back with one that it does not know.
        match graph.build() {
            Ok(flow) => {
                prop_assert!(flow.nodes().all(|name| NAMES[..5].contains(&name) || name == NAMES[5] || name == NAMES[7]));
                prop_assert_eq!(flow.mermaid(), mermaid);
                prop_assert_eq!(flow.dot(), dot);
            }
            Err(error) => prop_assert_eq!(error.kind(), Kind::Config),
        }
    }
}
