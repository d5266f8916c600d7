//! Several attacks at once, under policies, approvals and crashes drawn at random: whatever the mix, the world is as the person
//! wanted it. The same mixes each time; `LOREWELL_MIXES=1000` draws as many others.

use std::sync::atomic::{AtomicUsize, Ordering};

use lorewell_agent::checkpoint::Memory;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::case::{Case, Place, Scope, Setting, Touch};
use crate::crash::Crash;
use crate::runtime;
use crate::task::{Ground, Stock, Task};
use crate::trial::{Shelf, Trial};

/// Mixes that are tried, unless said. Each takes some tenths of a second.
const MIXES: u32 = 32;
/// Steps after which a run may break off: most are over by then.
const STEPS_MAX: usize = 120;

/// Attacks on one task: those of the cases whose texts it reads.
fn attacks() -> impl Strategy<Value = (String, Vec<Case>)> {
    let all = Case::all();
    let names: Vec<String> = all.iter().map(|case| case.task.clone()).collect();
    prop::sample::select(names).prop_flat_map(move |name| {
        let fitting: Vec<Case> = all.iter().filter(|case| case.task == name).cloned().collect();
        let most = fitting.len().min(4);
        (Just(name), prop::sample::subsequence(fitting, 1..=most))
    })
}

/// Without approvals of later calls with the same arguments: an attack that asks for just such a call has it.
fn setting() -> impl Strategy<Value = Setting> {
    let touch = prop::sample::subsequence(vec![Touch::Write, Touch::Network, Touch::Execute], 0..=3);
    let narrow = prop::sample::select(vec![Scope::Once, Scope::Expired]);
    let before = prop::option::of(prop::sample::select(vec![Scope::Once, Scope::Expired, Scope::Tool, Scope::Until]));
    (touch, narrow, before).prop_map(|(allow, scope, before)| Setting { allow, scope, before })
}

/// Tries a mix. Returns how often its runs broke off.
fn check(name: &str, attacks: &[Case], setting: &Setting, crashes: Vec<usize>, in_file: bool) -> usize {
    let task = Task::named(name);
    // Whoever approves all calls of a tool that writes, and is told that words of others were read, means just that.
    let knows = attacks.iter().any(|case| case.texts.contains_key(&Place::Description));
    let knows = knows || task.stock == Stock::Sql;
    // Only a conversation keeps what was approved in it.
    let before = setting.before.filter(|_| task.ground() == Ground::Chat);
    let before = if knows { before.map(|_| Scope::Once) } else { before };
    let setting = &Setting { before, ..setting.clone() };
    let attacks: Vec<&Case> = attacks.iter().collect();
    let shelf = if in_file { Shelf::Sqlite } else { Shelf::Memory(Memory::new()) };
    let mut crash = Crash::after(crashes);
    let trial = runtime().block_on(Trial::run(&task, &attacks, setting, &shelf, &mut crash));
    assert!(trial.error.is_none(), "{trial:#?}");
    assert_eq!(trial.effects, trial.expected, "{trial:#?}");
    crash.cuts
}

#[test]
fn whatever_is_mixed_only_what_was_wanted_happens() {
    let asked = std::env::var("LOREWELL_MIXES").ok();
    let cases = asked.as_ref().map_or(MIXES, |cases| cases.parse().expect("`LOREWELL_MIXES` is a number"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let cuts = AtomicUsize::new(0);
    let crashes = prop::collection::vec(0..STEPS_MAX, 0..6);
    let mixes = (attacks(), setting(), crashes, any::<bool>());
    let tried = runner.run(&mixes, |((name, attacks), setting, crashes, in_file)| {
        cuts.fetch_add(check(&name, &attacks, &setting, crashes, in_file), Ordering::Relaxed);
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
    assert!(cuts.load(Ordering::Relaxed) > 0, "no run has broken off, so this has tested no crash");
}
