//! What the front end asks for.

use std::io;

use crate::page::{PAGE_SIZE, page, pages};
use crate::ticket::{Archive, Desk, Ticket};

/// Lists a page of the open tickets, and how many pages there are.
pub fn list(desk: &Desk, number: usize) -> (Vec<Ticket>, usize) {
    let open = desk.open.lock().expect("no holder of the lock panics");
    let tickets: Vec<Ticket> = open.values().cloned().collect();
    (page(&tickets, number, PAGE_SIZE).to_vec(), pages(&tickets))
}

/// Closes a ticket. It stays open if it cannot be archived.
pub async fn close(desk: &Desk, archive: &Archive, id: u64) -> io::Result<()> {
    let mut open = desk.open.lock().expect("no holder of the lock panics");
    let ticket = open.get(&id).cloned().ok_or(io::ErrorKind::NotFound)?;
    archive.store(&ticket).await?;
    open.remove(&id);
    Ok(())
}

/// Closes many tickets, one after the other.
pub async fn close_all(desk: &Desk, archive: &Archive, ids: &[u64]) -> io::Result<()> {
    for id in ids {
        close(desk, archive, *id).await?;
    }
    Ok(())
}
