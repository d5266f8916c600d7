//! What each chunker does with a small guide, and what all of them promise for any document.
//! `retrieval` measures whether their chunks are found.

use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::document::{Block, BlockKind, Format, Section};

mod retrieval;

/// A token for every four characters of a word, so that words can be too long and characters cannot.
fn count(text: &str) -> usize {
    text.split_whitespace().map(|word| word.chars().count().div_ceil(4)).sum()
}

/// Reads the little Markdown that these tests use: headings, lists, tables, fences and paragraphs.
fn document(text: &str) -> Document {
    let mut document = Document::new(Format::Markdown, text.to_owned());
    let mut at = 0;
    for part in text.split_inclusive("\n\n") {
        let range = at..at + part.trim_end().len();
        at += part.len();
        if range.is_empty() {
            continue;
        }
        let kind = match part.as_bytes()[0] {
            b'#' => BlockKind::Heading,
            b'|' => BlockKind::Table,
            b'`' => BlockKind::Listing,
            b'-' => BlockKind::ListItem,
            _ => BlockKind::Paragraph,
        };
        if kind == BlockKind::Heading {
            let hashes = part.bytes().take_while(|&byte| byte == b'#').count();
            open_section(
                &mut document,
                range.start,
                u8::try_from(hashes).unwrap(),
                part.trim_matches(['#', ' ', '\n']),
            );
        }
        document.blocks.push(Block { range, kind });
    }
    document
}

fn open_section(document: &mut Document, start: usize, rank: u8, title: &str) {
    let end = document.text.len();
    for section in document.sections.iter_mut().filter(|section| section.range.end == end && section.rank >= rank) {
        section.range.end = start;
    }
    document.sections.push(Section { range: start..end, rank, title: title.to_owned() });
}

fn chunks(kind: ChunkerKind, max: usize, overlap: usize, document: &Document) -> Vec<Chunk> {
    let options = ChunkOptions::default().kind(kind).tokens_max(max).tokens_overlap(overlap);
    chunker(&options).unwrap().chunk(document, &count)
}

fn check(kind: ChunkerKind, max: usize, overlap: usize, document: &Document, expected: &Expect) {
    let shown = chunks(kind, max, overlap, document)
        .into_iter()
        .map(|chunk| format!("[{}]\n{}\n", chunk.headings.join(" > "), &document.text[chunk.range]));
    expected.assert_eq(&shown.collect::<String>());
}

const GUIDE: &str = "\
# Guide

## Setup

### Install

Run the installer once. It takes a minute.

### Check

Print the version.

## Use

Open a folder first. Then ask a question about it. Every answer names its source. \
Sources are checked before they are shown.

| key | action |
|-----|--------|
| q | leave the program |
| r | read the folder again |
";

#[test]
fn structure_keeps_headings_with_their_text_and_small_sections_together() {
    check(
        ChunkerKind::Structure,
        40,
        0,
        &document(GUIDE),
        &expect![[r#"
            [Guide]
            # Guide

            ## Setup

            ### Install

            Run the installer once. It takes a minute.

            ### Check

            Print the version.
            [Guide > Use]
            ## Use

            Open a folder first. Then ask a question about it. Every answer names its source. Sources are checked before they are shown.
            [Guide > Use]
            | key | action |
            |-----|--------|
            | q | leave the program |
            | r | read the folder again |
        "#]],
    );
}

#[test]
fn structure_cuts_paragraphs_at_sentences_with_overlap_and_tables_at_rows_without() {
    check(
        ChunkerKind::Structure,
        24,
        8,
        &document(GUIDE),
        &expect![[r#"
        [Guide]
        # Guide

        ## Setup

        ### Install

        Run the installer once. It takes a minute.
        [Guide > Setup > Check]
        ### Check

        Print the version.
        [Guide > Use]
        ## Use

        Open a folder first. Then ask a question about it.
        [Guide > Use]
        Then ask a question about it. Every answer names its source.
        [Guide > Use]
        Sources are checked before they are shown.

        | key | action |
        |-----|--------|
        [Guide > Use]
        | q | leave the program |
        | r | read the folder again |
    "#]],
    );
}

#[test]
fn the_other_kinds_ignore_sections() {
    let document = document(GUIDE);
    check(
        ChunkerKind::Recursive,
        40,
        10,
        &document,
        &expect![[r#"
        [Guide]
        # Guide

        ## Setup

        ### Install

        Run the installer once. It takes a minute.

        ### Check

        Print the version.

        ## Use
        [Guide > Use]
        ## Use

        Open a folder first. Then ask a question about it. Every answer names its source. Sources are checked before they are shown.
        [Guide > Use]
        | key | action |
        |-----|--------|
        | q | leave the program |
        | r | read the folder again |
    "#]],
    );
    check(
        ChunkerKind::Sentence,
        24,
        8,
        &document,
        &expect![[r#"
        [Guide]
        # Guide

        ## Setup

        ### Install

        Run the installer once. It takes a minute.
        [Guide > Setup > Install]
        It takes a minute.

        ### Check

        Print the version.

        ## Use

        Open a folder first.
        [Guide > Use]
        ## Use

        Open a folder first. Then ask a question about it.
        [Guide > Use]
        Then ask a question about it. Every answer names its source.
        [Guide > Use]
        Sources are checked before they are shown.

        | key | action |
        |-----|--------|
        [Guide > Use]
        | q | leave the program |
        | r | read the folder again |
    "#]],
    );
    check(
        ChunkerKind::Fixed,
        24,
        4,
        &document,
        &expect![[r#"
        [Guide]
        # Guide

        ## Setup

        ### Install

        Run the installer once. It takes a minute.

        ###
        [Guide > Setup > Install]
        a minute.

        ### Check

        Print the version.

        ## Use

        Open a folder first. Then ask a question
        [Guide > Use]
        ask a question about it. Every answer names its source. Sources are checked before they
        [Guide > Use]
        before they are shown.

        | key | action |
        |-----|--------|
        | q | leave the program
        [Guide > Use]
        the program |
        | r | read the folder again |
    "#]],
    );
}

#[test]
fn records_of_jsonl_stand_alone_and_rows_of_csv_do_not() {
    let mut records = Document::new(Format::Jsonl, "{\"a\": 1}\n{\"a\": 2}\n".into());
    records.blocks =
        vec![Block { range: 0..8, kind: BlockKind::Record }, Block { range: 9..17, kind: BlockKind::Record }];
    for kind in ChunkerKind::ALL {
        assert_eq!(chunks(kind, 64, 8, &records).len(), 2, "{}", kind.name());
    }
    records.format = Format::Csv;
    assert_eq!(chunks(ChunkerKind::Structure, 64, 8, &records).len(), 1);
}

#[test]
fn what_no_block_covers_is_not_cut() {
    let mut plain = Document::new(Format::Text, "secret front matter".into());
    for kind in ChunkerKind::ALL {
        assert_eq!(chunks(kind, 64, 8, &plain), []);
    }
    plain.blocks.push(Block { range: 0..6, kind: BlockKind::Paragraph });
    assert_eq!(chunks(ChunkerKind::Structure, 64, 8, &plain), [Chunk { range: 0..6, headings: vec![] }]);
}

#[test]
fn sizes_are_checked() {
    let message = |max, overlap| {
        let options = ChunkOptions::default().tokens_max(max).tokens_overlap(overlap);
        chunker(&options).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(message(4, 0), "chunks of 4 tokens; give 16 to 8192");
    assert_eq!(message(64, 32), "an overlap of 32 tokens in chunks of 64; give less than half of the chunk");
    assert!(chunker(&ChunkOptions::default().tokens_max(64).tokens_overlap(31)).is_ok());
}

#[test]
fn names_and_fingerprints_tell_kinds_apart() {
    for kind in ChunkerKind::ALL {
        assert_eq!(ChunkerKind::from_name(kind.name()), Some(kind));
        let fingerprint = chunker(&ChunkOptions::default().kind(kind)).unwrap().fingerprint();
        assert_eq!(fingerprint, format!("{}/1 max=222 overlap=32", kind.name()));
    }
    assert_eq!(ChunkerKind::from_name("semantic"), None);
}

#[test]
fn cost_is_linear_in_the_text() {
    let shapes = [
        "word ".repeat(40_000),
        "x".repeat(200_000),
        "One sentence of a few words. ".repeat(7_000),
        "所有权规则".repeat(14_000),
        "line\n\n".repeat(30_000),
    ];
    for text in shapes {
        let mut document = Document::new(Format::Text, text);
        document.blocks.push(Block { range: 0..document.text.trim_end().len(), kind: BlockKind::Paragraph });
        for kind in ChunkerKind::ALL {
            let counted = AtomicUsize::new(0);
            let counting = |text: &str| {
                counted.fetch_add(text.len(), Ordering::Relaxed);
                count(text)
            };
            let cut = chunker(&ChunkOptions::default().kind(kind)).unwrap().chunk(&document, &counting);
            assert!(!cut.is_empty());
            let (counted, length) = (counted.into_inner(), document.text.len());
            assert!(counted <= 8 * length, "{}: counted {counted} bytes of {length}", kind.name());
        }
    }
}

fn any_kind() -> impl Strategy<Value = BlockKind> {
    use BlockKind::{CodeItem, Heading, ListItem, Listing, Paragraph, Record, Table};
    prop::sample::select(vec![Heading, Paragraph, Paragraph, ListItem, Table, Listing, CodeItem, Record])
}

fn any_document() -> impl Strategy<Value = Document> {
    let text = "(?s)([a-z]{1,9}[ \n.]|[a-z]{60}|[é所。！ 😀\n|`#-]|.){0,60}";
    let gap = prop::sample::select(vec!["\n", "\n\n", " ", "", "\n<!-- not indexed -->\n", "\u{a0}\n"]);
    let parts = prop::collection::vec((text, any_kind(), gap, 1u8..4), 0..12);
    let format = prop::sample::select(vec![Format::Markdown, Format::Jsonl, Format::Csv]);
    (parts, format).prop_map(|(parts, format)| {
        let mut document =
            Document::new(format, parts.iter().map(|(text, _, gap, _)| format!("{text}{gap}")).collect());
        let mut at = 0;
        for (text, kind, gap, rank) in parts {
            if kind == BlockKind::Heading {
                open_section(&mut document, at, rank, "title");
            }
            document.blocks.push(Block { range: at..at + text.len(), kind });
            at += text.len() + gap.len();
        }
        document
    })
}

proptest! {
    #[test]
    fn every_kind_keeps_its_promises(document in any_document(), max in 16usize..64, overlap in 0usize..8) {
        for kind in ChunkerKind::ALL {
            let chunks = chunks(kind, max, overlap, &document);
            prop_assert_eq!(&chunks, &super::tests::chunks(kind, max, overlap, &document), "it is deterministic");
            let mut covered = vec![false; document.text.len()];
            let mut last = None;
            for chunk in &chunks {
                let text = document.text.get(chunk.range.clone()).expect("ends lie on character boundaries");
                prop_assert!(!text.trim().is_empty());
                prop_assert!(last < Some(chunk.range.start), "starts ascend");
                prop_assert!(count(text) <= max, "{} tokens", count(text));
                prop_assert_eq!(&chunk.headings, &document.heading_path(chunk.range.start));
                covered[chunk.range.clone()].fill(true);
                last = Some(chunk.range.start);
            }
            for block in &document.blocks {
                let missed = document.text[block.range.clone()].char_indices()
                    .find(|(at, c)| !c.is_whitespace() && !covered[block.range.start + at]);
                prop_assert_eq!(missed, None, "{}", kind.name());
            }
        }
    }
}
