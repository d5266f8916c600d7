//! Tests of Responses.
