//! A graph that pays money back: small sums by itself, larger ones when a person has said yes.

use lorewell::Result;
use lorewell::agent::{Cx, END, Flow, Graph, State};

/// Up to so many cents nobody is asked.
const UNASKED_CENTS_MAX: u64 = 2_000;

/// What the nodes share. Each returns an update of it; `append` says that a log grows.
#[derive(Debug, Clone, Default, State)]
pub struct Refund {
    /// What the customer wants back, in cents.
    pub cents: u64,
    /// Whether it is paid.
    pub granted: bool,
    /// What was done, oldest first.
    #[reduce(append)]
    pub log: Vec<String>,
}

impl Refund {
    /// Begins with what the customer wants back, in cents.
    pub fn of(cents: u64) -> Self {
        Self {
            cents,
            ..Self::default()
        }
    }
}

/// Makes the graph. All that is wrong with it is said at once.
///
/// # Errors
/// `Config` if an edge or a branch leads nowhere.
pub fn flow() -> Result<Flow<Refund>> {
    Graph::new()
        .node("decide", decide)
        .node("pay", pay)
        .node("decline", decline)
        .start("decide")
        .branch("decide", ["pay", "decline"], |refund: &Refund| {
            if refund.granted { "pay" } else { "decline" }
        })
        .edge("pay", END)
        .edge("decline", END)
        .build()
}

/// Runs again from its start when there is an answer.
async fn decide(cx: Cx<Refund>) -> Result<RefundUpdate> {
    let cents = cx.state().cents;
    if cents <= UNASKED_CENTS_MAX {
        return Ok(Refund::update().granted(true));
    }
    let granted: bool = cx.ask(format!("Refund {}?", euros(cents))).await?;
    Ok(Refund::update().granted(granted))
}

/// What must not happen twice is an effect: its result is stored before the node sees it.
async fn pay(cx: Cx<Refund>) -> Result<RefundUpdate> {
    let cents = cx.state().cents;
    let receipt: String = cx
        .effect("pay", |key| async move { Ok(send(cents, &key)) })
        .await?;
    Ok(Refund::update().log([receipt]))
}

/// Stands for the bank, which knows by the key what it has paid already.
fn send(cents: u64, _key: &str) -> String {
    format!("paid {}", euros(cents))
}

async fn decline(_: Cx<Refund>) -> Result<RefundUpdate> {
    Ok(Refund::update().log(["declined".to_owned()]))
}

fn euros(cents: u64) -> String {
    format!("{}.{:02} EUR", cents / 100, cents % 100)
}
