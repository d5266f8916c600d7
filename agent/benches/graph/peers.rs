//! The peers: a Python environment with pinned packages, and a program on a pinned juncture with a workspace of its own,
//! both made beside the other build products. Every side is started in the same way and answers the same.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lorewell_agent::{Error, Kind, Result};

use crate::case::Case;
use crate::measure::Measured;
use crate::variant::Variant;

const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");

/// Whose figures stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// This crate.
    Lorewell,
    /// LangGraph, in Python.
    LangGraph,
    /// juncture, in Rust.
    Juncture,
}

impl Side {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 3] = [Self::Lorewell, Self::LangGraph, Self::Juncture];

    /// Its name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lorewell => "lorewell",
            Self::LangGraph => "LangGraph",
            Self::Juncture => "juncture",
        }
    }
}

/// The programs of all sides; of a peer that could not be installed, why.
#[derive(Debug)]
pub(crate) struct Programs {
    langgraph: Result<PathBuf, String>,
    juncture: Result<PathBuf, String>,
}

impl Programs {
    /// Installs the peers, unless they are there already.
    pub(crate) fn install() -> Self {
        let why = |error: Error| error.to_string();
        Self { langgraph: install_langgraph().map_err(why), juncture: build_juncture().map_err(why) }
    }

    /// Does without the peers.
    pub(crate) fn alone() -> Self {
        let why = || Err("left out by `--alone`".to_owned());
        Self { langgraph: why(), juncture: why() }
    }

    /// Says why a side does not run; none if it does.
    pub(crate) fn missing(&self, side: Side) -> Option<&str> {
        match side {
            Side::Lorewell => None,
            Side::LangGraph => self.langgraph.as_ref().err().map(String::as_str),
            Side::Juncture => self.juncture.as_ref().err().map(String::as_str),
        }
    }

    /// The command that starts a side, without its arguments.
    pub(crate) fn command(&self, side: Side) -> Result<Vec<PathBuf>> {
        let missing = |why: &String| Error::new(Kind::Unavailable, format!("{}: {why}", side.name()));
        Ok(match side {
            Side::Lorewell => vec![std::env::current_exe()?, "--measure".into()],
            Side::LangGraph => vec![self.langgraph.clone().map_err(|why| missing(&why))?, script("langgraph_bench.py")],
            Side::Juncture => vec![self.juncture.clone().map_err(|why| missing(&why))?],
        })
    }

    /// Measures a case in a process of its own.
    pub(crate) fn measure(
        &self,
        side: Side,
        case: Case,
        variant: Variant,
        samples: usize,
        scratch: &Path,
    ) -> Result<Measured> {
        let words = self.command(side)?;
        let shown = format!("{} of {} in the variant `{}`", case.name(), side.name(), variant.name());
        let mut command = start(&words);
        command.args(arguments(case, variant, samples)).arg(scratch);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let bad = |why: String| Error::new(Kind::BadOutput, format!("{shown}: {why}"));
        if !output.status.success() {
            return Err(bad(format!("it ended with {}", output.status)));
        }
        let report = stdout.lines().last().unwrap_or_default();
        serde_json::from_str(report).map_err(|error| bad(format!("`{report}` is no report: {error}")))
    }
}

/// Prepares a command from its words.
pub(crate) fn start(words: &[impl AsRef<OsStr>]) -> Command {
    let (program, arguments) = words.split_first().expect("a command has a program");
    let mut command = Command::new(program);
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What every side is told, the folder to work in excepted.
pub(crate) fn arguments(case: Case, variant: Variant, samples: usize) -> [String; 3] {
    [case.name(), variant.name().to_owned(), samples.to_string()]
}

/// Returns the folder that keeps peers and figures between runs.
pub(crate) fn products() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.pop();
    folder.join("bench-graph")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// Makes the environment, unless exactly these versions are in it already.
fn install_langgraph() -> Result<PathBuf> {
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

/// Builds the program; cargo knows whether that is needed.
fn build_juncture() -> Result<PathBuf> {
    let target = products().join("juncture");
    eprintln!("   building juncture in `{}`", target.display());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]).arg(script("juncture/Cargo.toml"));
    done(command.arg("--target-dir").arg(&target))?;
    Ok(target.join("release/juncture-bench"))
}

fn done(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let broken = |why: String| Error::new(Kind::Unavailable, format!("installing it, `{program}` {why}"));
    let status = command.status().map_err(|error| broken(format!("did not start: {error}")))?;
    if status.success() { Ok(()) } else { Err(broken(format!("ended with {status}"))) }
}
