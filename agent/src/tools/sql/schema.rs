//! The tables of a database in a form that a model reads well: one line each, with columns, types and where keys lead
//! to. Names are quoted as SQL wants them, so that none of them reads as anything else.

use std::fmt::Write as _;

use rusqlite::{Connection, ErrorCode, Result};

use crate::tools::invisible::is_invisible;

/// Bytes of all of it, about 3,000 tokens: it goes along with every request to the model.
const SCHEMA_BYTES_MAX: usize = 12 << 10;
/// Tables that are looked at; the model finds the others in `sqlite_schema`.
const TABLES_MAX: u32 = 500;
/// Columns that are told of one table.
const COLUMNS_MAX: usize = 100;
/// Bytes of a name: longer ones are no names.
const NAME_BYTES_MAX: usize = 128;
/// Bytes of a type.
const TYPE_BYTES_MAX: usize = 40;

/// Describes the tables and views of a database.
pub(super) fn describe(connection: &Connection) -> Result<String> {
    let (mut text, mut left_out) = (String::new(), 0);
    let all: u32 = connection.query_row(&format!("SELECT count(*) {TABLES}"), (), |row| row.get(0))?;
    for (name, is_view) in tables(connection)? {
        // After one that was left out none is looked at: what is missing is the end of the list.
        let line = if left_out == 0 { table(connection, &name, is_view)? } else { String::new() };
        match left_out == 0 && text.len() + line.len() <= SCHEMA_BYTES_MAX {
            true => text.push_str(&line),
            false => left_out += 1,
        }
    }
    left_out += all.saturating_sub(TABLES_MAX);
    if all == 0 {
        text.push_str("[no tables]\n");
    }
    if left_out > 0 {
        let _ = writeln!(text, "[{left_out} more are not shown; read `sqlite_schema`]");
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// All that people made: no tables of SQLite's own, and not those in which virtual tables keep their data.
const TABLES: &str = r"FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual', 'view')
    AND name NOT LIKE 'sqlite\_%' ESCAPE '\'";

fn tables(connection: &Connection) -> Result<Vec<(String, bool)>> {
    let sql = format!("SELECT name, type = 'view' {TABLES} ORDER BY name LIMIT {TABLES_MAX}");
    connection.prepare(&sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Writes the line of a table.
fn table(connection: &Connection, table: &str, is_view: bool) -> Result<String> {
    let view = if is_view { "view " } else { "" };
    let inside = match columns(connection, table) {
        Ok(columns) => columns,
        // A view of a table that is gone, a module that this build does not have.
        Err(error) if !is_about_file(&error) => "its columns cannot be read".to_owned(),
        Err(error) => return Err(error),
    };
    Ok(format!("{view}{}({inside})\n", name(table)))
}

fn is_about_file(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::Unknown | ErrorCode::AuthorizationForStatementDenied | ErrorCode::SchemaChanged)
    )
}

fn columns(connection: &Connection, table: &str) -> Result<String> {
    let keys = keys(connection, table)?;
    // Hidden ones are those that virtual tables take arguments by.
    let sql = "SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1";
    let mut statement = connection.prepare(sql)?;
    let columns = statement.query_map([table], |row| {
        let (column, kind, key): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let mut said = name(&column);
        if !kind.is_empty() {
            let _ = write!(said, " {}", type_name(&kind));
        }
        said.push_str(if key > 0 { " primary key" } else { "" });
        if let Some((_, target)) = keys.iter().find(|(from, _)| *from == column) {
            let _ = write!(said, " references {target}");
        }
        Ok(said)
    })?;
    let mut columns: Vec<String> = columns.collect::<Result<_>>()?;
    let left_out = columns.len().saturating_sub(COLUMNS_MAX);
    columns.truncate(COLUMNS_MAX);
    if left_out > 0 {
        columns.push(format!("and {left_out} more"));
    }
    Ok(columns.join(", "))
}

/// Returns which columns lead to other tables, and where.
fn keys(connection: &Connection, table: &str) -> Result<Vec<(String, String)>> {
    let sql = r#"SELECT "from", "table", "to" FROM pragma_foreign_key_list(?1)"#;
    let mut statement = connection.prepare(sql)?;
    let keys = statement.query_map([table], |row| {
        let (from, table, to): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let to = to.map(|to| format!("({})", name(&to))).unwrap_or_default();
        Ok((from, format!("{}{to}", name(&table))))
    })?;
    keys.collect()
}

/// Writes a name as SQL has it: plain where it may be, else in quotes.
fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() <= NAME_BYTES_MAX && name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    let shown: String =
        name[..end].chars().filter(|c| (!is_invisible(*c) && !c.is_whitespace()) || *c == ' ').collect();
    let cut = if end < name.len() { "…" } else { "" };
    format!("\"{}{cut}\"", shown.replace('"', "\"\""))
}

/// Writes a type, of which SQLite takes any words.
fn type_name(kind: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || " (),_".contains(*c);
    kind.chars().filter(is_plain).take(TYPE_BYTES_MAX).collect()
}
