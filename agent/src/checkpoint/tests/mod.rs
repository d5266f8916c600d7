//! Both stores pass the suite, and answer alike whatever is done to them.

#[cfg(feature = "sqlite")]
mod alike;
#[cfg(feature = "sqlite")]
mod plain;

use super::*;

#[tokio::test]
async fn memory_conforms() {
    conformance::check(async || Memory::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let opened = std::cell::Cell::new(0);
    let open = async || {
        opened.set(opened.get() + 1);
        Sqlite::open(folder.path().join(format!("{}.sqlite", opened.get()))).await.unwrap()
    };
    conformance::check(open).await;
}
