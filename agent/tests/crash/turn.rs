//! An agent that is killed in the middle of its turn. Three tools write to a database of their own, each call under its key; the
//! model asks for all three in each of its answers. At the end every write is there once, and the conversation is whole.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lorewell_agent::checkpoint::Sqlite;
use lorewell_agent::{Access, Agent, Chat, Kind, Outcome, Result, ToolCx, ToolError, tool};
use lorewell_model::{ChatModel, Event, Events, Finish, Message, Model, Request, Role, ToolCall};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::number;
use crate::rng::Rng;

/// How often the model asks for the tools.
const ANSWERS: usize = 8;
const TOOLS: [&str; 3] = ["order", "pay", "ship"];
/// A tool takes up to so long before it writes, and after.
const WORK_MAX_MS: u64 = 4;
/// The earliest and the latest moment of a kill, from the start of the process.
const KILL_AFTER: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(120)];
/// A process that takes this long hangs.
const RUN_MAX: Duration = Duration::from_secs(120);

#[derive(Deserialize, JsonSchema)]
struct Item {
    number: usize,
}

/// Asks for all tools, again and again, by what the conversation holds already.
#[derive(Debug)]
struct Clerk;

impl ChatModel for Clerk {
    fn stream(&self, request: Request) -> Events {
        let answers = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
        if answers == ANSWERS {
            let text = Event::Text { text: "all done".to_owned() };
            return Events::of([text, Event::Finish { finish: Finish::Stop }]);
        }
        let mut events = Vec::new();
        for (index, name) in (0..).zip(TOOLS) {
            let call = ToolCall::new(format!("{answers}-{name}"), name, &json!({"number": answers}));
            events.push(Event::ToolCallStart { index, id: call.id, name: call.name });
            events.push(Event::ToolCallArguments { index, text: call.arguments_json });
            events.push(Event::ToolCallEnd { index, opaque: None });
        }
        events.push(Event::Finish { finish: Finish::ToolCalls });
        Events::of(events)
    }
}

/// The database that the tools write to.
fn outside(folder: &Path) -> Connection {
    let outside = Connection::open(folder.join("outside.sqlite")).unwrap();
    outside.busy_timeout(Duration::from_secs(60)).unwrap();
    outside
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS writes (key TEXT PRIMARY KEY, what TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS attempts (key TEXT NOT NULL);",
        )
        .unwrap();
    outside
}

async fn write(cx: ToolCx, item: Item) -> Result<String, ToolError> {
    let work = |byte: usize| Duration::from_millis(u64::from(cx.key().as_bytes()[byte]) % (WORK_MAX_MS + 1));
    tokio::time::sleep(work(0)).await;
    let what = format!("{} {}", cx.call().name, item.number);
    let folder = cx.shared::<PathBuf>()?;
    let key = cx.key().to_owned();
    let written = what.clone();
    // In one transaction, as a payment is booked with its key.
    tokio::task::spawn_blocking(move || {
        let mut outside = outside(&folder);
        let transaction = outside.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute("INSERT INTO attempts VALUES (?1)", [&key])?;
        transaction.execute("INSERT INTO writes VALUES (?1, ?2) ON CONFLICT DO NOTHING", [&key, &written])?;
        transaction.commit()
    })
    .await??;
    tokio::time::sleep(work(1)).await;
    Ok(what)
}

/// The process that is killed.
pub(crate) fn child(folder: &Path) -> i32 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(run(folder)).unwrap();
    0
}

async fn run(folder: &Path) -> Result<()> {
    let thread = agent(folder).thread("orders", Sqlite::open(folder.join("threads.sqlite")).await?)?;
    let outcome = match thread.resume().await {
        Err(error) if error.kind() == Kind::NotFound => thread.run(Chat::say("Do the orders.")).await?,
        resumed => resumed?,
    };
    assert!(matches!(outcome, Outcome::Done(_)), "nothing asks");
    Ok(())
}

fn agent(folder: &Path) -> Agent {
    let agent = Agent::new(Model::new("mock:clerk".parse().unwrap(), Clerk)).share(folder.to_owned());
    TOOLS.iter().fold(agent, |agent, name| agent.tool(name, tool(write).access(Access::WRITE))).allow(Access::WRITE)
}

/// Kills processes of this test so often, over as many threads as they need.
pub(crate) fn kill(kills: usize) {
    let seed = number("LOREWELL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("turns: repeat with LOREWELL_SEED={seed}");
    let mut rng = Rng(seed);
    let (mut killed, mut threads, mut again) = (0, 0, 0);
    while killed < kills {
        let folder = tempfile::tempdir().unwrap();
        threads += 1;
        loop {
            let limit = if killed < kills { rng.between(KILL_AFTER[0], KILL_AFTER[1]) } else { RUN_MAX };
            if ended_within(folder.path(), limit) {
                break;
            }
            assert!(limit < RUN_MAX, "a process hangs");
            killed += 1;
        }
        again += check(folder.path());
    }
    println!("{killed} kills of {threads} turns; {again} writes were tried again and known by their keys");
    assert!(again > 0, "no kill has hit a tool, so this has tested nothing");
}

/// Starts a process, and kills it if it is not done by then.
fn ended_within(folder: &Path, limit: Duration) -> bool {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--quiet"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = command.env("CRASH_TURN", folder).spawn().unwrap();
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "a process that was left alone ended with {status}");
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap(); // SIGKILL
    process.wait().unwrap();
    false
}

/// Every write is there once, and the conversation tells of all of them. Returns how many were tried more than once.
fn check(folder: &Path) -> usize {
    let outside = outside(folder);
    let mut statement = outside.prepare("SELECT what FROM writes ORDER BY what").unwrap();
    let written: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut expected: Vec<_> = (0..ANSWERS).flat_map(|number| TOOLS.map(|name| format!("{name} {number}"))).collect();
    expected.sort();
    assert_eq!(written, expected);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let chat = runtime.block_on(async {
        let store = Sqlite::open(folder.join("threads.sqlite")).await.unwrap();
        agent(folder).thread("orders", store).unwrap().standing().await.unwrap().state
    });
    let roles: Vec<_> = chat.messages.iter().map(|message| message.role).collect();
    let turns = std::iter::repeat_n([Role::Assistant, Role::Tool], ANSWERS).flatten();
    let all: Vec<_> = std::iter::once(Role::User).chain(turns).chain([Role::Assistant]).collect();
    assert_eq!((roles, chat.messages.last().map(Message::text).as_deref()), (all, Some("all done")));
    let attempts: u32 = outside.query_row("SELECT count(*) FROM attempts", [], |row| row.get(0)).unwrap();
    usize::try_from(attempts).unwrap() - expected.len()
}
