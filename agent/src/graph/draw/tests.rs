//! Tests of the drawings.

use expect_test::{Expect, expect};
use lorewell_model::Result;
use serde_json::json;

use crate::cx::Cx;
use crate::graph::{END, Graph, node};
use crate::state::{Json, Rule};

async fn idle(_: Cx<Json>) -> Result<()> {
    Ok(())
}

fn graph(nodes: &[&str]) -> Graph<Json> {
    let state = Json::new([("answer", Rule::Last, json!(""))]).unwrap();
    nodes.iter().fold(Graph::from_blank(state), |graph, name| graph.node(name, idle))
}

fn check(graph: &Graph<Json>, mermaid: &Expect, dot: &Expect) {
    mermaid.assert_eq(&graph.mermaid());
    dot.assert_eq(&graph.dot());
}

fn one(_: &Json) -> &'static str {
    END
}

#[test]
fn an_empty_graph_is_a_start() {
    check(
        &graph(&[]),
        &expect![[r#"
        flowchart TD
          s(("start"))
    "#]],
        &expect![[r#"
        digraph {
          node [shape=box, style=rounded];
          s [label="start", shape=circle, style=""];
        }
    "#]],
    );
}

#[test]
fn all_kinds_of_arrows_are_drawn() {
    let graph = graph(&["plan", "search", "read", "excuse"])
        .node("write", node(idle).defer().on_error("excuse").goto(["plan", END]))
        .start("plan")
        .edge("plan", "search")
        .branch("plan", ["read", END], one)
        .join(["search", "read"], "write")
        .gate_before("write")
        .gate_after("read");
    check(
        &graph,
        &expect![[r#"
            flowchart TD
              s(("start"))
              e((("end")))
              n0("plan")
              n1("search")
              n2("read (gate)")
              n3("excuse")
              n4{{"write (deferred, gate)"}}
              j0(("all"))
              s --> n0
              n0 --> n1
              n0 -.-> n2
              n0 -.-> e
              j0 --> n4
              n1 --- j0
              n2 --- j0
              n4 -.->|goto| e
              n4 -.->|goto| n0
              n4 -.->|error| n3
              n3 --> e
        "#]],
        &expect![[r#"
            digraph {
              node [shape=box, style=rounded];
              s [label="start", shape=circle, style=""];
              e [label="end", shape=doublecircle, style=""];
              n0 [label="plan"];
              n1 [label="search"];
              n2 [label="read (gate)"];
              n3 [label="excuse"];
              n4 [label="write (deferred, gate)", style="rounded,dashed"];
              j0 [label="all", shape=circle, style="", width=0, height=0, margin=0, fontsize=9];
              s -> n0;
              n0 -> n1;
              n0 -> n2 [style=dotted];
              n0 -> e [style=dotted];
              j0 -> n4;
              n1 -> j0 [arrowhead=none];
              n2 -> j0 [arrowhead=none];
              n4 -> e [style=dotted, label=goto];
              n4 -> n0 [style=dotted, label=goto];
              n4 -> n3 [style=dotted, label=error];
              n3 -> e;
            }
        "#]],
    );
}

#[test]
fn names_can_be_anything() {
    let names = [
        "end",
        "a \"b\" \\",
        "1. one",
        "- two",
        "`three`",
        "#35; &amp; <br/>",
        "ünï 名",
        "snake_case",
        "_x_",
        "tab\there",
    ];
    let graph = graph(&names).start("end").edge("end", "nowhere");
    check(
        &graph,
        &expect![[r##"
            flowchart TD
              s(("start"))
              e((("end")))
              n0("end")
              n1("a #34;b#34; #92;")
              n2("1#46; one")
              n3("#45; two")
              n4("#96;three#96;")
              n5("#35;35#59; #38;amp#59; #60;br#47;#62;")
              n6("ünï 名")
              n7("snake_case")
              n8("#95;x#95;")
              n9("tab␉here")
              u12>"nowhere"]
              s --> n0
              n0 --> u12
              n1 --> e
              n2 --> e
              n3 --> e
              n4 --> e
              n5 --> e
              n6 --> e
              n7 --> e
              n8 --> e
              n9 --> e
        "##]],
        &expect![[r##"
            digraph {
              node [shape=box, style=rounded];
              s [label="start", shape=circle, style=""];
              e [label="end", shape=doublecircle, style=""];
              n0 [label="end"];
              n1 [label="a \"b\" \\"];
              n2 [label="1. one"];
              n3 [label="- two"];
              n4 [label="`three`"];
              n5 [label="#35; &amp;amp; <br/>"];
              n6 [label="ünï 名"];
              n7 [label="snake_case"];
              n8 [label="_x_"];
              n9 [label="tab␉here"];
              u12 [label="nowhere", color=red, style=dotted];
              s -> n0;
              n0 -> u12;
              n1 -> e;
              n2 -> e;
              n3 -> e;
              n4 -> e;
              n5 -> e;
              n6 -> e;
              n7 -> e;
              n8 -> e;
              n9 -> e;
            }
        "##]],
    );
}

#[test]
fn graphs_within_graphs_are_boxes() {
    let innermost = graph(&["dig"]).start("dig").build().unwrap();
    let inner = graph(&["draft"]).node("end", innermost).start("draft").edge("draft", "end").build().unwrap();
    let graph = graph(&["check"])
        .node("work \"hard\"", inner)
        .start("work \"hard\"")
        .edge("work \"hard\"", "check")
        .branch("check", ["work \"hard\"", END], one)
        .gate_after("work \"hard\"");
    check(
        &graph,
        &expect![[r#"
            flowchart TD
              s(("start"))
              e((("end")))
              n0("check")
              subgraph n1["work #34;hard#34; (gate)"]
                n1_s(("start"))
                n1_e((("end")))
                n1_n0("draft")
                subgraph n1_n1["end"]
                  n1_n1_s(("start"))
                  n1_n1_e((("end")))
                  n1_n1_n0("dig")
                  n1_n1_s --> n1_n1_n0
                  n1_n1_n0 --> n1_n1_e
                end
                n1_s --> n1_n0
                n1_n0 --> n1_n1_s
                n1_n1_e --> n1_e
              end
              s --> n1_s
              n1_e --> n0
              n0 -.-> n1_s
              n0 -.-> e
        "#]],
        &expect![[r#"
            digraph {
              node [shape=box, style=rounded];
              s [label="start", shape=circle, style=""];
              e [label="end", shape=doublecircle, style=""];
              n0 [label="check"];
              subgraph cluster_n1 {
                label="work \"hard\" (gate)";
                n1_s [label="start", shape=circle, style=""];
                n1_e [label="end", shape=doublecircle, style=""];
                n1_n0 [label="draft"];
                subgraph cluster_n1_n1 {
                  label="end";
                  n1_n1_s [label="start", shape=circle, style=""];
                  n1_n1_e [label="end", shape=doublecircle, style=""];
                  n1_n1_n0 [label="dig"];
                  n1_n1_s -> n1_n1_n0;
                  n1_n1_n0 -> n1_n1_e;
                }
                n1_s -> n1_n0;
                n1_n0 -> n1_n1_s;
                n1_n1_e -> n1_e;
              }
              s -> n1_s;
              n1_e -> n0;
              n0 -> n1_s [style=dotted];
              n0 -> e [style=dotted];
            }
        "#]],
    );
}

#[test]
fn graphs_that_double_are_drawn_up_to_a_limit() {
    let mut inner = graph(&["dig"]).start("dig").build().unwrap();
    for _ in 0..40 {
        let outer = graph(&[]).node("a", inner.clone()).node("b", inner).start("a").start("b");
        inner = outer.build().unwrap();
    }
    assert!(inner.mermaid().len() < 5_000_000);
    assert!(inner.dot().len() < 5_000_000);
}
