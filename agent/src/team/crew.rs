//! A crew: jobs with a description, each done by one member, some of them after others.

use lorewell_model::{Error, Kind, Result};

use super::line::nobody;
use super::member::Member;
use super::talk::{Said, Talk};
use crate::graph::{END, Graph};

/// Something that is to be done, by whom, and after what.
#[derive(Debug, Clone)]
pub struct Job {
    name: String,
    member: Member,
    told: String,
    expects: Option<String>,
    after: Vec<String>,
}

impl Job {
    /// Makes a job: its name, who does it, and what is to be done.
    pub fn new(name: impl Into<String>, member: impl Into<Member>, told: impl Into<String>) -> Self {
        Self { name: name.into(), member: member.into(), told: told.into(), expects: None, after: Vec::new() }
    }

    /// Says what the result must look like.
    #[must_use]
    pub fn expects(mut self, result: impl Into<String>) -> Self {
        self.expects = Some(result.into());
        self
    }

    /// Lets it be done after other jobs, whose results it is told.
    #[must_use]
    pub fn after<T: Into<String>>(mut self, jobs: impl IntoIterator<Item = T>) -> Self {
        self.after.extend(jobs.into_iter().map(Into::into));
        self
    }
}

/// A crew that does jobs: those that wait for no other at the same time. Each job is told the task and the results of the jobs
/// that it comes after, and its result is said under its name: [`Talk::by`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::{Agent, team::{self, Job, Talk}};
/// # use lorewell_model::{Message, Model, mock::Script};
/// # let scripted = |text: &str| Model::new("mock:script".parse().unwrap(), Script::new([Message::assistant(text)]));
/// # let (a, b, c) = (scripted("facts"), scripted("prices"), scripted("the report"));
///
/// let (reader, buyer, writer) = (Agent::new(a), Agent::new(b), Agent::new(c));
/// let crew = team::crew([
///     Job::new("facts", reader, "Find out what the product can do."),
///     Job::new("prices", buyer, "Find out what it costs.").expects("a table"),
///     Job::new("report", writer, "Write a report of one page.").after(["facts", "prices"]),
/// ])?;
/// let talk = crew.build()?.run(Talk::say("The new lamp.")).await?.done()?;
/// assert_eq!((talk.by("prices"), talk.text()), (Some("prices"), "the report"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Config` if there is no job, if one comes after another that is not there, or if a member cannot run as it is.
pub fn crew(jobs: impl IntoIterator<Item = Job>) -> Result<Graph<Talk>> {
    let jobs: Vec<Job> = jobs.into_iter().collect();
    if jobs.is_empty() {
        return Err(nobody());
    }
    let mut graph = Graph::new();
    for job in &jobs {
        if let Some(missing) = job.after.iter().find(|after| jobs.iter().all(|job| job.name != **after)) {
            let message = format!("job `{}` comes after `{missing}`, which is not there", job.name);
            return Err(Error::new(Kind::Config, message));
        }
        let (shown, seen) = (job.clone(), job.clone());
        let node = job.member.clone().called(&job.name).hears(move |talk| shown.shown(talk), |_, _| Talk::update())?;
        graph = graph.node(&job.name, node);
        graph = match &*seen.after {
            [] => graph.start(&job.name),
            [one] => graph.edge(one, &job.name),
            several => graph.join(several, &job.name),
        };
        if jobs.iter().all(|other| !other.after.contains(&job.name)) {
            graph = graph.edge(&job.name, END);
        }
    }
    Ok(graph)
}

impl Job {
    /// What whoever does it is shown.
    fn shown(&self, talk: &Talk) -> super::talk::Shown {
        let results = self.after.iter().filter_map(|after| Some(Said::new(after, talk.by(after)?)));
        let said: Vec<Said> = [Said::new(super::talk::PERSON, talk.task())].into_iter().chain(results).collect();
        let expects = self.expects.iter().map(|expects| format!("\nThe result must be: {expects}"));
        let told = format!("Your job: {}{}", self.told, expects.collect::<String>());
        talk.seen(&self.name, &said, Some(&told))
    }
}
