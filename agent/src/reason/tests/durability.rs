//! In a node of a graph every call is journalled: a run that is cut off, fails later or waits for a person makes none again.

use std::sync::atomic::AtomicBool;

use lorewell_model::{Budget, Error};

use super::*;
use crate::checkpoint::{Checkpoints, Memory, Sqlite};
use crate::{Cx, Flow, Graph, Outcome, Recorder, Recording, Retry, State, node};

#[derive(Clone, Debug, Default, PartialEq, State)]
struct Desk {
    solution: Solution,
    #[reduce(append)]
    notes: Vec<String>,
}

fn strategy() -> BestOfN {
    BestOfN::new(5, Judge::new()).over(SelfConsistency::new(3))
}

/// A graph of one node, which reasons and then does something that may fail or pause.
fn flow<F>(
    model: &Known,
    parallel_max: usize,
    then: impl Fn(Cx<Desk>) -> F + Clone + Send + Sync + 'static,
) -> Flow<Desk>
where
    F: Future<Output = Result<String>> + Send + 'static,
{
    let model = model.clone();
    let think = move |cx: Cx<Desk>| {
        let (model, then) = (model.clone(), then.clone());
        async move {
            let reasoner = Reasoner::within(&cx, model.model()).seed(3).calls_max(12).parallel_max(parallel_max);
            let solution = reasoner.solve(&strategy(), "?").await?;
            let note = then(cx).await?;
            Ok(Desk::update().solution(solution).notes([note]))
        }
    };
    let retry = Retry::default().attempts_max(2).first(Duration::ZERO).on(|error| error.kind() == Kind::Conflict);
    Graph::new().node("think", node(think).retry(retry)).start("think").build().unwrap()
}

async fn nothing(_: Cx<Desk>) -> Result<String> {
    Ok("done".to_owned())
}

/// A model that fails with some of its samples when it is first asked for them, and would not a second time.
fn flaky() -> Known {
    let failed: Mutex<Vec<Option<u64>>> = Mutex::default();
    let known = known(0.5, 0.9);
    Known::new(move |request| {
        let mut failed = failed.lock().unwrap();
        if request.output.is_none() && chance(request, "fails") < 0.3 && !failed.contains(&request.seed) {
            failed.push(request.seed);
            return Err(Error::new(Kind::Unavailable, "not now"));
        }
        (known.0.answer)(request)
    })
}

fn done(outcome: Outcome<Desk>) -> Desk {
    outcome.done().unwrap()
}

/// No call was made twice.
#[track_caller]
fn check_once(model: &Known, calls: u64) {
    let mut seeds: Vec<_> = model.asked().iter().map(|request| request.seed).collect();
    let all = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!((all as u64, seeds.len()), (calls, all));
}

#[tokio::test]
async fn a_run_that_is_cut_off_goes_on_where_it_was() {
    let whole = done(flow(&known(0.5, 0.9), 4, nothing).run(Desk::default()).await.unwrap());
    assert!(whole.solution.is_cut && whole.solution.calls > 10, "{:?}", whole.solution);
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| Sqlite::open(folder.path().join(name)).await.unwrap();
    for cut_after in 1..10 {
        let stores: [Arc<dyn Checkpoints>; 2] =
            [Arc::new(Memory::new()), Arc::new(open(&format!("{cut_after}.sqlite")).await)];
        for store in stores {
            let hangs = Arc::new(Notify::new());
            let model = known(0.5, 0.9).hangs_after(cut_after, &hangs);
            // One call after the other: when the next one begins, the one before it is journalled.
            let thread = flow(&model, 1, nothing).thread("t", store.clone());
            tokio::select! {
                outcome = thread.run(Desk::default()) => panic!("it does not come to its end: {outcome:?}"),
                () = hangs.notified() => {}
            }
            drop(thread);
            let made = model.calls();
            let again = known(0.5, 0.9);
            let thread = flow(&again, 4, nothing).thread("t", store);
            assert_eq!(done(thread.resume().await.unwrap()), whole);
            check_once(&again, whole.solution.calls - made);
        }
    }
}

#[tokio::test]
async fn a_node_that_fails_later_makes_no_call_again_and_leaves_out_what_was_lost() {
    let model = flaky();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let flow = flow(&model, 4, move |cx| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match cx.attempt() {
                1 => Err(Error::new(Kind::Conflict, "later")),
                _ => Ok("done".to_owned()),
            }
        }
    });
    let desk = done(flow.run(Desk::default()).await.unwrap());
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
    assert!(desk.solution.trace.iter().any(|tried| tried.error.is_some()), "{:?}", desk.solution);
    check_once(&model, desk.solution.calls);
}

#[tokio::test]
async fn a_pause_and_a_restart_give_the_same_solution() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.sqlite");
    let model = flaky();
    let is_told = Arc::new(AtomicBool::new(false));
    let ask = move |cx: Cx<Desk>| {
        let is_told = is_told.clone();
        async move {
            is_told.store(true, Ordering::Relaxed);
            cx.ask::<String>("Go on?").await
        }
    };
    let thread = flow(&model, 4, ask.clone()).thread("t", Sqlite::open(&path).await.unwrap());
    let paused = thread.run(Desk::default()).await.unwrap().paused().unwrap();
    let made = model.calls();
    drop(thread);
    let thread = flow(&model, 4, ask).thread("t", Sqlite::open(&path).await.unwrap());
    thread.answer(&paused.questions[0].id, "yes").await.unwrap();
    let desk = done(thread.resume().await.unwrap());
    assert_eq!((model.calls(), desk.solution.calls, desk.notes), (made, made, vec!["yes".to_owned()]));
    check_once(&model, made);
}

#[tokio::test]
async fn a_recorded_run_replays_without_the_model() {
    let (model, recorder) = (flaky(), Recorder::new());
    let desk = done(flow(&model, 4, nothing).run(Desk::default()).record(&recorder).await.unwrap());
    let file = serde_json::to_string(&recorder.recording()).unwrap();
    let recording: Recording = serde_json::from_str(&file).unwrap();
    let mute = Known::new(|_| panic!("a replay asks nobody"));
    assert_eq!(done(flow(&mute, 4, nothing).replay(&recording).unwrap().await.unwrap()), desk);
}

/// Asks as often as it is told to, and does not care whether anything goes wrong.
struct Careless(u32);

#[async_trait]
impl Strategy for Careless {
    async fn solve(&self, reasoning: &Reasoning, question: &str) -> Result<Solution> {
        for number in 1..=self.0 {
            let _ = reasoning.ask(&format!("answer {number}"), reasoning.request(question)).await;
        }
        Ok(Solution::default())
    }
}

#[tokio::test]
async fn a_journal_that_fails_is_not_taken_for_a_model_that_does() {
    let careless = |asks: u32| {
        let think = move |cx: Cx<Desk>| async move {
            let solution = Reasoner::within(&cx, known(1.0, 1.0).model()).solve(&Careless(asks), "?").await?;
            Ok(Desk::update().solution(solution))
        };
        Graph::new().node("think", think).start("think").build().unwrap()
    };
    let recorder = Recorder::new();
    done(careless(1).run(Desk::default()).record(&recorder).await.unwrap());
    let error = careless(2).replay(&recorder.recording()).unwrap().await.unwrap_err();
    assert!(error.to_string().contains("effect reason/answer 2#0` is not in it"), "{error}");
}

#[tokio::test]
async fn effects_have_the_names_of_their_places() {
    let model = known(1.0, 1.0);
    let think = move |cx: Cx<Desk>| {
        let model = model.clone();
        async move {
            let reasoner = Reasoner::within(&cx, model.model());
            let one = reasoner.clone().name("one");
            let two = reasoner.name("two");
            let strategy = strategy();
            let (one, two) = tokio::join!(one.solve(&strategy, "?"), two.solve(&strategy, "?"));
            let names = one?.trace.into_iter().chain(two?.trace).map(|tried| tried.name);
            Ok(Desk::update().notes(names))
        }
    };
    let flow = Graph::new().node("think", think).start("think").build().unwrap();
    let mut names = done(flow.run(Desk::default()).await.unwrap()).notes;
    assert!(names.contains(&"one/candidate 2/sample 3/answer".to_owned()), "{names:?}");
    assert!(names.contains(&"two/reward/judge 1/scores".to_owned()), "{names:?}");
    names.retain(|name| name.ends_with("/answer") || name.ends_with("/scores"));
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[tokio::test]
async fn what_it_spends_counts_against_the_budget_of_the_run_which_ends_it_for_all() {
    let model = known(0.5, 0.9);
    let budget = Budget::new();
    let store = Memory::new();
    let thread = flow(&model, 4, nothing).thread("t", store);
    let whole = done(thread.run(Desk::default()).budget(&budget).await.unwrap());
    assert_eq!(budget.spent().requests, whole.solution.calls);
    assert_eq!(thread.standing().await.unwrap().spent.requests, whole.solution.calls);
    // Samples that fail are left out, but not because there is no money left.
    let budget = Budget::new().requests_max(4);
    let error = flow(&model, 1, nothing).run(Desk::default()).budget(&budget).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    assert_eq!(budget.spent().requests, 4);
}
