//! The tables of the memory.

use super::failed;
use crate::database::Database;

/// The file of a memory.
pub(super) const FILE: Database = Database {
    application_id: 0x4c72_776d, // "Lrwm"
    what: "a Lorewell memory",
    migrations: MIGRATIONS,
    prepare: |connection| {
        // What is forgotten is overwritten with zeros.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "synchronous", "full")
    },
    failed,
};

/// Times are microseconds since 1970.
const MIGRATIONS: &[&str] = &["
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,  -- `embedder`: the fingerprint of what made the vectors
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE namespaces (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE memories (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    namespace INTEGER NOT NULL REFERENCES namespaces (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    hash BLOB NOT NULL,              -- of kind and text
    origin TEXT NOT NULL,
    thread TEXT,
    message TEXT,
    document TEXT,
    importance REAL NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,        -- when this state of it was recorded
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    valid_from INTEGER,
    valid_to INTEGER,
    expires INTEGER,
    entity TEXT,                     -- of a fact, as the next two
    attribute TEXT,
    value TEXT,
    terms INTEGER NOT NULL           -- words of the text
) STRICT;
CREATE INDEX memories_of ON memories (namespace, terms);
CREATE UNIQUE INDEX duplicates ON memories (namespace, hash) WHERE entity IS NULL AND valid_to IS NULL;
CREATE INDEX statements ON memories (namespace, entity, attribute) WHERE entity IS NOT NULL;
CREATE INDEX expiries ON memories (expires) WHERE expires IS NOT NULL;
-- The words of one namespace say nothing of those of another, so each has its own: the index of FTS5 would count all.
CREATE TABLE postings (
    namespace INTEGER NOT NULL,
    term TEXT NOT NULL,
    memory INTEGER NOT NULL REFERENCES memories (row) ON DELETE CASCADE,
    count INTEGER NOT NULL,
    PRIMARY KEY (namespace, term, memory)
) STRICT, WITHOUT ROWID;
CREATE INDEX postings_of ON postings (memory);
-- A memory without one is not embedded yet.
CREATE TABLE vectors (
    memory INTEGER PRIMARY KEY REFERENCES memories (row) ON DELETE CASCADE,
    value BLOB NOT NULL              -- floats of 32 bits, the low byte first
) STRICT;
-- What was known of facts before: each row as it was until `recorded_to`.
CREATE TABLE versions (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    namespace INTEGER NOT NULL REFERENCES namespaces (id) ON DELETE CASCADE,
    entity TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value TEXT NOT NULL,
    origin TEXT NOT NULL,
    thread TEXT,
    message TEXT,
    document TEXT,
    valid_from INTEGER,
    valid_to INTEGER,
    recorded_from INTEGER NOT NULL,
    recorded_to INTEGER NOT NULL
) STRICT;
CREATE INDEX versions_of ON versions (namespace, entity, attribute);
CREATE INDEX versions_by_id ON versions (id);
"];
