//! Pages of a list: what the front end shows at once.

use crate::ticket::Ticket;

/// Tickets on one page, unless the front end says otherwise.
pub const PAGE_SIZE: usize = 20;

/// Returns the tickets of a page of some size; the first page is 0.
pub fn page(tickets: &[Ticket], number: usize, size: usize) -> &[Ticket] {
    let first = (number * size).min(tickets.len());
    let last = (first + size + 1).min(tickets.len());
    &tickets[first..last]
}

/// Returns how many pages there are; an empty list has one.
pub fn pages(tickets: &[Ticket]) -> usize {
    tickets.len().div_ceil(PAGE_SIZE).max(1)
}
