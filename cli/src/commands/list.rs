//! `ls`: the documents of the brain.

use anyhow::Result;
use lorewell::rag::search::Filter;
use serde::Serialize;

use super::Session;
use crate::exit::Exit;
use crate::output::{self, DIM, REFERENCE, columns, count, note, paint, plain};

#[derive(Serialize)]
struct Listed<'a> {
    documents: &'a [lorewell::rag::index::DocumentInfo],
}

pub(super) async fn run(session: &Session, glob: Option<&str>) -> Result<Exit> {
    let index = session.index().await?;
    let mut filter = Filter::default();
    filter.path = glob.map(str::to_owned);
    let documents = index.documents_matching(&filter).await?;
    if session.global.json {
        session.json(&Listed { documents: &documents })?;
    } else if session.global.jsonl {
        documents.iter().try_for_each(|document| session.json(document))?;
    } else {
        for document in &documents {
            let path = paint(REFERENCE, &plain(&document.path));
            let title = plain(document.title.as_deref().unwrap_or_default());
            let facts = format!("{}, {}", document.format.name(), count(document.chunks, "passage"));
            output::line(&columns([&path, &title, &paint(DIM, &facts)]))?;
        }
        note(&match (documents.len(), glob) {
            (0, None) => "No documents yet; read some with `lorewell ingest FOLDER`.".to_owned(),
            (number, _) => format!("{}.", count(number as u64, "document")),
        });
    }
    Ok(if documents.is_empty() { Exit::Nothing } else { Exit::Done })
}
