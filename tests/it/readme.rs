//! The code of the README is that of an example, which runs.

/// Cuts a text into pieces without empty lines, whatever its indentation.
fn paragraphs(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).map(<[&str]>::to_vec).collect()
}

/// Returns the code between the fences of a language.
fn code<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opens = format!("```{language}\n");
    text.split(&opens).skip(1).filter_map(|rest| rest.split_once("\n```").map(|(code, _)| code)).collect()
}

#[test]
fn the_code_of_the_readme_is_that_of_an_example() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let read = |path: &str| std::fs::read_to_string(format!("{folder}/{path}")).unwrap();
    let (readme, example) = (read("README.md"), read("examples/readme.rs"));
    let source: Vec<&str> = example.lines().map(str::trim).collect();
    let blocks = code(&readme, "rust");
    assert!(blocks.len() >= 7, "{} pieces of code", blocks.len());
    for paragraph in blocks.into_iter().flat_map(paragraphs) {
        let stands = source.windows(paragraph.len()).any(|lines| lines == paragraph);
        assert!(stands, "examples/readme.rs does not have:\n{}", paragraph.join("\n"));
    }
}

#[cfg(feature = "full")]
#[test]
fn the_code_of_the_readme_runs() {
    let folder = tempfile::tempdir().unwrap();
    let printed = crate::examples::run("readme", &[], folder.path());
    expect_test::expect![[r#"
        The refund window is 30 days long. [1]
        "The refund window is 30 days long." [1] (1 of 1 passages)
        Eiger, Dom, Rigi.
        Mont Blanc
        1 file read by a worker
        There are 3 chains.
        {"part":"chain","count":2}
        It is on its way.
        Buy it.
        in classify, true: a receipt for 25 EUR
    "#]]
    .assert_eq(&printed);
}
