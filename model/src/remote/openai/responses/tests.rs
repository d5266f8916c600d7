//! Tests of Responses: requests as they are written, and streams as servers send them.

mod requests;
mod streams;
