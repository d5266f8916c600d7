//! The graph as a whole: what it does by itself, what it asks, and that a restart changes nothing.

use lorewell::Result;
use lorewell::agent::checkpoint::Sqlite;
use lorewell::agent::{Outcome, Thread};
use tempfile::TempDir;

use new_workflow::{Refund, flow};

async fn open(folder: &TempDir) -> Result<Thread<Refund>> {
    let store = Sqlite::open(folder.path().join("threads.sqlite")).await?;
    Ok(flow()?.thread("test", store))
}

#[tokio::test]
async fn a_small_sum_is_paid_without_asking() -> Result<()> {
    let refund = flow()?.run(Refund::of(2_000)).await?.done()?;
    assert_eq!(refund.log, ["paid 20.00 EUR"]);
    Ok(())
}

#[tokio::test]
async fn a_larger_one_waits_for_a_person_and_is_paid_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Outcome::Paused(paused) = open(&folder).await?.run(Refund::of(2_001)).await? else {
        panic!("it pays without asking");
    };
    assert_eq!(paused.questions[0].prompt, "Refund 20.01 EUR?");

    let thread = open(&folder).await?; // as after a restart
    thread.answer(&paused.questions[0].id, true).await?;
    assert_eq!(thread.resume().await?.done()?.log, ["paid 20.01 EUR"]);
    assert_eq!(thread.resume().await?.done()?.log, ["paid 20.01 EUR"]);
    Ok(())
}

#[tokio::test]
async fn no_means_no() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let thread = open(&folder).await?;
    let Outcome::Paused(paused) = thread.run(Refund::of(9_900)).await? else {
        panic!("it pays without asking");
    };
    thread.answer(&paused.questions[0].id, false).await?;
    assert_eq!(thread.resume().await?.done()?.log, ["declined"]);
    Ok(())
}
