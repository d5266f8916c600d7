//! Tickets of a help desk, and where they are kept.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

/// One ticket.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Its number.
    pub id: u64,
    /// Who wrote it.
    pub customer: String,
}

/// The tickets that are open.
#[derive(Default)]
pub struct Desk {
    /// By number.
    pub open: Mutex<BTreeMap<u64, Ticket>>,
}

/// Where tickets go that are done.
pub struct Archive;

impl Archive {
    /// Stores a ticket on another machine, which may take seconds.
    pub async fn store(&self, ticket: &Ticket) -> io::Result<()> {
        crate::remote::send(ticket.id, &ticket.customer).await
    }
}
