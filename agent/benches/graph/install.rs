//! How peers are installed and started: a Python environment with pinned packages, and programs on pinned crates with a
//! workspace of their own, all made beside the other build products. The bench of agents includes this file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lorewell_agent::{Error, Kind, Result};
use serde::de::DeserializeOwned;

const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");

/// Returns the folder that keeps peers and figures between runs.
pub(crate) fn products() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.pop();
    folder.join("bench-graph")
}

/// Returns where a file of the peers is.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// Makes the environment, unless exactly these versions are in it already, and returns its interpreter.
pub(crate) fn environment() -> Result<PathBuf> {
    let (venv, stamp) = (products().join("venv"), products().join("langgraph.txt"));
    let python = venv.join("bin/python");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == REQUIREMENTS) {
        return Ok(python);
    }
    eprintln!("   installing LangGraph into `{}` (once)", venv.display());
    std::fs::create_dir_all(products())?;
    done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    done(Command::new(&python).args(pip).arg(script("requirements.txt")))?;
    std::fs::write(&stamp, REQUIREMENTS)?;
    Ok(python)
}

/// Builds the program on a peer and returns it; cargo knows whether there is anything to do.
pub(crate) fn build(peer: &str) -> Result<PathBuf> {
    let target = products().join(peer);
    eprintln!("   building {peer} in `{}`", target.display());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = script(peer).join("Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(manifest);
    done(command.arg("--target-dir").arg(&target))?;
    Ok(target.join("release").join(format!("{peer}-bench")))
}

fn done(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let broken = |why: String| Error::new(Kind::Unavailable, format!("installing it, `{program}` {why}"));
    let status = command.status().map_err(|error| broken(format!("did not start: {error}")))?;
    if status.success() { Ok(()) } else { Err(broken(format!("ended with {status}"))) }
}

/// Prepares a command from its words.
pub(crate) fn start(words: &[impl AsRef<OsStr>]) -> Command {
    let (program, arguments) = words.split_first().expect("a command has a program");
    let mut command = Command::new(program);
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a command, and reads the report on the last line that it prints.
pub(crate) fn report<T: DeserializeOwned>(command: &mut Command, shown: &str) -> Result<T> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let bad = |why: String| Error::new(Kind::BadOutput, format!("{shown}: {why}"));
    if !output.status.success() {
        return Err(bad(format!("it ended with {}", output.status)));
    }
    let report = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(report).map_err(|error| bad(format!("`{report}` is no report: {error}")))
}
