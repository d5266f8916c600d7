//! From hits to an answer: which sentences say it, and whether a quotation stands in its source.
