//! Sums, which language models are bad at.

use std::sync::Arc;

use lorewell_model::{FunctionTool, IntoTool as _, Origin, Tool, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// Longer ones are no sums.
const EXPRESSION_CHARS_MAX: usize = 1000;

#[derive(Deserialize, JsonSchema)]
struct Sum {
    /// Numbers, `+ - * / ^`, parentheses, `sqrt`, `exp`, `ln`, `log10`, `sin`, `cos`, `tan`, `abs`, `floor`, `ceil`, `round`,
    /// `PI`, `E`. For example `(3 + 4) * 2^0.5`.
    expression: String,
}

/// Returns a tool called `calculator`. It works with floats of 64 bits.
///
/// ```
/// use lorewell_agent::{Tool, tools};
/// assert_eq!(tools::calculator().spec().name, "calculator");
/// ```
#[must_use]
pub fn calculator() -> Arc<dyn Tool> {
    let sum: FunctionTool = tool(calculate).description("Works out a sum.");
    Arc::new(sum.into_tool("calculator"))
}

async fn calculate(sum: Sum) -> Result<ToolOutput, ToolError> {
    if sum.expression.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(ToolError::retry(format!("the expression has more than {EXPRESSION_CHARS_MAX} characters")));
    }
    let value = exmex::eval_str::<f64>(&sum.expression)
        .map_err(|error| ToolError::retry(format!("`{}` cannot be read: {error}", sum.expression)))?;
    if !value.is_finite() {
        return Err(ToolError::failed(format!("`{}` has no finite value", sum.expression)));
    }
    // What 64 bits cannot hold is cut off: 0.1 + 0.2 is 0.3.
    let digits = format!("{value:.12e}").parse::<f64>()?;
    Ok(ToolOutput::text(digits.to_string()).origin(Origin::Developer))
}
