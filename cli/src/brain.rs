//! Which brain a command works on, and how it is opened: the embedder, the chunker and the isolated loaders that the
//! settings ask for.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use lorewell::embed::Embedder;
use lorewell::rag::chunk::{ChunkOptions, ChunkerKind};
use lorewell::rag::index::{Index, Options};
use lorewell::rag::load::{Limits, Loader, Worker};

use crate::config::Config;
use crate::exit::{Misuse, message};
use crate::folders::{Folders, make_private, non_empty};
use crate::output::{WARN, note, paint, plain};

/// The folder of a project's brain.
pub(crate) const PROJECT: &str = ".lorewell";

/// First argument of this program as a loader.
pub(crate) const LOAD_WORKER: &str = "load-worker";

/// Returns the brain that is asked for by name: by the flag, else by the environment.
pub(crate) fn named(flag: Option<&str>) -> Option<String> {
    flag.map(str::to_owned).or_else(|| non_empty("LOREWELL_BRAIN"))
}

/// A brain that a command works on.
#[derive(Debug, Clone)]
pub(crate) struct Brain {
    /// The index directory.
    pub(crate) dir: PathBuf,
    /// The project it belongs to; none for a brain of the account.
    pub(crate) project: Option<PathBuf>,
}

impl Brain {
    /// Finds the brain: the one named, else the nearest project's upwards, else the account's.
    pub(crate) fn find(named: Option<&str>, folders: &Folders) -> Result<Self> {
        if let Some(named) = named {
            return Self::named(named, folders);
        }
        let here = std::env::current_dir().context("finding the current folder")?;
        let project = here.ancestors().find(|folder| Index::exists(&folder.join(PROJECT)));
        Ok(match project {
            Some(project) => Self::of_project(project),
            None => Self { dir: folders.data.join("brains").join("default"), project: None },
        })
    }

    /// Returns the brain of a project folder.
    pub(crate) fn of_project(project: &Path) -> Self {
        Self { dir: project.join(PROJECT), project: Some(project.to_owned()) }
    }

    /// A bare word is always a brain of the account, even where a folder is called like it: the folder may hold
    /// somebody's documents.
    fn named(named: &str, folders: &Folders) -> Result<Self> {
        if named.is_empty() {
            return Err(Misuse("`--brain` is empty; give a name, or a path such as `./kb`".to_owned()).into());
        }
        let path = Path::new(named);
        if !named.starts_with('.') && !named.contains(std::path::is_separator) {
            return Ok(Self { dir: folders.data.join("brains").join(named), project: None });
        }
        if Index::exists(&path.join(PROJECT)) {
            return Ok(Self::of_project(path));
        }
        Ok(Self { dir: path.to_owned(), project: None })
    }

    /// Tells whether there is anything in it to open.
    pub(crate) fn exists(&self) -> bool {
        Index::exists(&self.dir)
    }

    /// Opens the brain.
    pub(crate) async fn open(&self, config: &Config) -> Result<Index> {
        self.open_with(config, embedder(config)?).await
    }

    /// Opens the brain, making it if there is none.
    pub(crate) async fn make(&self, config: &Config, folders: &Folders) -> Result<Index> {
        let embedder = embedder(config)?;
        self.make_private(folders)?;
        self.open_with(config, embedder).await
    }

    /// Opens the brain for an ingest, making it if there is none: what was embedded once, in any brain, is not
    /// embedded again.
    pub(crate) async fn make_cached(&self, config: &Config, folders: &Folders) -> Result<Index> {
        let embedder = embedder(config)?.map(|embedder| cached(embedder, folders));
        self.make_private(folders)?;
        self.open_with(config, embedder).await
    }

    fn make_private(&self, folders: &Folders) -> Result<()> {
        if folders.own(&self.dir) { make_private(&self.dir) } else { Ok(()) }
    }

    /// Opens the brain with this embedder.
    pub(crate) async fn open_with(&self, config: &Config, embedder: Option<Embedder>) -> Result<Index> {
        let mut options = Options::default();
        options.embedder = embedder;
        options.chunks = chunk_options(config);
        options.loader = loader()?;
        options.root.clone_from(&self.project);
        Ok(Index::open(&self.dir, options).await?)
    }

    /// Opens a brain that must be there.
    pub(crate) async fn open_existing(&self, config: &Config) -> Result<Index> {
        if !self.exists() {
            bail!("no documents yet; read some with `lorewell ingest FOLDER`");
        }
        self.open(config).await
    }
}

/// Opens the embedder that the settings ask for.
pub(crate) fn embedder(config: &Config) -> Result<Option<Embedder>> {
    match config.value("embedder") {
        "none" => Ok(None),
        "bundled" => Ok(Some(Embedder::bundled()?)),
        _ => Ok(Some(Embedder::open(config.path("embedder")?).context("opening the setting `embedder`")?)),
    }
}

/// Puts the cache of this account before an embedder. Without it an ingest only takes longer, so going without costs
/// no more than a word.
fn cached(embedder: Embedder, folders: &Folders) -> Embedder {
    let dir = folders.cache.join("embeddings");
    let opened = make_private(&dir).and_then(|()| Ok(embedder.clone().cached(&dir)?));
    opened.unwrap_or_else(|error| {
        note(&format!("{} going on without the embedding cache: {}", paint(WARN, "!"), plain(&message(&error))));
        embedder
    })
}

fn chunk_options(config: &Config) -> ChunkOptions {
    let kind = match config.value("chunker") {
        "recursive" => ChunkerKind::Recursive,
        "sentence" => ChunkerKind::Sentence,
        "fixed" => ChunkerKind::Fixed,
        _ => ChunkerKind::Structure,
    };
    let mut options = ChunkOptions::default();
    options.kind = kind;
    options.tokens_max = config.number("chunk_tokens_max");
    options.tokens_overlap = config.number("chunk_tokens_overlap");
    options
}

/// Files are read by this same program in processes of their own, so that a hostile one cannot take us down.
pub(crate) fn loader() -> Result<Loader> {
    let program = std::env::current_exe().context("finding this program, to start loaders")?;
    Ok(Loader::isolated(Worker { program, args: vec![LOAD_WORKER.into()] }, Limits::default()))
}
