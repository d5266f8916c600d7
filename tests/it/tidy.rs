//! The house style, as far as a machine can tell: headers, lengths, names, and nothing in the tree that only holds on
//! the machine it was written on. CONTRIBUTING.md says the same in words.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::scan;

/// Enough to say what lives in a file and why it is separate; more belongs beside the items.
const HEADER_LINES_MAX: usize = 6;
/// One line where the name says the rest.
const HEADER_LINES_MIN: usize = 1;
/// One screen.
const FUNCTION_LINES_MAX: usize = 70;
/// What a reader holds in mind of one file.
const FILE_LINES_MAX: usize = 500;
/// The same with the tests that stand in the file.
const FILE_LINES_WITH_TESTS_MAX: usize = 800;
/// Names that say nothing about what is inside, so that everything ends up there.
const EMPTY_NAMES: &[&str] = &["common", "core", "helpers", "misc", "util", "utils"];
/// Macros that stand for code that is missing.
const UNFINISHED: &[&str] = &["todo", "unimplemented"];
/// Roots of paths that exist on the machine of one person. Each is split so that this file passes its own test.
const MACHINE_ROOTS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
/// How settings name a place to get packages from other than the public registries.
const REGISTRY_SETTINGS: &[&str] =
    &[concat!("replace-", "with"), concat!("index-", "url"), concat!("registry", "=http")];
/// Where every package of the lock file comes from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A fault of a file, in words that begin with where it is.
type Faults = Vec<String>;

#[test]
fn rust_files_are_tidy() {
    let faults: Faults = rust_files().iter().flat_map(|(path, source)| untidy(path, source)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_names_one_machine() {
    let files = files();
    let texts = files.iter().filter_map(|path| Some((path, fs::read_to_string(root().join(path)).ok()?)));
    let faults: Faults = texts.flat_map(|(path, text)| bound_to_a_machine(path, &text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_lock_file_names_only_the_public_registry() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let others: Vec<_> =
        lock.lines().filter(|line| line.starts_with("source = ") && !line.contains(CRATES_IO)).collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that git would track, relative to the root.
fn files() -> Vec<PathBuf> {
    let walk = WalkBuilder::new(root()).hidden(false).require_git(false).sort_by_file_name(Ord::cmp).build();
    let entries = walk.map(|entry| entry.expect("the tree can be read"));
    let files = entries.filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    let files = files.map(|entry| entry.path().strip_prefix(root()).expect("the walk stays below its root").to_owned());
    let files: Vec<PathBuf> = files.filter(|path| !path.starts_with(".git")).collect();
    assert!(files.iter().any(|path| path == Path::new("tests/it/tidy.rs")), "the walk has missed this file");
    files
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let paths = files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    paths.map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

fn untidy(path: &Path, source: &str) -> Faults {
    let mut faults = Faults::new();
    faults.extend(header(path, source));
    faults.extend(length(path, source));
    faults.extend(long_functions(source));
    faults.extend(names(path, source));
    let unfinished = scan::macros(source).into_iter().filter(|name| UNFINISHED.contains(&name.as_str()));
    faults.extend(unfinished.map(|name| format!("`{name}!` stands for code that is missing")));
    faults.into_iter().map(|fault| format!("{}: {fault}", path.display())).collect()
}

/// The documentation of a crate is its tour, so `lib.rs` may say more.
fn header(path: &Path, source: &str) -> Option<String> {
    let lines = source.lines().take_while(|line| line.starts_with("//!")).count();
    let max = if path.ends_with("src/lib.rs") { usize::MAX } else { HEADER_LINES_MAX };
    let fits = (HEADER_LINES_MIN..=max).contains(&lines);
    (!fits).then(|| {
        format!("begins with {lines} lines of `//!`; say in {HEADER_LINES_MIN} to {HEADER_LINES_MAX} what lives here and why")
    })
}

fn length(path: &Path, source: &str) -> Option<String> {
    let all = source.lines().count();
    let is_test = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    let code = if is_test { 0 } else { scan::lines_without_tests(source) };
    if all > FILE_LINES_WITH_TESTS_MAX {
        Some(format!("has {all} lines; split it by idea, {FILE_LINES_WITH_TESTS_MAX} is the limit"))
    } else if code > FILE_LINES_MAX {
        Some(format!("has {code} lines without its tests; split it by idea, {FILE_LINES_MAX} is the limit"))
    } else {
        None
    }
}

fn long_functions(source: &str) -> Faults {
    let long = scan::functions(source).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    long.map(|long| {
        let scan::Function { name, line, lines } = long;
        format!("`{name}` on line {line} has {lines} lines; {FUNCTION_LINES_MAX} is the limit")
    })
    .collect()
}

fn names(path: &Path, source: &str) -> Faults {
    let folders = path.iter().filter_map(|part| part.to_str()).map(|part| part.trim_end_matches(".rs").to_owned());
    let names = folders.chain(scan::modules(source)).filter(|name| EMPTY_NAMES.contains(&name.as_str()));
    names.map(|name| format!("`{name}` says nothing; name it after what is inside")).collect()
}

fn bound_to_a_machine(path: &Path, text: &str) -> Faults {
    let mut faults = Faults::new();
    for (index, line) in text.lines().enumerate() {
        let roots = MACHINE_ROOTS.iter().filter(|root| starts_a_path(line, root));
        let settings = REGISTRY_SETTINGS.iter().filter(|setting| line.contains(**setting));
        let place = format!("{}:{}", path.display(), index + 1);
        faults.extend(roots.chain(settings).map(|found| format!("{place}: `{found}` holds only on one machine")));
    }
    faults
}

/// Tells whether a path begins with this root somewhere in a line; `https://example.org/work/` does not.
fn starts_a_path(line: &str, root: &str) -> bool {
    let is_part_of_path = |before: char| before.is_alphanumeric() || "/._-~$})".contains(before);
    line.match_indices(root).any(|(at, _)| !line[..at].ends_with(is_part_of_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "//! One.\n//! Two.\n";

    #[track_caller]
    fn check(path: &str, source: &str, expected: &[&str]) {
        assert_eq!(untidy(Path::new(path), source), expected);
    }

    #[test]
    fn headers_are_one_to_six_lines() {
        let fault = |lines| format!("a.rs: begins with {lines} lines of `//!`; say in 1 to 6 what lives here and why");
        check("a.rs", HEADER, &[]);
        check("a.rs", "use b;\n//! Late.\n//! Late.\n", &[&fault(0)]);
        check("a.rs", "//! One.\n", &[]);
        check("a.rs", &"//! Many.\n".repeat(6), &[]);
        check("a.rs", &"//! Many.\n".repeat(7), &[&fault(7)]);
        check("src/lib.rs", &"//! Many.\n".repeat(7), &[]);
    }

    #[test]
    fn functions_of_seventy_lines_are_the_longest() {
        let function = |lines: usize| format!("{HEADER}fn a() {{\n{}}}\n", "b();\n".repeat(lines - 2));
        check("a.rs", &function(70), &[]);
        check("a.rs", &function(71), &["a.rs: `a` on line 3 has 71 lines; 70 is the limit"]);
    }

    #[test]
    fn files_are_measured_with_and_without_tests() {
        let file = |code: usize, tests: usize| {
            let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(tests - 3));
            format!("{HEADER}{}{tests}", "//\n".repeat(code - 2))
        };
        check("a.rs", &file(500, 300), &[]);
        check("a.rs", &file(501, 3), &["a.rs: has 501 lines without its tests; split it by idea, 500 is the limit"]);
        check("a.rs", &file(500, 301), &["a.rs: has 801 lines; split it by idea, 800 is the limit"]);
        check("a/tests.rs", &file(501, 3), &[]);
        check("tests/it/a.rs", &file(501, 300), &["tests/it/a.rs: has 801 lines; split it by idea, 800 is the limit"]);
    }

    #[test]
    fn empty_names_and_unfinished_code_are_faults() {
        check("a/utils/b.rs", HEADER, &["a/utils/b.rs: `utils` says nothing; name it after what is inside"]);
        check("utils.rs", HEADER, &["utils.rs: `utils` says nothing; name it after what is inside"]);
        let source = format!("{HEADER}mod core {{}}\nfn a() {{ todo!() }}\nfn b() {{ \"todo!()\" }} // todo!()\n");
        let faults = [
            "a.rs: `core` says nothing; name it after what is inside",
            "a.rs: `todo!` stands for code that is missing",
        ];
        check("a.rs", &source, &faults);
    }

    #[test]
    fn paths_of_one_machine_are_faults() {
        let faults = |line: &str| bound_to_a_machine(Path::new("a.md"), line).len();
        for root in MACHINE_ROOTS {
            assert_eq!(faults(&format!("see `{root}notes`")), 1, "{root}");
            assert_eq!(faults(&format!("{root}notes")), 1, "{root}");
            assert_eq!(faults(&format!("https://example.org{root}notes")), 0, "{root}");
        }
        for setting in REGISTRY_SETTINGS {
            assert_eq!(faults(&format!("{setting} = \"mirror\"")), 1, "{setting}");
        }
    }
}
