//! What a person is shown and asked. With `--json` only the findings go to the standard output.

use std::io::{self, BufRead as _, Write as _};
use std::process::Command;

use lorewell::agent::{Decision, Question};
use lorewell::{Error, Kind, Result, ResultExt as _};
use serde_json::{Value, json};

use crate::review::{Proposed, Review};

/// The terminal, or what stands for it.
pub(crate) struct Terminal {
    pub(crate) is_json: bool,
    /// What is said to every patch, if it is known beforehand.
    pub(crate) answer: Option<bool>,
}

impl Terminal {
    /// Says something to the person.
    pub(crate) fn say(&self, text: &str) {
        let text = plain(text);
        match self.is_json {
            true => eprintln!("{text}"),
            false => println!("{text}"),
        }
    }

    /// Shows what was found.
    pub(crate) fn show(&self, review: &Review) -> Result<()> {
        if self.is_json {
            let found = json!({"findings": review.findings, "dropped": review.faults});
            println!("{}", serde_json::to_string_pretty(&found)?);
            return Ok(());
        }
        let again = if review.rounds > 1 { "; the first answer pointed nowhere and was sent back" } else { "" };
        let noun = if review.findings.len() == 1 { "finding" } else { "findings" };
        self.say(&format!("{} {noun}{again}\n", review.findings.len()));
        review.findings.iter().for_each(|finding| self.say(&finding.show()));
        review.faults.iter().for_each(|fault| self.say(&format!("dropped, it points nowhere: {fault}")));
        Ok(())
    }

    /// Says what became of the patches.
    pub(crate) fn end(&self, review: &Review) {
        for Proposed { file, told, .. } in &review.patches {
            // The rest is advice for the model.
            let told = told.lines().next().and_then(|line| line.split(". ").next()).unwrap_or_default();
            self.say(&format!("{file}: {told}"));
        }
        let applied = review.patches.iter().filter(|patch| patch.is_applied).count();
        self.say(&format!("{applied} of {} patches applied", review.patches.len()));
    }

    /// Shows a patch and asks what becomes of it; nothing if the person leaves.
    pub(crate) fn decide(&self, question: &Question) -> Result<Option<Decision>> {
        let mut arguments = question.prompt["arguments"].clone();
        self.say(&format!("A patch for {}:\n", arguments["file"].as_str().unwrap_or_default()));
        self.say(arguments["diff"].as_str().unwrap_or_default().trim_end());
        if let Some(yes) = self.answer {
            self.say(if yes { "\nApproved by --yes.\n" } else { "\nRefused by --no.\n" });
            return Ok(Some(decision(yes)));
        }
        loop {
            self.say("\nApply it? [y]es, [n]o, [e]dit, [q]uit for now");
            let mut answer = String::new();
            if io::stdin().lock().read_line(&mut answer).context(|| "reading the answer".to_owned())? == 0 {
                return Ok(None);
            }
            match answer.trim() {
                "y" | "yes" => return Ok(Some(decision(true))),
                "n" | "no" => return Ok(Some(decision(false))),
                "e" | "edit" => {
                    arguments["diff"] = Value::from(edited(arguments["diff"].as_str().unwrap_or_default())?);
                    return Ok(Some(decision(true).arguments(arguments)));
                }
                "q" | "quit" => return Ok(None),
                _ => {}
            }
        }
    }
}

fn decision(yes: bool) -> Decision {
    if yes { Decision::approve() } else { Decision::deny("not wanted") }
}

/// Lets the person change a diff with `$EDITOR`.
fn edited(diff: &str) -> Result<String> {
    let no_editor = || Error::new(Kind::Config, "there is no `$EDITOR` to edit the patch with; set it");
    let editor = std::env::var("EDITOR").map_err(|_| no_editor())?;
    let mut file = tempfile::Builder::new().suffix(".diff").tempfile().context(|| "making a file".to_owned())?;
    file.write_all(diff.as_bytes()).context(|| "writing the patch to a file".to_owned())?;
    let status = Command::new(&editor).arg(file.path()).status().context(|| format!("running `{editor}`"))?;
    if !status.success() {
        return Err(Error::new(Kind::Cancelled, format!("`{editor}` ended with {status}; nothing was decided")));
    }
    std::fs::read_to_string(file.path()).context(|| "reading the patch".to_owned())
}

/// Makes visible what would steer a terminal, or show a person something else than what is written: a model has made this text
/// of files that nobody vouches for. The ranges are those of zero width and of direction (Boucher and Anderson 2021).
fn plain(text: &str) -> String {
    let is_hidden = |c: char| match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => true,
        _ => c.is_control(),
    };
    text.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
