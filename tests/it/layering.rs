//! Who may depend on whom. The table below is the only place where an arrow between the crates of the workspace may
//! be added; the rest of this file compares it with what cargo sees.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Metadata, MetadataCommand};

/// Each crate of the workspace with the workspace crates it may depend on, lowest first. Arrows point up this table,
/// so it cannot hold a cycle.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lorewell-wire", &[]),
    ("lorewell-model", &["lorewell-wire"]),
    ("lorewell-minilm-0", &[]),
    ("lorewell-minilm-1", &[]),
    ("lorewell-minilm-2", &[]),
    ("lorewell-embed", &["lorewell-model", "lorewell-minilm-0", "lorewell-minilm-1", "lorewell-minilm-2"]),
    ("lorewell-rag", &["lorewell-model", "lorewell-embed"]),
    ("lorewell-agent-derive", &[]),
    ("lorewell-agent", &["lorewell-model", "lorewell-embed", "lorewell-agent-derive"]),
    ("lorewell", &["lorewell-model", "lorewell-embed", "lorewell-rag", "lorewell-agent"]),
    ("lorewell-cli", &["lorewell"]),
    ("new-agent", &["lorewell"]),
    ("new-rag", &["lorewell"]),
    ("new-workflow", &["lorewell"]),
];

type Arrow = (String, String);

#[test]
fn crates_depend_on_each_other_only_as_the_table_says() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let faults = faults(&crates(&metadata), &arrows(&metadata), ALLOWED);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let missing = without_reason(&manifest);
    assert!(missing.is_empty(), "say in a comment on the same line what it is for: {}", missing.join(", "));
}

fn crates(metadata: &Metadata) -> Vec<String> {
    metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect()
}

/// Every dependency of one workspace crate on another, whether for building, for testing or optional.
fn arrows(metadata: &Metadata) -> Vec<Arrow> {
    let members: BTreeSet<String> = crates(metadata).into_iter().collect();
    let mut arrows = BTreeSet::new();
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|dependency| members.contains(&dependency.name)) {
            arrows.insert((package.name.to_string(), dependency.name.clone()));
        }
    }
    arrows.into_iter().collect()
}

/// Compares what is with what may be. A row must be lower than those that use it, or the table itself is at fault.
fn faults(crates: &[String], arrows: &[Arrow], allowed: &[(&str, &[&str])]) -> Vec<String> {
    let rank = |name: &str| allowed.iter().position(|(row, _)| *row == name);
    let mut faults = Vec::new();
    for (row, targets) in allowed {
        if !crates.iter().any(|name| name == row) {
            faults.push(format!("`{row}` has a row in the table but is no crate of the workspace"));
        }
        for target in targets.iter().filter(|target| rank(target) >= rank(row)) {
            faults.push(format!("the table lets `{row}` depend on `{target}`, which does not stand above it"));
        }
    }
    for name in crates.iter().filter(|name| rank(name).is_none()) {
        faults.push(format!("`{name}` has no row in the table"));
    }
    for (from, to) in arrows {
        let row = allowed.iter().find(|(row, _)| row == from);
        if row.is_some_and(|(_, targets)| !targets.contains(&to.as_str())) {
            faults.push(format!("`{from}` depends on `{to}`, which the table does not allow"));
        }
    }
    faults
}

/// Returns the entries of `[workspace.dependencies]` that no comment explains. Crates of the workspace itself need
/// none, and a family shares the reason of its head: what is said of `tree-sitter` holds for `tree-sitter-rust`.
fn without_reason(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let mut heads: Vec<&str> = vec!["lorewell"];
    let mut missing = Vec::new();
    for line in lines.take_while(|line| !line.starts_with('[')) {
        let Some((name, rest)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let name = name.trim();
        let said = comment(rest).is_some_and(|reason| !reason.trim().is_empty());
        let inherited = heads.iter().any(|head| name == *head || name.starts_with(&format!("{head}-")));
        match (said, inherited) {
            (true, _) => heads.push(name),
            (false, true) => {}
            (false, false) => missing.push(name.to_owned()),
        }
    }
    missing
}

/// Returns the comment of a line of TOML: what follows the first `#` outside quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return Some(&line[at + 1..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Arrow, faults, without_reason};

    const TABLE: &[(&str, &[&str])] = &[("base", &[]), ("middle", &["base"]), ("top", &["middle"])];

    #[track_caller]
    fn check(crates: &[&str], arrows: &[(&str, &str)], table: &[(&str, &[&str])], expected: &[&str]) {
        let crates: Vec<String> = crates.iter().map(ToString::to_string).collect();
        let arrows: Vec<Arrow> = arrows.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect();
        assert_eq!(faults(&crates, &arrows, table), expected);
    }

    #[test]
    fn a_new_arrow_a_new_crate_and_a_stale_row_are_faults() {
        let all = ["base", "middle", "top"];
        check(&all, &[("middle", "base"), ("top", "middle")], TABLE, &[]);
        check(&all, &[("top", "base")], TABLE, &["`top` depends on `base`, which the table does not allow"]);
        check(&["base", "middle", "top", "new"], &[], TABLE, &["`new` has no row in the table"]);
        check(&["base", "middle"], &[], TABLE, &["`top` has a row in the table but is no crate of the workspace"]);
    }

    #[test]
    fn a_table_with_a_cycle_is_a_fault() {
        let cyclic: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a"])];
        let fault = "the table lets `a` depend on `b`, which does not stand above it";
        check(&["a", "b"], &[], cyclic, &[fault]);
    }

    #[test]
    fn a_dependency_without_a_reason_is_named() {
        let manifest = "[dependencies]\nz = \"1\"\n[workspace.dependencies]\n# a group\nlorewell-x = { path = \"x\" }\n\
                        a = \"1\" # why\na-b = \"1\"\nab = \"1\"\nc = { features = [\"#\"] }\nd = \"1\" #\n[profile.dev]\ne = 1\n";
        assert_eq!(without_reason(manifest), ["ab", "c", "d"]);
    }
}
