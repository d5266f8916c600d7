//! A second try for a model whose own words no passage supports: it may only choose among the sentences of the passages that
//! speak for an answer. Decoding holds it to them, so that it cannot write anything else.

use super::extract::Extraction;
use super::prompt::ABSTENTION;
use super::quote::Drafted;

/// Returns a regular expression of the answers that a model may give: some of the sentences that speak for one, each with the
/// number of its passage, or that it does not know. `None` if no sentence does.
pub(super) fn form(drafted: &Drafted) -> Option<String> {
    let Extraction::Found { groups, .. } = drafted.read(|draft, _| draft.extract()) else { return None };
    let sentences = groups.iter().flat_map(|group| {
        let text = &drafted.hits()[group.passage].text;
        let number = group.passage + 1;
        group.quotes.iter().map(move |quote| {
            let words: Vec<_> = text[quote.range.clone()].split_whitespace().collect();
            format!("{} [{number}]", words.join(" "))
        })
    });
    let sentences: Vec<String> = sentences.map(|sentence| escape(&sentence)).collect();
    // In their order and each once: a model that repeats itself would go on until its tokens are used up.
    let answers = (0..sentences.len()).map(|first| {
        let more: String = sentences[first + 1..].iter().map(|sentence| format!("( {sentence})?")).collect();
        format!("{}{more}", sentences[first])
    });
    let unknown = format!("{}\\.", escape(ABSTENTION));
    Some(answers.chain([unknown]).collect::<Vec<_>>().join("|"))
}

/// Takes their meaning from the marks of regular expressions.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
