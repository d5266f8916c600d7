//! W1: nodes in a row that return nothing. What is left is the engine.

use lorewell_agent::{Cx, Graph, Result, State};

use crate::lorewell::{self, Store};
use crate::measure::Workload;
use crate::variant::Variant;

#[derive(Clone, Default, State)]
struct Chat {
    #[reduce(append)]
    messages: Vec<String>,
}

async fn nothing(_: Cx<Chat>) -> Result<()> {
    Ok(())
}

/// Makes the workload with a number of nodes.
pub(crate) fn workload(nodes: u64, variant: Variant) -> Result<impl Workload<Store = Store>> {
    let mut graph = Graph::<Chat>::new().start("node_0");
    for node in 0..nodes {
        graph = graph.node(&format!("node_{node}"), nothing);
        if node > 0 {
            graph = graph.edge(&format!("node_{}", node - 1), &format!("node_{node}"));
        }
    }
    let check = |state: &Chat| match state.messages.is_empty() {
        true => Ok(()),
        false => Err("messages out of nowhere".to_owned()),
    };
    let input = Chat::default().into();
    Ok(lorewell::Graph { flow: graph.build()?, input, supersteps: nodes, graphs: 1, check: Box::new(check), variant })
}
