//! The file as text: what is written is read back as it was, and what is no file of ours is told.

use std::time::UNIX_EPOCH;

use lorewell_model::Origin;
use proptest::prelude::*;

use super::super::super::item::{MemorySource, content_hash};
use super::*;

fn item(n: u32, body: &Body) -> MemoryItem {
    let (kind, statement) = match body {
        Body::Text(kind, _) => (*kind, None),
        Body::Fact(statement) => (MemoryKind::Fact, Some(statement.clone())),
    };
    let (text, time) = (body.text(), UNIX_EPOCH);
    MemoryItem {
        id: format!("{n:032x}").parse().unwrap(),
        namespace: "user/anna".into(),
        kind,
        hash: content_hash(kind, &text),
        text,
        statement,
        origin: if n.is_multiple_of(2) { Origin::User } else { Origin::Web },
        source: MemorySource::new(),
        importance: 0.5,
        created: time,
        updated: time,
        used: time,
        uses: 0,
        valid_from: None,
        valid_to: None,
        expires: None,
    }
}

fn note(text: &str) -> Body {
    Body::Text(MemoryKind::Semantic, text.to_owned())
}

fn statement(entity: &str, attribute: &str, value: &str) -> Body {
    let (entity, attribute, value) = (entity.to_owned(), attribute.to_owned(), value.to_owned());
    Body::Fact(Statement { entity, attribute, value })
}

#[test]
fn a_file_is_made_for_people() {
    let bodies = [
        note("Prefers short answers.\n\nAnd no lists."),
        note("Lives in Ulm."),
        Body::Text(MemoryKind::Procedural, "Sign letters with \"A.\"".to_owned()),
        statement("ACME", "ceo", "Ms. Bolt"),
    ];
    let items: Vec<MemoryItem> = (0..).zip(&bodies).map(|(n, body)| item(n, body)).collect();
    let expected = expect_test::expect![[r##"
        # user/anna

        <!-- Edit a line to change what is remembered, take it out to forget it, write `- ...` to add one. Leave the end of the file as it is. -->

        ## Notes

        - Prefers short answers.

          And no lists. <!-- 00000000000000000000000000000000 -->
        - Lives in Ulm. <!-- 00000000000000000000000000000001 web -->

        ## How to

        - Sign letters with "A." <!-- 00000000000000000000000000000002 -->

        ## Facts

        ### ACME

        - ceo: Ms. Bolt <!-- 00000000000000000000000000000003 web -->

        <!-- lorewell memory 1: user/anna
        00000000000000000000000000000000 52dbbdcf36f38cad
        00000000000000000000000000000001 417af5ddb703ce45
        00000000000000000000000000000002 bc91c503bfa4921d
        00000000000000000000000000000003 a37a7c84b1775d89
        -->
    "##]];
    expected.assert_eq(&render("user/anna", &items));
}

#[test]
fn lines_of_a_person_are_read() {
    let end = "<!-- lorewell memory 1: user/anna\n-->\n";
    let read = |text: &str| parse("user/anna", &format!("{text}{end}")).map(|page| page.lines);
    let line = |body: Body| Line { id: None, body };
    assert_eq!(
        read("- a\n\n- b\n\n  c <!-- not an id -->\n").unwrap(),
        [line(note("a")), line(note("b\n\nc <!-- not an id -->"))]
    );
    assert_eq!(
        read("\u{feff}## Facts\r\n### ACME\r\n- ceo: Ms. Bolt: new\r\n").unwrap(),
        [line(statement("ACME", "ceo", "Ms. Bolt: new"))]
    );
    assert_eq!(read("## Events\n- x\n").unwrap(), [line(Body::Text(MemoryKind::Episodic, "x".to_owned()))]);
    for (text, message) in [
        ("Remember the milk.\n", "line 1: `Remember the milk.` is neither a heading nor a memory"),
        ("\n## Family\n", "line 2: `## Family` is no section; there are Notes, Events, How to, Facts"),
        ("## Facts\n- ceo: x\n", "stands under no entity"),
        ("## Facts\n### ACME\n- ceo\n", "`ceo` is no fact; write `attribute: value`"),
        ("- \n", "a memory says nothing"),
    ] {
        let told = read(text).unwrap_err();
        assert!(told.to_string().contains(message), "{text}: {told}");
    }
}

#[test]
fn a_file_without_its_end_is_no_file() {
    let whole = render("user/anna", &[item(1, &note("a")), item(2, &note("b"))]);
    assert_eq!(parse("user/anna", &whole).unwrap().base.len(), 2);
    // Lines that are missing at the end are not lines that were taken out.
    for length in 0..whole.trim_end().len() {
        let told = parse("user/anna", &whole[..length]).unwrap_err();
        assert_eq!(told.kind(), Kind::BadInput, "{told}");
    }
    let told = parse("user/bert", &whole).unwrap_err();
    assert!(told.to_string().contains("the file of another namespace"), "{told}");
    let told = parse("user/anna", &whole.replace("-->\n", "x\n-->\n")).unwrap_err();
    assert!(told.to_string().contains("were changed"), "{told}");
}

/// Texts with all that could be taken for something else.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "é",
        "\n",
        "\n\n",
        " ",
        "  ",
        "- ",
        "# ",
        "## Facts",
        "### x",
        "<!-- ",
        " -->",
        "-->",
        ": ",
        "\t",
        "\u{feff}",
        "<!-- lorewell memory 1: user/anna",
        "00112233445566778899aabbccddeeff",
    ]);
    let text = prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat().trim().to_owned());
    text.prop_filter("a text says something", |text| !text.is_empty())
}

proptest! {
    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec(texts(), 0..6)) {
        let items: Vec<MemoryItem> = (0..).zip(&texts).map(|(n, text)| item(n, &note(text))).collect();
        let page = parse("user/anna", &render("user/anna", &items)).unwrap();
        let expected: Vec<Line> = items.iter().map(|item| Line { id: Some(item.id), body: Body::of(item) }).collect();
        prop_assert_eq!(page.lines, expected);
        prop_assert_eq!(page.base, items.iter().map(|item| (item.id, Body::of(item).mark())).collect());
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = parse("user/anna", &text);
        let _ = parse("user/anna", &format!("{text}\n<!-- lorewell memory 1: user/anna\n-->"));
    }
}
