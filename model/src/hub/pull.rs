//! Pulling a model: what it has, what of it is there, what is to be fetched; and looking into the cache without a network.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{self, Cached, Shelf};
use super::choice::{Files, INDEX, choose};
use super::client::{Client, Listed, Wanted};
use super::fetch::Fetch;
use super::name::{HubName, Repo};
use super::progress::{Progress, Teller};
use super::settings::Hub;
use crate::layer::chance;
use crate::{Error, Kind, Result, ResultExt};

/// How often a short question is asked: who has no network is to hear of it soon.
const QUESTIONS_MAX: u32 = 3;
/// The longest index of safetensors that is read.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// A model that is on disk, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pulled {
    /// The repository, `owner/name`.
    pub repo: String,
    /// The commit.
    pub commit: String,
    /// The folder in which its files lie.
    pub folder: PathBuf,
    /// The files, by their names in the folder.
    pub files: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

impl Pulled {
    /// Returns the paths of its files.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|file| self.folder.join(file))
    }

    /// Returns its GGUF, the first part where it has several; none if it is of safetensors.
    #[must_use]
    pub fn gguf(&self) -> Option<PathBuf> {
        self.paths().find(|path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")))
    }

    /// Returns the folder that holds its safetensors and what belongs to them; none if it is a GGUF.
    #[must_use]
    pub fn safetensors(&self) -> Option<PathBuf> {
        self.files.iter().any(|file| file.ends_with(".safetensors")).then(|| self.folder.clone())
    }
}

impl Hub {
    /// Finds a model in the cache, or else fetches it, if a connection is allowed. Nothing is asked of the hub if it is
    /// there; [`Hub::pull`] looks for what is new.
    ///
    /// # Errors
    /// Those of [`Hub::pull`].
    pub async fn resolve(&self, name: &HubName, progress: impl FnMut(Progress) + Send) -> Result<Pulled> {
        match self.cached(&name.repo, &name.files)? {
            Ok(pulled) => Ok(pulled),
            Err(_) => self.pull(&name.repo, &name.files, progress).await,
        }
    }

    /// Brings files of a repository into the cache, at the commit that its revision is at now. What is there is not fetched
    /// again, what broke off goes on, and no file has its name before its sum was found right.
    ///
    /// # Errors
    /// `NotFound` if there is no such repository, revision or file; `Auth` if it is not open; `BadInput` if it is not clear
    /// which file is meant; `Unavailable`, `Timeout`, `RateLimited` if the hub cannot be reached or asks to wait;
    /// `BadOutput` if what comes cannot be what was asked for; `Refused` if the hub leads astray; `Io` if it cannot be
    /// written, for want of room among others.
    pub async fn pull(&self, repo: &Repo, files: &Files, mut progress: impl FnMut(Progress) + Send) -> Result<Pulled> {
        if self.offline {
            return self.cached(repo, files)?.map_err(|why| self.not_cached(repo, files, &why));
        }
        let (client, mut teller) = (Client::new(self)?, Teller::new(&mut progress));
        let Listed { commit, files: all } = self.asked(&mut teller, repo.name(), || client.list(repo).boxed()).await?;
        let chosen = choose(&all, files).map_err(|error| error.context(format!("choosing from `{repo}`")))?;
        let (shelf, mut bytes, mut wanted) = (Shelf::new(&self.cache, repo.name()), 0, Vec::new());
        let present = shelf.files(&commit)?;
        for file in &chosen {
            match present.get(file) {
                Some(there) => bytes += there,
                None => wanted.push(self.asked(&mut teller, file, || client.head(repo, &commit, file).boxed()).await?),
            }
        }
        let complete = bytes;
        bytes = wanted.iter().fold(bytes, |bytes, wanted| bytes.saturating_add(wanted.bytes));
        let missing: u64 = wanted.iter().map(|wanted| missing(&shelf, wanted)).fold(0, u64::saturating_add);
        check_room(&self.cache, missing)?;
        teller.listed(chosen.len(), bytes, bytes.saturating_sub(missing), complete);
        for wanted in &wanted {
            let (client, shelf, commit, retry) = (&client, &shelf, commit.as_str(), &self.retry);
            Box::pin(Fetch { client, shelf, repo, commit, retry, wanted }.run(&mut teller)).await?;
        }
        // Entries come last, and the name of the revision after them: what can be found is whole.
        wanted.iter().try_for_each(|wanted| shelf.enter(&commit, wanted))?;
        shelf.note(repo.revision(), &commit)?;
        Ok(Pulled { repo: repo.name().to_owned(), folder: shelf.snapshot(&commit), commit, files: chosen, bytes })
    }

    /// Finds files of a repository in the cache; nothing is asked of the hub. None if they are not there, or not all of them.
    ///
    /// # Errors
    /// Those of reading the cache.
    pub fn find(&self, repo: &Repo, files: &Files) -> Result<Option<Pulled>> {
        Ok(self.cached(repo, files)?.ok())
    }

    /// Lists what is in the cache, whoever brought it there.
    ///
    /// # Errors
    /// Those of reading the cache.
    pub fn list(&self) -> Result<Vec<Cached>> {
        cache::list(&self.cache)
    }

    /// Removes all of a repository from the cache; returns how many bytes that were.
    ///
    /// # Errors
    /// `NotFound` if it is not there; `Conflict` if another process fetches it; those of removing it.
    pub fn remove(&self, repo: &Repo) -> Result<u64> {
        Shelf::new(&self.cache, repo.name()).remove(repo.name())
    }

    /// Returns what is in the cache, or what is missing.
    fn cached(&self, repo: &Repo, files: &Files) -> Result<Result<Pulled, String>> {
        let shelf = Shelf::new(&self.cache, repo.name());
        let Some(commit) = shelf.commit(repo.revision())? else {
            return Ok(Err(format!("`{repo}` is not in the cache")));
        };
        let present = shelf.files(&commit)?;
        if present.is_empty() {
            return Ok(Err(format!("`{repo}` is not in the cache")));
        }
        let all: Vec<String> = present.keys().cloned().collect();
        let chosen = match choose(&all, files) {
            Ok(chosen) => chosen,
            Err(error) => return Ok(Err(format!("what the cache has of `{repo}` will not do: {error}"))),
        };
        let folder = shelf.snapshot(&commit);
        if let Some(shard) = missing_shard(&folder, &chosen)? {
            return Ok(Err(format!("`{shard}` of `{repo}` is not in the cache")));
        }
        let bytes = chosen.iter().filter_map(|file| present.get(file)).sum();
        Ok(Ok(Pulled { repo: repo.name().to_owned(), commit, folder, files: chosen, bytes }))
    }

    fn not_cached(&self, repo: &Repo, files: &Files, why: &str) -> Error {
        let name = HubName { repo: repo.clone(), files: files.clone() };
        let message = format!(
            "{why}; no connection is allowed, so run `lorewell model pull {name}` when there may be one (the cache is `{}`)",
            self.cache.display()
        );
        Error::new(Kind::NotFound, message)
    }

    /// Asks a short question, a few times if need be.
    async fn asked<'a, T>(
        &self,
        teller: &mut Teller<'_>,
        what: &str,
        ask: impl Fn() -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let retry = self.retry.attempts_max(self.retry.attempts_max.min(QUESTIONS_MAX));
        for attempt in 1.. {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = retry.wait(attempt, &error, chance()) else { return Err(error) };
            teller.tell(Progress::Again { file: what.to_owned(), reason: error.to_string(), wait });
            tokio::time::sleep(wait).await;
        }
        unreachable!("attempts are limited")
    }
}

fn missing(shelf: &Shelf, wanted: &Wanted) -> u64 {
    let partial = || std::fs::metadata(shelf.incomplete(&wanted.sum)).map_or(0, |partial| partial.len());
    if shelf.has(wanted) { 0 } else { wanted.bytes.saturating_sub(partial()) }
}

/// Looks into the index of safetensors for files that are not there: other programs enter them one by one.
fn missing_shard(folder: &Path, chosen: &[String]) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    if !chosen.iter().any(|file| file == INDEX) {
        return Ok(None);
    }
    let path = folder.join(INDEX);
    let doing = || format!("reading `{}`", path.display());
    let bytes = std::fs::metadata(&path).context(doing)?.len();
    if bytes > INDEX_BYTES_MAX {
        return Err(Error::new(Kind::Limit, format!("it has more than {INDEX_BYTES_MAX} bytes")).context(doing()));
    }
    let text = std::fs::read(&path).context(doing)?;
    let Ok(index) = serde_json::from_slice::<Index>(&text) else { return Ok(Some(INDEX.to_owned())) };
    Ok(index.weight_map.into_values().find(|shard| !chosen.contains(shard)))
}

/// Refuses what cannot be written anyway, before an hour is spent on it.
fn check_room(cache: &Path, needed: u64) -> Result<()> {
    match room(cache) {
        Some(free) if free < needed => Err(no_room(&format!("needs {needed} bytes"), cache, Some(free))),
        _ => Ok(()),
    }
}

/// Says that there is no room, and what to do.
pub(super) fn no_room(needs: &str, folder: &Path, free: Option<u64>) -> Error {
    let free = free.map_or(String::new(), |free| format!(", and {free} are free"));
    let message = format!(
        "no room: this {needs} in `{}`{free}; make room, or set `HF_HOME` to a folder on another disk",
        folder.display()
    );
    Error::new(Kind::Io, message)
}

/// Returns how many bytes are free where a folder is, or would be.
#[cfg(unix)]
fn room(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<u64> {
    None // writing says so
}
