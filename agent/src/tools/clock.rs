//! The time, which language models do not know.

use std::sync::Arc;

use jiff::Zoned;
use lorewell_model::{FunctionTool, IntoTool as _, Origin, Tool, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct When {
    /// A time zone, such as `Europe/Paris`; that of this machine unless said.
    zone: Option<String>,
}

/// Returns a tool called `clock`, which tells date, time and day of the week.
#[must_use]
pub fn clock() -> Arc<dyn Tool> {
    let now: FunctionTool = tool(now).description("Tells the date and the time.");
    Arc::new(now.into_tool("clock"))
}

async fn now(when: When) -> Result<ToolOutput, ToolError> {
    let now = match &when.zone {
        None => Zoned::now(),
        Some(zone) => {
            let unknown = |_| ToolError::retry(format!("`{zone}` is no time zone; give one such as `Europe/Paris`"));
            Zoned::now().in_tz(zone).map_err(unknown)?
        }
    };
    Ok(ToolOutput::text(now.strftime("%A, %Y-%m-%d %H:%M:%S %:z").to_string()).origin(Origin::Developer))
}
