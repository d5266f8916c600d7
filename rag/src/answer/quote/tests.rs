//! What is shown after a source has changed, gone, or become something that cannot be read: its own words, or why not.

use std::path::PathBuf;

use super::*;
use crate::index::Options;
use crate::load::FILE_BYTES_MAX;

const RETURNS: &str = "# Returns\n\nYou can return unused parts within 30 days.\n";
const QUESTION: &str = "within how many days can I return unused parts?";

/// An index of one file.
struct Case {
    folder: tempfile::TempDir,
    index: Index,
}

impl Case {
    async fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path().join("kb"), Options::default()).await.unwrap();
        let case = Self { folder, index };
        std::fs::write(case.file(), text).unwrap();
        case.index.add([case.file()]).await.unwrap();
        case
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("returns.md")
    }

    async fn asked(&self) -> Answer {
        self.index.quote(QUESTION).await.unwrap()
    }

    /// Asks after the file was changed, and checks how the only sentence is shown.
    async fn check_shown(&self, text: &str, shown: &str, standing: Standing) {
        std::fs::write(self.file(), text).unwrap();
        let answer = self.asked().await;
        assert_eq!(answer.abstained, None, "{text:?}");
        assert_eq!(answer.sentences.iter().map(|sentence| sentence.text.as_str()).collect::<Vec<_>>(), [shown]);
        let citation = &answer.citations[0];
        assert_eq!((citation.quotes.as_slice(), citation.standing), ([shown.to_owned()].as_slice(), standing));
        assert_eq!(&text[citation.place.source.clone().unwrap()], shown);
        assert_eq!(answer.dropped, 0);
    }

    /// Asks and checks why nothing is shown.
    async fn check_lost(&self, why: &str) {
        let answer = self.asked().await;
        let abstained = answer.abstained.expect("the source does not say it");
        assert!(abstained.contains(why), "`{abstained}` should say `{why}`");
        assert_eq!((answer.sentences, answer.citations, answer.dropped), (vec![], vec![], 1));
    }
}

#[tokio::test]
async fn a_changed_source_is_shown_in_its_own_words() {
    let case = Case::new(RETURNS).await;
    let shown = "You can return unused parts within 30 days.";
    case.check_shown(RETURNS, shown, Standing::Verified).await;
    let shown = "You can return _unused_ parts\nwithin 30 days.";
    case.check_shown(&format!("# Returns\n\n{shown}\n"), shown, Standing::Verified).await;
    let shown = "You can return unused partts within 30 days.";
    case.check_shown(&format!("# Returns\n\n{shown} Or not.\n"), shown, Standing::Verified).await;
    let far = "Nothing of interest is here. ".repeat(40);
    case.check_shown(&format!("# Returns\n\n{far}{shown}\n"), shown, Standing::Moved).await;
}

#[tokio::test]
async fn what_was_added_to_a_sentence_is_not_cut_off() {
    let case = Case::new(RETURNS).await;
    let shown = "If you kept the bill, you can return unused parts within 30 days in their bag.";
    case.check_shown(&format!("# Returns\n\n{shown} Or not.\n"), shown, Standing::Verified).await;
    let long = "and this clause goes on and on ".repeat(20);
    std::fs::write(case.file(), format!("You can return unused parts within 30 days {long}.\n")).unwrap();
    case.check_lost("no longer say it").await;
}

#[tokio::test]
async fn sentences_that_became_one_are_shown_once() {
    let text = "# Returns\n\nYou can return unused parts within 30 days. You can return unused parts of a kit within 30 days.\n";
    let case = Case::new(text).await;
    assert_eq!(case.asked().await.sentences.len(), 2);
    let one = "You can return unused parts within 30 days; you can return unused parts of a kit within 30 days.";
    case.check_shown(&format!("# Returns\n\n{one}\n"), one, Standing::Verified).await;
    let other = text.replace("kit within 30", "kit within 14");
    std::fs::write(case.file(), other).unwrap();
    let answer = case.asked().await;
    assert_eq!((answer.sentences.len(), answer.dropped, answer.abstained), (1, 1, None));
}

#[tokio::test]
async fn what_a_source_says_twice_is_no_repetition() {
    let case = Case::new("# Days to return unused parts\n\n- 30 days\n- 14 days\n- 30 days\n").await;
    let answer = case.index.quote("days to return unused parts").await.unwrap();
    let texts: Vec<&str> = answer.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
    assert_eq!(texts, ["30 days", "14 days", "30 days"]);
}

#[tokio::test]
async fn what_became_of_a_source_is_told_apart() {
    let case = Case::new(RETURNS).await;
    let write = |text: &str| std::fs::write(case.file(), text).unwrap();
    write("# Returns\n\nYou can return unused parts within 14 days.\n");
    case.check_lost("the sources have changed and no longer say it").await;
    write("");
    case.check_lost("the sources have changed and no longer say it").await;
    write("a\0b");
    case.check_lost("could not be read (`").await;
    case.check_lost("returns.md` is binary;").await;
    std::fs::File::options().write(true).open(case.file()).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    case.check_lost("and the limit is").await;
    std::fs::remove_file(case.file()).unwrap();
    case.check_lost("the source is gone").await;
    std::fs::create_dir(case.file()).unwrap();
    case.check_lost("the source is gone").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_the_place_of_a_source_is_not_waited_for() {
    let case = Case::new(RETURNS).await;
    std::fs::remove_file(case.file()).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, case.file(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    case.check_lost("is a pipe, socket or device").await;
    std::fs::remove_file(case.file()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", case.file()).unwrap();
    case.check_lost("is a pipe, socket or device").await;
}
