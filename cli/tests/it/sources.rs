//! `show` of what was printed: pages, sections, and passages of files that have changed since.

use snapbox::str;

use crate::place::{Place, check};

#[test]
fn every_printed_reference_can_be_shown() {
    let place = Place::sample();
    for format in ["pdf", "docx", "csv", "json", "html"] {
        let found = place.ok(&format!("search euros --type {format} -n 9 -q")).stdout;
        let mut shown = 0;
        for hit in found.lines().filter(|line| line.starts_with('[')) {
            let reference = hit.split_once("] ").unwrap().1.split("  ").next().unwrap();
            let run = place.finish(place.command().args(["show", reference, "-C", "0", "--json"]));
            assert_eq!(run.code, 0, "`{reference}`: {}", run.transcript());
            let source: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            assert!(!source["lines"].as_array().unwrap().is_empty(), "`{reference}`");
            shown += 1;
        }
        assert!(shown > 0, "{format}: {found}");
    }
    check(
        &place,
        r#"show "library/annual-report.pdf p.3" -C 0"#,
        str![[r#"
library/annual-report.pdf
    47 5 Outlook
    48 
    49 The boiler is 27 years old and will be replaced in May 2026. The landlord pays for the boiler, and we pay for two new radiators, about 1,300 euros.
    50 
    51 Rent rises by 60 euros a month from July 2026. The lease runs until the end of 2029.
    52 
    53 We want to win twelve new shift leads. From spring on, everyone who leads ten shifts may take part in a repair course of their choice for nothing.
    54 
    55 Risks
    56 
    57 One supplier, Radwerk Nord, delivers 61 percent of our parts. A second one is sought for tyres and chains. The cellar holds more donated bicycles than the fire inspector allows, and this must be put right before the inspection in June 2026.
    58 
    59 Thanks
    60 
    61 We thank the theatre next door for heaters, the city's climate fund for the trike, and everyone who swept the floor without being asked.
exit 0

"#]],
    );
    check(
        &place,
        r#"show "library/annual-report.pdf p.9""#,
        str![[r#"
2> error: `library/annual-report.pdf` has no page 9; `lorewell show` without it shows the whole document
exit 1

"#]],
    );
    check(
        &place,
        r#"show "library/supplier-agreement.docx §Nowhere""#,
        str![[r#"
2> error: `library/supplier-agreement.docx` has no section `Nowhere`; `lorewell show` without it shows the whole document
exit 1

"#]],
    );
    check(
        &place,
        r#"show "library/nope.pdf p.3""#,
        str![[r#"
2> error: `library/nope.pdf` was never ingested; run `lorewell ingest` on it or on its folder
exit 1

"#]],
    );
}

#[test]
fn a_number_leads_to_the_words_of_a_document_without_lines() {
    let place = Place::sample();
    place.ok(r#"ask "how old is the boiler?" --type pdf"#);
    check(
        &place,
        "show 1 -C 1",
        str![[r#"
library/annual-report.pdf
    48 
    49 The boiler is 27 years old and will be replaced in May 2026. The landlord pays for the boiler, and we pay for two new radiators, about 1,300 euros.
    50 
exit 0

"#]],
    );
    place.ok("search payment --type docx -n 1");
    check(
        &place,
        "show 1 -C 0",
        str![[r#"
library/supplier-agreement.docx
    17 Prices and payment
    18 
    19 The discount depends on the value of the parts bought in the previous calendar year.
    20 
    21 Bought last year | Discount | Payment within
    22 up to 5,000 euros | 18 percent | 14 days
    23 5,001 to 20,000 euros | 24 percent | 30 days
    24 above 20,000 euros | 29 percent | 45 days
    25 
    26 An invoice paid within eight days is reduced by 2 percent. Interest on late payment is 5 percentage points above the base rate.
    27 
    28 Returns to the supplier
    29 
    30 Unused parts in their packaging can be sent back within 21 days at the workshop's cost. The supplier keeps 15 percent of the price of special orders as a restocking fee.
exit 0

"#]],
    );
}

#[test]
fn a_file_that_has_changed_is_shown_as_it_is() {
    let place = Place::with_brain();
    let note = "# Kettle\n\nThe kettle is green.\n\n# Ledger\n\nThe ledger is kept by Ada.\n";
    place.write("docs/note.md", note);
    place.ok("ingest docs -q");
    place.ok(r#"ask "who keeps the ledger?""#);
    place.write("docs/note.md", format!("# New\n\nThis was added.\n\n{note}"));
    check(
        &place,
        "show 1 -C 0",
        str![[r#"
docs/note.md
    11 The ledger is kept by Ada.
exit 0

"#]],
    );
    check(
        &place,
        "show docs/note.md:3 -C 0",
        str![[r#"
docs/note.md
     3 This was added.
exit 0

"#]],
    );
    place.write("docs/note.md", "# Other\n\nOne.\n\nTwo.\n\nThree.\n");
    check(
        &place,
        "show 1 -C 0",
        str![[r#"
docs/note.md
     7 Three.
2> The file has changed and does not say it any more; these are the lines where it stood.
exit 0

"#]],
    );
    std::fs::remove_file(place.path("docs/note.md")).unwrap();
    check(
        &place,
        "show 1 -C 0",
        str![[r#"
docs/note.md
     7 The ledger is kept by Ada.
exit 0

"#]],
    );
}

#[test]
fn a_number_is_of_the_brain_it_was_shown_from() {
    let place = Place::empty();
    place.write("docs/tea.md", "# Tea\n\nGreen tea wants water of 80 degrees.\n");
    place.ok("ingest docs --brain ./kb -q --words-only");
    place.ok("search tea --brain ./kb -n 1");
    let run = place.finish(place.command().args(["show", "1"]).current_dir(place.path("docs")));
    assert!(run.stdout.contains("80 degrees"), "{}", run.transcript());
    std::fs::remove_dir_all(place.path("kb")).unwrap();
    check(
        &place,
        "show 1",
        str![[r#"
2> error: the brain `[PROJECT]/kb` of the last result is gone; search or ask again
exit 1

"#]],
    );
}

#[test]
fn a_file_that_cannot_be_loaded_any_more_still_shows_its_words() {
    let place = Place::with_brain();
    place.write("prices.json", "{\n  \"tyre\": \"A tyre costs 30 euros.\"\n}\n");
    place.write("plan.svg", "<svg/>");
    place.ok("ingest prices.json plan.svg -q --words-only");
    place.ok("search tyre -n 1");
    place.write("prices.json", "{\n  \"bell\": 4,\n  \"tyre\": \"A tyre costs 30 euros.\",\n");
    let shown = place.ok("show 1 -C 0");
    assert!(shown.stdout.contains("     3   \"tyre\""), "{}", shown.transcript());
    let skipped = place.finish(place.command().env("EDITOR", "echo -n").args(["show", "plan.svg", "--open"]));
    assert_eq!((skipped.code, skipped.stdout.as_str()), (0, "+1 [PROJECT]/plan.svg"), "{}", skipped.transcript());
}
