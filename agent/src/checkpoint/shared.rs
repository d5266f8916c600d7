//! A store behind a reference count is a store: so many threads, graphs and servers can share one.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use lorewell_model::Result;

use super::{Batch, Checkpoints, Claim, EntryKey, Loaded, Place, Span, StepRow, ThreadInfo};

/// A store that is shared.
#[async_trait]
impl<T: Checkpoints + ?Sized> Checkpoints for Arc<T> {
    async fn claim(&self, thread: &str) -> Result<Claim> {
        (**self).claim(thread).await
    }

    fn release(&self, claim: &Claim) {
        (**self).release(claim);
    }

    fn write(&self, claim: &Claim, batch: Batch) -> BoxFuture<'static, Result<()>> {
        (**self).write(claim, batch)
    }

    async fn thread(&self, thread: &str) -> Result<Option<ThreadInfo>> {
        (**self).thread(thread).await
    }

    async fn threads(&self, after: &str, limit: usize) -> Result<Vec<ThreadInfo>> {
        (**self).threads(after, limit).await
    }

    async fn load(&self, thread: &str, path: &str, lineage: &[Span]) -> Result<Loaded> {
        (**self).load(thread, path, lineage).await
    }

    async fn steps(
        &self,
        thread: &str,
        path: &str,
        lineage: &[Span],
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StepRow>> {
        (**self).steps(thread, path, lineage, before, limit).await
    }

    async fn paths(&self, thread: &str, prefix: &str) -> Result<Vec<Arc<str>>> {
        (**self).paths(thread, prefix).await
    }

    async fn entry(&self, thread: &str, place: &Place, key: &EntryKey) -> Result<Option<Vec<u8>>> {
        (**self).entry(thread, place, key).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        (**self).copy(from, to).await
    }

    async fn delete(&self, thread: &str) -> Result<bool> {
        (**self).delete(thread).await
    }
}
