//! The tables of the file. Values are text wherever they are UTF-8, for those who look at them with the `sqlite3` shell.

use super::failed;
use crate::database::Database;

/// Pages of the write-ahead log after which they move to the file: 4 MiB, which a reader can skim at once.
const WAL_PAGES: u32 = 1000;

/// The file of a store of threads.
pub(super) const FILE: Database = Database {
    application_id: 0x4c72_776c, // "Lrwl"
    what: "a Lorewell checkpoint store",
    migrations: MIGRATIONS,
    prepare: |connection| {
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "synchronous", "full")
    },
    failed,
};

const MIGRATIONS: &[&str] = &["
CREATE TABLE threads (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    head INTEGER NOT NULL,    -- the branch that runs go on from
    epoch INTEGER NOT NULL,   -- grows with each claim, and when the thread is deleted
    owner TEXT,               -- who holds it: a file in the folder `-owners`; it may be dead
    touched INTEGER NOT NULL  -- milliseconds since 1970
) STRICT;
-- The greatest epoch of a thread that was deleted; none of those is given out again.
CREATE TABLE deleted (epoch INTEGER NOT NULL) STRICT;
INSERT INTO deleted VALUES (0);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY,
    thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    path TEXT NOT NULL,       -- the graph; empty for the thread's own
    branch INTEGER NOT NULL,
    UNIQUE (thread, path, branch)
) STRICT;
CREATE TABLE forks (
    id INTEGER PRIMARY KEY,   -- in the order in which they were made
    thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    branch INTEGER NOT NULL,
    origin INTEGER NOT NULL,  -- the branch that it left
    seq INTEGER NOT NULL,     -- after this checkpoint
    UNIQUE (thread, path, branch)
) STRICT;
CREATE TABLE steps (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    root INTEGER,             -- the superstep of the thread's own graph, if it is not `seq`
    value ANY NOT NULL,
    PRIMARY KEY (line, seq)
) STRICT, WITHOUT ROWID;
-- With row ids: a page of a table takes a row of 4 kB whole, one of a `WITHOUT ROWID` table only a quarter of that.
CREATE TABLE snapshots (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq)
) STRICT;
CREATE TABLE results (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    task INTEGER NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq, task)
) STRICT;
CREATE TABLE entries (
    line INTEGER NOT NULL REFERENCES lines (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    task INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value ANY NOT NULL,
    UNIQUE (line, seq, task, kind, name)
) STRICT;
"];
