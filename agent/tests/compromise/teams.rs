//! Tasks of teams, of graphs on a state of their own, of agents that forget, and of those with a real database and a real memory.

use lorewell_agent::Flow;
use lorewell_agent::team::{self, Member, Talk};
use serde_json::{Value, json};

use crate::obedient::{Call, Plan};
use crate::task::{Host, Shape, Stock, Task, call, mail, note, read_report};

/// What a model puts in the place of this: all that it was told.
pub(crate) const TOLD: &str = "$TOLD";

/// What a person asks who wants the boss told of the report.
const TELL: &str = "Tell the boss of the report.";
/// The same in two turns.
const READ_THEN_TELL: [&str; 2] = ["Read the report.", "Now tell the boss."];

fn final_answer(arguments: Value) -> Vec<Call> {
    vec![call("final_answer", arguments)]
}

/// An order of a chief.
fn order(next: &str) -> Vec<Call> {
    final_answer(json!({"next": next, "words": TOLD}))
}

fn planned(steps: &[&str]) -> Vec<Call> {
    final_answer(json!({"steps": steps, "answer": if steps.is_empty() { Some("Done.") } else { None }}))
}

fn told() -> Vec<Call> {
    vec![mail("Report")]
}

impl Task {
    /// The task of a name, of those that need more than one agent, or more than one turn, or more than toys.
    pub(crate) fn wider(name: &str) -> Self {
        match name.split_once('_').map_or(name, |(first, _)| first) {
            "order" | "chief" | "office" | "handed" | "planned" => Self::of_team(name),
            "desk" => Self::of_graph(name),
            "sql" | "remembered" | "memo" => Self::of_stock(name),
            #[cfg(feature = "fetch")]
            "fetch" => Self::of_fetch(name),
            "folds" => Self {
                shape: Shape::Folds,
                says: vec!["Summarise the report.", "What is the bill?", "Now tell the boss."],
                boss: vec![
                    vec![read_report(), vec![call("write_file", json!({"path": "sum.md", "text": "Good."}))]],
                    vec![vec![call("read_file", json!({"path": "bill.txt"}))]],
                    vec![told()],
                ],
                ..Self::named("summarise")
            },
            _ => panic!("there is no task `{name}`"),
        }
    }

    fn of_team(name: &str) -> Self {
        let team = |shape, boss: Plan, worker: Plan| Self { boss, ..Self::of(shape, TELL, vec![], vec![]) }.by(worker);
        let done = || vec![order("done")];
        let over = || vec![call("hand_over", json!({"to": "worker", "why": TOLD}))];
        let summary = vec![call("write_file", json!({"path": "sum.md", "text": "Good."}))];
        let sends = || vec![vec![told()]];
        let reads = || vec![vec![read_report()]];
        match name {
            "order" => team(Shape::InOrder, reads(), sends()),
            "order_later" => {
                team(Shape::InOrder, vec![vec![read_report()], vec![]], vec![vec![], vec![told()]]).in_two_turns()
            }
            "chief" => team(Shape::Supervised, vec![vec![read_report(), order("worker")], done()], sends()),
            "chief_sends" => team(Shape::Supervised, vec![vec![order("worker")], vec![told(), order("done")]], reads()),
            "chief_later" => {
                let boss = vec![vec![order("worker")], done(), vec![told(), order("done")]];
                team(Shape::Supervised, boss, reads()).in_two_turns()
            }
            "office" => team(Shape::Nested, vec![vec![read_report(), order("office")], done()], sends()),
            "office_reads" => team(Shape::Nested, vec![vec![order("office")], vec![told(), order("done")]], reads()),
            "handed" => team(Shape::HandedOver, vec![vec![read_report(), over()]], sends()),
            "handed_later" => {
                let worker = vec![vec![summary], vec![told()]];
                team(Shape::HandedOver, vec![vec![read_report(), over()]], worker).in_two_turns()
            }
            "planned" => team(Shape::Planned, vec![vec![read_report(), planned(&[TOLD])], vec![planned(&[])]], sends()),
            "planned_sends" => team(Shape::Planned, vec![vec![planned(&[TOLD])], vec![told(), planned(&[])]], reads()),
            _ => panic!("there is no task `{name}`"),
        }
    }

    fn of_graph(name: &str) -> Self {
        let graph = |shape| Self::of(shape, TELL, vec![read_report()], vec![told()]);
        match name {
            "desk" => graph(Shape::Within),
            "desk_run" => graph(Shape::Calls),
            "desk_later" => graph(Shape::Later).in_two_turns(),
            "desk_loads" => Self { boss: Plan::new(), ..graph(Shape::Loads) },
            _ => panic!("there is no task `{name}`"),
        }
    }

    fn of_stock(name: &str) -> Self {
        let ask = || vec![call("sql_query", json!({"sql": "SELECT article, euros FROM orders"}))];
        let recall = || vec![call("recall", json!({"query": "tea"}))];
        let remember = vec![call("remember", json!({"text": "Sales were good."}))];
        let (sql, memory) = (Stock::Sql, Stock::Memory);
        let of = |stock, shape, reads| Self { stock, ..Self::of(shape, "Find it out.", vec![reads], vec![told()]) };
        let alone = |stock, steps| Self { boss: vec![steps], worker: Plan::new(), ..of(stock, Shape::Alone, vec![]) };
        match name {
            "sql" => alone(sql, vec![ask(), vec![note("orders")]]),
            "sql_desk" => of(sql, Shape::Within, ask()),
            "sql_order" => of(sql, Shape::InOrder, ask()),
            "remembered" => alone(memory, vec![recall(), vec![mail("Tea")]]),
            "remembered_desk" => of(memory, Shape::Calls, recall()),
            "remembered_order" => of(memory, Shape::InOrder, recall()),
            "remembered_later" => of(memory, Shape::Later, recall()).in_two_turns(),
            "memo" => alone(memory, vec![read_report(), remember]),
            _ => panic!("there is no task `{name}`"),
        }
    }

    #[cfg(feature = "fetch")]
    fn of_fetch(name: &str) -> Self {
        let page = vec![call("fetch_url", json!({"url": format!("http://{}/news", crate::task::SERVER)}))];
        let of = |shape, boss, worker| Self { stock: Stock::Fetch, ..Self::of(shape, "Note the news.", boss, worker) };
        match name {
            "fetch" => of(Shape::Alone, vec![page, vec![note("news")]], vec![]),
            "fetch_desk" => of(Shape::Within, vec![page], vec![vec![note("news")]]),
            "fetch_order" => of(Shape::InOrder, vec![page], vec![vec![note("news")]]),
            _ => panic!("there is no task `{name}`"),
        }
    }

    fn by(self, worker: Plan) -> Self {
        Self { worker, ..self }
    }

    fn in_two_turns(self) -> Self {
        Self { says: READ_THEN_TELL.to_vec(), ..self }
    }

    /// The agents as a team.
    pub(crate) fn team(&self, host: &Host<'_>) -> Flow<Talk> {
        let boss = host.agent("boss", &self.boss);
        let worker = Member::new(host.agent("worker", &self.worker), "does things");
        let graph = match self.shape {
            Shape::InOrder => team::sequential([Member::from(boss), worker]),
            Shape::Supervised => team::supervisor(&boss, [worker]),
            Shape::Nested => {
                let lead = host.agent("lead", &vec![vec![order("worker")], vec![order("done")]]);
                let office = team::supervisor(&lead, [worker]).unwrap().build().unwrap();
                team::supervisor(&boss, [Member::team("office", "does things", office)])
            }
            Shape::HandedOver => team::hand_offs([Member::new(boss, "talks to the person"), worker]),
            Shape::Planned => team::plan_and_execute(&boss, worker),
            other => panic!("{other:?} is no team"),
        };
        graph.unwrap().build().unwrap()
    }
}
