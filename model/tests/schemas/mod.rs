//! Bodies of requests, held against the types that the providers publish in their own Python clients.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::process::Command;

use lorewell_model::Request;
use lorewell_model::remote::Format;
use serde_json::json;
use tempfile::NamedTempFile;

/// Gathers bodies.
pub(crate) struct Bodies {
    python: OsString,
    file: BufWriter<NamedTempFile>,
}

impl Bodies {
    /// Finds the clients; none, and a line that says so, without them.
    pub(crate) fn new() -> Option<Self> {
        let Some(python) = std::env::var_os("LOREWELL_WIRE_PYTHON").filter(|python| !python.is_empty()) else {
            println!(
                "skipped: LOREWELL_WIRE_PYTHON names no Python that has the packages of tests/wire/requirements.txt"
            );
            return None;
        };
        Some(Self { python, file: BufWriter::new(NamedTempFile::new().expect("a file can be made")) })
    }

    /// Adds the body of a request to a model.
    pub(crate) fn push(&mut self, format: Format, model: &str, name: &str, request: &Request) {
        let name = format!("{model} {name}");
        let body = format.body(model, request).unwrap_or_else(|error| panic!("{format:?} {name}: {error:?}"));
        let line = json!({ "format": format, "name": name, "body": body });
        writeln!(self.file, "{line}").expect("the file can be written");
    }

    /// Holds them against the types.
    ///
    /// # Panics
    /// If one does not fit.
    pub(crate) fn check(self) {
        let file = self.file.into_inner().expect("the file can be written");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas/schemas.py");
        let output = Command::new(self.python).arg(script).arg(file.path()).output().expect("the Python runs");
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        println!("{said}");
        assert!(output.status.success(), "{said}\n{errors}");
    }
}
