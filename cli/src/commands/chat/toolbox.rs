//! What a person sees of the tools: what there is, what each may touch, what was approved for more than one call, which can
//! be taken back; and the search of the library, which the model has as a tool.

use anyhow::{Result, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lorewell::Access;
use lorewell::agent::Grant;
use serde::Deserialize;

use super::Talk;
use super::history::set;
use super::turn::is_unanswered;
use crate::commands::{last, search};
use crate::exit::Misuse;
use crate::output::{self, BOLD, DIM, WARN, columns, note, one_line, paint, visible};

/// Tools that touch this are asked about each time.
const ASKED: Access = Access::WRITE.or(Access::EXECUTE).or(Access::NETWORK);

impl Talk<'_> {
    /// Prints the tools and what was approved for more than one call.
    pub(super) async fn say_tools(&self) -> Result<()> {
        for tool in &self.toolset.tools {
            let (spec, access) = (tool.spec(), tool.access());
            let asks = if access.meets(ASKED) { paint(WARN, "asks first") } else { String::new() };
            let what = one_line(spec.description.split_once(". ").map_or(&*spec.description, |(first, _)| first));
            let touches = paint(DIM, &format!("touches {access}"));
            output::line(&columns([&paint(BOLD, &spec.name), &touches, &asks, &what]))?;
        }
        let grants = self.standing().await?.map(|standing| standing.state.grants).unwrap_or_default();
        for grant in &grants {
            output::line(&format!("approved in this session: {}", Granted::read(grant)?.say()))?;
        }
        for tool in &self.yes_to {
            output::line(&format!("approved by --yes-to: {tool}"))?;
        }
        if self.toolset.index.is_none() {
            note("There is no library here yet; read one with `lorewell ingest FOLDER`.");
        }
        Ok(())
    }

    /// Takes back what was approved for more than one call: for one tool, or for all.
    pub(super) async fn revoke(&mut self, tool: Option<&str>) -> Result<()> {
        let is_meant = |name: &str| tool.is_none_or(|tool| tool == name);
        let mut revoked = Vec::new();
        if let Some(standing) = self.standing().await? {
            if is_unanswered(&standing) || !standing.questions.is_empty() {
                let message = "the last message has no answer yet; end it with `/retry` or `/undo`, and then revoke";
                return Err(Misuse(message.to_owned()).into());
            }
            let (mut chat, mut kept) = (standing.state, Vec::new());
            for grant in std::mem::take(&mut chat.grants) {
                let granted = Granted::read(&grant)?;
                if is_meant(&granted.tool) { revoked.push(granted.say()) } else { kept.push(grant) }
            }
            chat.grants = kept;
            if !revoked.is_empty() {
                set(&self.thread, chat).await?;
            }
        }
        revoked.extend(self.yes_to.extract_if(.., |name| is_meant(name)));
        if revoked.is_empty() {
            note("Nothing of the kind is approved; /tools lists what is.");
        }
        revoked.iter().try_for_each(|what| output::line(&format!("taken back: {what}")))
    }

    /// Prints what the library has on something; `lorewell show` knows the numbers.
    pub(super) async fn search(&self, query: &str) -> Result<()> {
        let Some(index) = &self.toolset.index else {
            bail!("no documents yet; read some with `lorewell ingest FOLDER`");
        };
        let asked = index.search(query).fusion(search::fusion(self.session, None));
        let hits = asked.limit(self.session.config.number("limit")).await?;
        last::keep(self.session, &hits.hits.iter().map(|hit| search::shown(self.session, hit)).collect::<Vec<_>>());
        search::print(self.session, &hits)?;
        if hits.hits.is_empty() {
            search::say_nothing_found(index).await?;
        }
        Ok(())
    }
}

/// What a grant covers.
#[derive(Deserialize)]
struct Granted {
    tool: String,
    arguments: Option<String>,
    /// In seconds since 1970.
    until: Option<i64>,
}

impl Granted {
    fn read(grant: &Grant) -> Result<Self> {
        Ok(Self::deserialize(serde_json::to_value(grant)?)?)
    }

    fn say(&self) -> String {
        let tool = visible(&self.tool);
        match (&self.arguments, self.until) {
            (Some(arguments), _) => format!("{tool} {}", visible(arguments)),
            (None, Some(until)) => {
                let until = Timestamp::from_second(until).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::system());
                format!("{tool}, until {}, whatever its arguments", until.strftime("%Y-%m-%d %H:%M"))
            }
            (None, None) => format!("{tool}, whatever its arguments"),
        }
    }
}
