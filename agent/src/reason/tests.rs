//! Strategies against models with known rates of error.
