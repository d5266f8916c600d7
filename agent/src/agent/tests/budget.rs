//! What a run may spend, with all that work for it, before and after a crash.

use futures_util::StreamExt as _;
use lorewell_model::{Budget, ChatModel, Event as Said, Events, Price, Prices, Spent, Usage};

use super::*;

/// Answers as a script does, and counts 10 tokens in and 5 out each time.
#[derive(Debug)]
struct Priced(Script);

impl ChatModel for Priced {
    fn stream(&self, request: Request) -> Events {
        let usage = Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() };
        Events::new(self.0.stream(request).map(move |event| match event {
            Ok(Said::Usage { .. }) => Ok(Said::Usage { usage }),
            other => other,
        }))
    }
}

fn priced(answers: impl IntoIterator<Item = Message>) -> Agent {
    let model = Model::new("mock:priced".parse().unwrap(), Priced(Script::new(answers)));
    let price = json!({"mock:priced": Price { input: 1e6, output: 2e6, cache_read: None, cache_write: None }});
    let prices: Prices = serde_json::from_value(price).unwrap();
    Agent::new(model.prices(&prices))
}

/// An agent that asks another one, which calls a tool, then calls that tool itself.
fn pair(notes: &Notes) -> Agent {
    let worker = priced([calls(&[("note", json!({"text": "below"}))]), Message::assistant("noted")]);
    let worker = worker.tool("note", notes.tool()).allow(Access::WRITE);
    let boss = priced([
        calls(&[("worker", json!({"task": "write"}))]),
        calls(&[("note", json!({"text": "above"}))]),
        Message::assistant("ok"),
    ]);
    boss.tool("worker", worker.as_tool("Writes.")).tool("note", notes.tool())
}

fn spent(requests: u64, calls: u64) -> Spent {
    let mut spent = Spent::default();
    (spent.requests, spent.calls) = (requests, calls);
    spent.usage = Usage { input_tokens: 10 * requests, output_tokens: 5 * requests, ..Usage::default() };
    spent.cost_usd = 20.0 * f64::from(u32::try_from(requests).unwrap());
    spent
}

#[tokio::test]
async fn all_that_agents_inside_spend_counts_and_a_pause_and_a_restart_change_nothing() {
    let (notes, store) = (Notes::default(), Memory::new());
    let agent = pair(&notes);
    let thread = agent.thread("t", store.clone()).unwrap();
    let budget = Budget::new();
    let waits = paused(thread.run(Chat::say("go")).budget(&budget).await.unwrap());
    assert_eq!(budget.spent().time_ms(0), spent(4, 2), "two of each were asked, and two tools called");
    thread.answer(&waits.questions[0].id, true).await.unwrap();

    // Another process.
    let thread = agent.thread("t", store.clone()).unwrap();
    let budget = Budget::new();
    let chat = thread.resume().budget(&budget).await.unwrap().done().unwrap();
    assert_eq!(chat.text(), "ok");
    assert_eq!(budget.spent().time_ms(0), spent(5, 3));
    assert_eq!(thread.standing().await.unwrap().spent.time_ms(0), spent(5, 3));
    // The next run begins with nothing spent.
    let mut again = pair(&notes);
    again = again.allow(Access::WRITE);
    let budget = Budget::new();
    let _ = again.thread("t", store).unwrap().run(Chat::say("again")).budget(&budget).await.unwrap();
    assert_eq!(budget.spent().time_ms(0), spent(5, 3));
}

#[tokio::test]
async fn a_budget_ends_the_run_wherever_it_is_spent_and_more_lets_it_go_on() {
    let limits: [fn() -> Budget; 4] = [
        || Budget::new().requests_max(2),
        || Budget::new().tokens_max(30),
        || Budget::new().cost_usd_max(40.0),
        || Budget::new().calls_max(1),
    ];
    for limit in limits {
        let (notes, store) = (Notes::default(), Memory::new());
        let agent = pair(&notes).allow(Access::WRITE);
        let thread = agent.thread("t", store.clone()).unwrap();
        let budget = limit();
        let error = thread.run(Chat::say("go")).budget(&budget).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        assert!(error.to_string().contains("the budget is spent"), "{error}");
        // No more by trying again.
        let error = agent.thread("t", store.clone()).unwrap().resume().budget(&limit()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        let chat = agent.thread("t", store).unwrap().resume().budget(&Budget::new()).await.unwrap().done().unwrap();
        assert_eq!((chat.text().as_str(), notes.texts()), ("ok", vec!["below".to_owned(), "above".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_when_its_time_is_over_and_waiting_for_a_person_takes_none() {
    let slow = |_: Note| async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        Ok::<_, ToolError>("slept")
    };
    let (agent, _) = scripted([
        calls(&[("slow", json!({"text": ""}))]),
        calls(&[("slow", json!({"text": ""}))]),
        Message::assistant("ok"),
    ]);
    let agent = agent.tool("slow", slow);
    let thread = agent.thread("t", Memory::new()).unwrap();
    let budget = Budget::new().time_max(Duration::from_secs(60));
    let error = thread.run(Chat::say("go")).budget(&budget).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Limit, "{error}");
    let chat = thread.resume().await.unwrap().done().unwrap();
    assert_eq!(chat.text(), "ok");
}
