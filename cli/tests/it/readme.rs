//! What the README shows is what the command prints.

use std::fmt::Write as _;

use crate::place::{Place, without_times};

#[test]
fn the_readme_shows_what_is_printed() {
    let place = Place::repository();
    let readme = std::fs::read_to_string(place.path("README.md")).unwrap();
    let mut compared = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        if block.starts_with("$ lorewell ask --in examples/library") {
            let shown = without_times(block).replace("\n\n$ ", "\n$ "); // a line between two commands, for the eye
            snapbox::assert_data_eq!(typed_again(&place, block), shown);
            compared += 1;
        }
    }
    assert_eq!(compared, 1, "the README has no transcript of the sample library");
}

/// Runs the commands of a transcript and writes down what they print.
fn typed_again(place: &Place, block: &str) -> String {
    let (mut transcript, mut last) = (String::new(), 0);
    for line in block.lines() {
        let Some(typed) = line.strip_prefix("$ ") else { continue };
        let printed = match typed.strip_prefix("lorewell ") {
            Some(words) => {
                let (printed, code) = place.printed(words);
                last = code;
                printed
            }
            None if typed == "echo $?" => format!("{last}\n"),
            None => panic!("`{typed}` is not known here"),
        };
        write!(transcript, "{line}\n{printed}").unwrap();
    }
    transcript
}
