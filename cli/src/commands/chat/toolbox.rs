//! What a person sees of the tools: what there is, what each may touch, what was approved for good; and the search of the
//! library, which the model has as a tool.

use anyhow::{Result, bail};
use lorewell::Access;
use lorewell::agent::Grant;

use super::Talk;
use crate::commands::{last, search};
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
            output::line(&format!("approved in this session: {}", granted(grant)?))?;
        }
        for tool in &self.yes_to {
            output::line(&format!("approved by --yes-to: {tool}"))?;
        }
        if self.toolset.index.is_none() {
            note("There is no library here yet; read one with `lorewell ingest FOLDER`.");
        }
        Ok(())
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

/// Says what a grant covers.
fn granted(grant: &Grant) -> Result<String> {
    let grant = serde_json::to_value(grant)?;
    let tool = visible(grant["tool"].as_str().unwrap_or_default());
    Ok(match grant["arguments"].as_str() {
        Some(arguments) => format!("{tool} {}", visible(arguments)),
        None => format!("{tool}, whatever its arguments"),
    })
}
