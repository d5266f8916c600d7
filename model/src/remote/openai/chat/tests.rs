//! Tests of Chat Completions.
