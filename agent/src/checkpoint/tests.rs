//! Both stores pass the suite, and answer alike whatever is done to them.

use super::*;

#[tokio::test]
async fn memory_conforms() {
    conformance::check(async || Memory::new()).await;
}
