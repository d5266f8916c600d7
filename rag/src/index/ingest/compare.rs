//! What is to be done: the files that a walk finds, beside what the ledger says of them. A file whose size and time are
//! the ledger's is unchanged; any other is a candidate, whose content decides.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lorewell_model::{Error, Kind, Result};
use rusqlite::Connection;

use super::Progress;
use super::run::Run;
use crate::index::prepare::{Candidate, nanoseconds};
use crate::index::table::read::{files_under, sources};
use crate::index::table::{FileRow, FileState, is_under, meta};
use crate::load::{Found, LOADERS, SkipReason, WalkOptions, walk};

/// A file modified this shortly before it was read may change again within the same time stamp; its time is not
/// trusted, so the next run compares its content.
const RACY_AGE: Duration = Duration::from_secs(2);

/// What the walk and the ledger together say is to be done.
#[derive(Default)]
pub(super) struct Work {
    pub(super) candidates: Vec<Candidate>,
    pub(super) left_out: Vec<FileRow>,
    pub(super) gone: Vec<String>,
}

impl Run {
    /// Names the roots of this run; with none given, all that were ever added.
    pub(super) fn roots(&mut self, table: &Connection, paths: Vec<PathBuf>) -> Result<Vec<(String, PathBuf)>> {
        if paths.is_empty() {
            let known = sources(table)?;
            self.is_named = false;
            return Ok(known.into_iter().map(|key| (key.clone(), self.ingest.index.file_of(&key))).collect());
        }
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            let key = self.inner.key(&path)?;
            let is_known = || files_under(table, &key).map(|files| !files.is_empty());
            match path.try_exists() {
                Ok(true) => {}
                Ok(false) if is_known()? => {}
                Ok(false) => {
                    let message = format!("`{}` does not exist; check the spelling", path.display());
                    return Err(Error::new(Kind::NotFound, message));
                }
                Err(error) => return Err(Error::from(error).context(format!("looking at `{}`", path.display()))),
            }
            roots.push((key, path));
        }
        Ok(roots)
    }

    pub(super) fn compare(&mut self, table: &Connection, roots: &[(String, PathBuf)]) -> Result<Work> {
        self.loaders_are_known = meta(table, "loaders")? == LOADERS;
        let mut known = HashMap::new();
        for (key, _) in roots {
            known.extend(files_under(table, key)?);
        }
        let own = self.inner.key(&self.inner.dir)?;
        let walked = walk(&self.reachable(roots, &mut known), &WalkOptions::default());
        let mut work = Work::default();
        let mut seen = HashSet::new();
        for found in walked.found {
            let Some(path) = self.name(&found.path)? else { continue };
            // An index that lies in the folder it indexes is none of its documents.
            if !is_under(&path, &own) && seen.insert(path.clone()) {
                self.compare_file(path, found, &known, &mut work);
            }
        }
        for skipped in walked.skipped {
            let Some(path) = self.name(&skipped.path)? else { continue };
            if let SkipReason::Unreadable(_) = skipped.reason {
                self.keep_below(&path, &mut known);
            }
            if !is_under(&path, &own) && seen.insert(path.clone()) {
                self.leave_out(path, &skipped.reason, &known, &mut work);
            }
        }
        work.gone = known.into_keys().filter(|path| !seen.contains(path)).collect();
        work.gone.sort_unstable();
        let skipped = self.report.skipped.len() as u64;
        let candidates = work.candidates.len() as u64;
        self.progress(Progress::Walked { files: seen.len() as u64 - skipped, skipped, candidates });
        Ok(work)
    }

    /// Returns the roots that can be walked. One that cannot be reached, or a folder that is not there though nobody
    /// named it now, is not gone: it may be a disk that is not mounted.
    fn reachable(&mut self, roots: &[(String, PathBuf)], known: &mut HashMap<String, FileRow>) -> Vec<PathBuf> {
        let mut reachable = Vec::with_capacity(roots.len());
        for (key, path) in roots {
            // What was read under a root that is itself a file is that file; and nothing read is nothing to keep.
            let is_settled = known.contains_key(key) || !known.keys().any(|path| is_under(path, key));
            let why = match path.try_exists() {
                Ok(true) => {
                    reachable.push(path.clone());
                    continue;
                }
                Ok(false) if self.is_named || is_settled => continue,
                Ok(false) => {
                    "it is not there, so what was read of it stays; if it is gone for good, remove it".to_owned()
                }
                Err(error) => format!("it cannot be reached ({error}), so what was read of it stays"),
            };
            self.keep_below(key, known);
            known.remove(key);
            self.all_reached = false;
            self.report.failed.insert(path.display().to_string(), why);
        }
        reachable
    }

    /// Returns the name a file is stored under; a file whose name is not text is left out, and the report says so.
    fn name(&mut self, path: &Path) -> Result<Option<String>> {
        if path.to_str().is_some() {
            return self.inner.key(path).map(Some);
        }
        let reason = "its name is not valid UTF-8; rename it".to_owned();
        self.report.skipped.insert(path.to_string_lossy().into_owned(), reason);
        Ok(None)
    }

    fn compare_file(&mut self, path: String, found: Found, known: &HashMap<String, FileRow>, work: &mut Work) {
        let modified = stamp(found.modified);
        let row = known.get(&path);
        let same = row.filter(|row| modified > 0 && row.modified == modified && row.bytes == found.bytes);
        let same = same.filter(|_| self.loaders_are_known);
        match same.map(|row| (row.state, row.reason.clone().unwrap_or_default())) {
            Some((FileState::Indexed, _)) => self.report.unchanged += 1,
            Some((FileState::Failed, reason)) => drop(self.report.failed.insert(path, reason)),
            Some((FileState::Skipped, reason)) => drop(self.report.skipped.insert(path, reason)),
            None => {
                let known = row.and_then(|row| row.hash).filter(|_| self.loaders_are_known);
                work.candidates.push(Candidate { path, file: found.path, bytes: found.bytes, modified, known });
            }
        }
    }

    /// What lies in a folder that cannot be read just now is not gone.
    fn keep_below(&mut self, folder: &str, known: &mut HashMap<String, FileRow>) {
        let below = |path: &str| path != folder && is_under(path, folder);
        let kept = known.extract_if(|path, row| below(path) && row.state == FileState::Indexed).count();
        self.report.unchanged += kept as u64;
        known.retain(|path, _| !below(path));
    }

    fn leave_out(&mut self, path: String, why: &SkipReason, known: &HashMap<String, FileRow>, work: &mut Work) {
        let is_failure = why.is_failure();
        let state = if is_failure { FileState::Failed } else { FileState::Skipped };
        let row = FileRow { path, state, reason: Some(why.to_string()), bytes: 0, modified: 0, hash: None };
        if known.get(&row.path) != Some(&row) {
            work.left_out.push(row.clone());
        }
        let list = if is_failure { &mut self.report.failed } else { &mut self.report.skipped };
        list.insert(row.path, why.to_string());
    }
}

/// Returns the time stamp to store: negative while it cannot be trusted, so that it equals none and still says the day.
fn stamp(modified: SystemTime) -> i64 {
    let is_racy = SystemTime::now().duration_since(modified).is_ok_and(|age| age < RACY_AGE);
    if is_racy { -nanoseconds(modified) } else { nanoseconds(modified) }
}
