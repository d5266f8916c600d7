//! What the trait says, in the plainest words: a set of records that is searched from end to end.

use std::collections::BTreeMap;

use super::*;

/// The records of one thread, by place and kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Plain(BTreeMap<(Place, Name), Record>);

/// What tells the records of one place apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Step,
    Snapshot,
    Result(u32),
    Entry(EntryKey),
}

fn name(body: &Body) -> Name {
    match body {
        Body::Step { .. } => Name::Step,
        Body::Snapshot(_) => Name::Snapshot,
        Body::Result { task, .. } => Name::Result(*task),
        Body::Entry { key, .. } => Name::Entry(key.clone()),
    }
}

impl Plain {
    pub(super) fn write(&mut self, batch: &Batch) {
        if let Some(prune) = &batch.prune {
            let past: Vec<Place> = self.places().filter(|place| self.is_past(place, prune)).collect();
            self.0.retain(|(place, _), _| !past.contains(place));
        }
        for record in &batch.records {
            self.0.insert((record.place.clone(), name(&record.body)), record.clone());
        }
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.0.keys().map(|(place, _)| place.clone())
    }

    fn is_past(&self, place: &Place, prune: &Prune) -> bool {
        let mut roots = self.line(&place.path, place.branch).filter_map(root).peekable();
        let is_cut = |cut: &Cut| cut.path == place.path && cut.branch == place.branch && place.seq < cut.below;
        let path = &*place.path;
        let is_spared = prune.spared.iter().any(|spared| {
            path == &**spared || ["/", "."].iter().any(|next| path.starts_with(&format!("{spared}{next}")))
        });
        let is_old = roots.peek().is_some() && roots.all(|root| root < prune.root_below);
        !is_spared && (!prune.branches.contains(&place.branch) || is_old) || prune.cuts.iter().any(is_cut)
    }

    pub(super) fn paths(&self, prefix: &str) -> Vec<Arc<str>> {
        let mut paths: Vec<_> = self.places().map(|place| place.path).filter(|path| path.starts_with(prefix)).collect();
        paths.dedup();
        paths
    }

    pub(super) fn entry(&self, place: &Place, key: &EntryKey) -> Option<Vec<u8>> {
        let record = self.0.get(&(place.clone(), Name::Entry(key.clone())))?;
        let Body::Entry { value, .. } = &record.body else { panic!("it has the name of an entry") };
        Some(value.clone())
    }

    fn line(&self, path: &str, branch: u32) -> impl Iterator<Item = &Record> {
        self.0.values().filter(move |record| &*record.place.path == path && record.place.branch == branch)
    }

    /// The checkpoints within a span.
    fn held(&self, path: &str, span: &Span) -> BTreeMap<u64, StepRow> {
        let steps = self.line(path, span.branch).filter_map(|record| {
            let Body::Step { root, value } = &record.body else { return None };
            let row = StepRow { place: record.place.clone(), root: *root, value: value.clone() };
            (record.place.seq <= span.seq_max && *root <= span.root_max).then_some((record.place.seq, row))
        });
        steps.collect()
    }

    /// All checkpoints of a lineage, the first of equals each.
    fn checkpoints(&self, path: &str, lineage: &[Span]) -> BTreeMap<u64, StepRow> {
        let mut all = BTreeMap::new();
        for span in lineage {
            for (seq, row) in self.held(path, span) {
                all.entry(seq).or_insert(row);
            }
        }
        all
    }

    pub(super) fn steps(&self, path: &str, lineage: &[Span], before: Option<u64>, limit: usize) -> Vec<StepRow> {
        let steps = self.checkpoints(path, lineage);
        let below = |seq: &u64| before.is_none_or(|before| *seq < before);
        steps.into_iter().rev().filter(|(seq, _)| below(seq)).map(|(_, row)| row).take(limit).collect()
    }

    pub(super) fn load(&self, path: &str, lineage: &[Span]) -> Loaded {
        let newest = self.checkpoints(path, lineage).pop_last().map(|(_, row)| row);
        let unfinished = self.unfinished(path, lineage, newest.as_ref().map(|row| row.place.seq));
        let entries = unfinished.iter().filter_map(|record| match &record.body {
            Body::Entry { key, value } => {
                Some(EntryRow { seq: record.place.seq, key: key.clone(), value: value.clone() })
            }
            _ => None,
        });
        let entries = entries.collect();
        let Some(newest) = newest else { return Loaded { entries, ..Loaded::default() } };
        let finished = self.finished(path, lineage);
        let mut snapshot: Option<(u64, Vec<u8>)> = None;
        for record in &finished {
            let Body::Snapshot(value) = &record.body else { continue };
            if snapshot.as_ref().is_none_or(|(seq, _)| record.place.seq > *seq) {
                snapshot = Some((record.place.seq, value.clone()));
            }
        }
        let is_after = |seq: u64| snapshot.as_ref().is_none_or(|(snapshot, _)| seq > *snapshot);
        let results = finished.iter().filter(|record| is_after(record.place.seq)).chain(&unfinished);
        let results = results.filter_map(|record| match &record.body {
            Body::Result { task, value } => {
                Some(ResultRow { seq: record.place.seq, task: *task, value: value.clone() })
            }
            _ => None,
        });
        let mut results: Vec<_> = results.collect();
        results.sort_by_key(|result| (result.seq, result.task));
        Loaded { step: Some(newest), snapshot, results, entries }
    }

    /// Records up to the last checkpoint of each span, but those of checkpoints that an earlier span holds.
    fn finished(&self, path: &str, lineage: &[Span]) -> Vec<Record> {
        let mut finished = Vec::new();
        for (index, span) in lineage.iter().enumerate() {
            let hidden = self.checkpoints(path, &lineage[..index]);
            let Some((last, _)) = self.held(path, span).pop_last() else { continue };
            let records = self.line(path, span.branch);
            let counts = |seq: u64| seq <= last && !hidden.contains_key(&seq);
            finished.extend(records.filter(|record| counts(record.place.seq)).cloned());
        }
        finished
    }

    /// Records of the own branch above the newest checkpoint and below any that the bounds leave out.
    fn unfinished(&self, path: &str, lineage: &[Span], newest: Option<u64>) -> Vec<Record> {
        let Some(own) = lineage.first() else { return Vec::new() };
        let held = self.held(path, own);
        let steps = self.line(path, own.branch).filter(|record| root(record).is_some()).map(|record| record.place.seq);
        let left_out = steps.filter(|seq| !held.contains_key(seq)).min();
        let counts = |seq: u64| {
            newest.is_none_or(|newest| seq > newest)
                && seq <= own.seq_max
                && left_out.is_none_or(|left_out| seq < left_out)
        };
        self.line(path, own.branch).filter(|record| counts(record.place.seq)).cloned().collect()
    }
}

fn root(record: &Record) -> Option<u64> {
    match &record.body {
        Body::Step { root, .. } => Some(*root),
        _ => None,
    }
}
