//! Running a query and writing its rows for a model: one JSON array a line, so that a text is told from a number and
//! from nothing, however it looks. What is left out is counted.

use lorewell_model::ToolError;
use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, Row, Statement};
use serde_json::Value;

use super::connection::{Stop, failed};
use crate::tools::invisible::{excerpt, is_invisible};

/// Bytes of all rows: they and what is said of them fit into what the model gets of a call.
const ROWS_BYTES_MAX: usize = 48 << 10;
/// Bytes of one text that are shown: a paragraph. SQL can cut out more.
const CELL_BYTES_MAX: usize = 2000;
/// Characters of an error: it may quote the query, or the database.
const WORDS_CHARS_MAX: usize = 1000;
/// Rows that are counted though they are not shown. That there are more than these says enough.
const ROWS_COUNTED_MAX: usize = 10_000;

/// Runs one statement and returns its rows.
pub(super) fn read(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    rows_max: usize,
    stop: &Stop,
) -> Result<String, ToolError> {
    if sql.contains('\0') {
        // SQLite would take it for the end.
        return Err(ToolError::retry("`sql` holds a character that SQL cannot have: U+0000"));
    }
    let mut statement = connection.prepare(sql).map_err(|error| told(error, stop))?;
    if !statement.readonly() {
        return Err(ToolError::retry("`sql` would change the database, which can only be read"));
    }
    if statement.column_count() == 0 {
        return Err(ToolError::retry("`sql` returns nothing; give one `SELECT`"));
    }
    bind(&mut statement, parameters, stop)?;
    let mut table = Table::new(&statement, rows_max);
    let mut rows = statement.raw_query();
    while table.is_counting() {
        match rows.next() {
            Ok(Some(row)) => table.add(row).map_err(|error| told(error, stop))?,
            Ok(None) => return Ok(table.finish(true)),
            // What is there is an answer; only how much there is besides is not known.
            Err(error) if table.left_out > 0 && is_interrupted(&error) => break,
            Err(error) => return Err(told(error, stop)),
        }
    }
    Ok(table.finish(false))
}

fn bind(statement: &mut Statement<'_>, parameters: &[Value], stop: &Stop) -> Result<(), ToolError> {
    let (given, wanted) = (parameters.len(), statement.parameter_count());
    if given != wanted {
        let message = format!("`sql` has {wanted} parameters, and `parameters` has {given}");
        return Err(ToolError::retry(message));
    }
    for (index, value) in parameters.iter().enumerate() {
        let value = bound(value).ok_or_else(|| {
            let message = format!("`parameters[{index}]` is no number, text, true, false or null that SQLite has");
            ToolError::retry(message)
        })?;
        statement.raw_bind_parameter(index + 1, value).map_err(|error| told(error, stop))?;
    }
    Ok(())
}

/// Returns a value of JSON as SQLite has it.
fn bound(value: &Value) -> Option<Bound> {
    Some(match value {
        Value::Null => Bound::Null,
        Value::Bool(value) => Bound::Integer(i64::from(*value)),
        Value::Number(number) if number.is_f64() => Bound::Real(number.as_f64()?),
        Value::Number(number) => Bound::Integer(number.as_i64()?),
        Value::String(text) => Bound::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// Rows as they are shown.
struct Table {
    text: String,
    n_columns: usize,
    n_rows: usize,
    rows_max: usize,
    /// Rows that are not shown.
    left_out: usize,
}

impl Table {
    fn new(statement: &Statement<'_>, rows_max: usize) -> Self {
        let names: Vec<String> = statement.column_names().map(quoted).collect();
        Self { text: format!("[{}]", names.join(",")), n_columns: names.len(), n_rows: 0, rows_max, left_out: 0 }
    }

    fn is_counting(&self) -> bool {
        self.left_out < ROWS_COUNTED_MAX
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        // After a row that was left out none is shown, so that those that are shown are the first ones.
        if self.left_out > 0 || self.n_rows >= self.rows_max {
            self.left_out += 1;
            return Ok(());
        }
        let cells = (0..self.n_columns).map(|column| row.get_ref(column).map(cell));
        let line = format!("\n[{}]", cells.collect::<rusqlite::Result<Vec<_>>>()?.join(","));
        match self.text.len() + line.len() <= ROWS_BYTES_MAX {
            true => {
                self.text.push_str(&line);
                self.n_rows += 1;
            }
            false => self.left_out += 1,
        }
        Ok(())
    }

    fn finish(mut self, is_complete: bool) -> String {
        let least = if is_complete { "" } else { "at least " };
        match (self.n_rows, self.left_out) {
            (0, 0) => self.text.push_str("\n[no rows]"),
            (_, 0) => {}
            (0, left_out) => self.text.push_str(&format!(
                "\n[{least}{left_out} rows, of which the first is too long to show; select fewer columns, or parts of them]"
            )),
            (n_rows, left_out) => self.text.push_str(&format!(
                "\n[{n_rows} rows are shown and {least}{left_out} more are not; narrow the query, or let SQL count and add]"
            )),
        }
        self.text
    }
}

/// Writes a value: like JSON, but for blobs and what is infinite.
fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) if number.is_infinite() => {
            if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        // The shortest form that is read back as the same number, with a point or an exponent.
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => quoted(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("<blob of {} bytes>", bytes.len()),
    }
}

/// Writes a text as JSON, cut where it is long. What nobody sees stands there by its number.
fn quoted(text: &str) -> String {
    let shown = &text[..text.floor_char_boundary(CELL_BYTES_MAX)];
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('"');
    for c in shown.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if is_invisible(c) => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    if shown.len() < text.len() {
        out.push_str(&format!(" (and {} bytes more)", text.len() - shown.len()));
    }
    out
}

fn is_interrupted(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// What the model is told of an error: SQLite's words if they are about the query.
pub(super) fn told(error: Error, stop: &Stop) -> ToolError {
    let (code, words) = match &error {
        Error::SqlInputError { error, msg, .. } => (Some(error.code), msg.clone()),
        Error::SqliteFailure(failure, words) => {
            (Some(failure.code), words.clone().unwrap_or_else(|| failure.to_string()))
        }
        Error::MultipleStatement => return ToolError::retry("`sql` holds more than one statement; give one at a time"),
        _ => (None, error.to_string()),
    };
    let words = excerpt(&words, WORDS_CHARS_MAX);
    match code {
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
            ToolError::retry(format!("{words}: the database can only be read, one `SELECT` at a time"))
        }
        Some(ErrorCode::Unknown | ErrorCode::TooBig | ErrorCode::TypeMismatch) => ToolError::retry(words),
        Some(ErrorCode::OperationInterrupted) => ToolError::failed(format!(
            "the query took longer than {} s and was stopped; ask for less, or by columns that have an index",
            stop.limit().as_secs_f32()
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ToolError::failed("another program keeps the database to itself at the moment; it may work later")
        }
        _ => failed(error).into(),
    }
}
