//! W1: nodes in a row that return nothing.

use juncture_core::StateGraph;
use juncture_core::node::NodeFnUpdate;
use juncture_derive::State;
use serde::{Deserialize, Serialize};

use crate::juncture::Graph;
use crate::measure::{Outcome, Workload};

#[derive(State, Clone, Debug, Default, Serialize, Deserialize)]
struct Chat {
    #[reducer(append)]
    messages: Vec<String>,
}

/// Makes the workload with a number of nodes.
pub(crate) fn workload(nodes: u64, variant: &str) -> Outcome<impl Workload> {
    let mut graph = StateGraph::<Chat>::new();
    for node in 0..nodes {
        graph.add_node_simple(&format!("node_{node}"), NodeFnUpdate(|_: &Chat| async { Ok(ChatUpdate::default()) }))?;
        if node > 0 {
            graph.add_edge(format!("node_{}", node - 1), format!("node_{node}"));
        }
    }
    graph.set_entry_point("node_0");
    graph.set_finish_point(format!("node_{}", nodes - 1));
    let check =
        |state: &Chat| if state.messages.is_empty() { Ok(()) } else { Err("messages out of nowhere".to_owned()) };
    Ok(Graph { graph, input: Chat::default(), supersteps: nodes, check: Box::new(check), variant: variant.to_owned() })
}
