//! How much a model thinks: a level for Gemini 3, a number of tokens for 2.5, nothing before and for Gemma, by Google's guide to thinking (`ai.google.dev/gemini-api/docs/thinking`).

use serde_json::{Value, json};

use crate::remote::body::version;
use crate::request::Effort;

/// Returns the `thinkingConfig` for a model, if it has one.
pub(super) fn config(model: &str, effort: Effort, output_tokens_max: Option<u32>) -> Option<Value> {
    if model.contains("gemma") {
        return None;
    }
    let shown = effort != Effort::None;
    match version(model) {
        Some(older) if older < (2, 5) => None,
        Some((2, _)) => {
            let budget = budget(model, effort, output_tokens_max);
            Some(json!({ "thinkingBudget": budget, "includeThoughts": shown && budget > 0 }))
        }
        // A name without a number, such as `gemini-flash-latest`, is of the newest.
        _ => Some(json!({ "thinkingLevel": level(model, effort), "includeThoughts": shown })),
    }
}

/// The least and the most tokens that a model of 2.5 thinks with, and whether it can be kept from it.
fn bounds(model: &str) -> (u32, u32, bool) {
    match model {
        lite if lite.contains("flash-lite") => (512, 24_576, true),
        flash if flash.contains("flash") => (1, 24_576, true),
        _ => (128, 32_768, false),
    }
}

fn budget(model: &str, effort: Effort, output_tokens_max: Option<u32>) -> u32 {
    let (least, most, may_stop) = bounds(model);
    let percent = match effort {
        Effort::None if may_stop => return 0,
        Effort::None => 0,
        Effort::Minimal => 10,
        Effort::Low => 20,
        Effort::Medium => 50,
        Effort::High => 80,
        Effort::Max => 95,
    };
    let share = u64::from(output_tokens_max.unwrap_or(most)) * percent / 100;
    u32::try_from(share).unwrap_or(most).clamp(least, most)
}

/// Only the small models know `minimal`, and the first large one knows no `medium`; none can be kept from thinking.
fn level(model: &str, effort: Effort) -> &'static str {
    let is_large = model.contains("pro");
    match effort {
        Effort::None | Effort::Minimal if is_large => "low",
        Effort::None | Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium if is_large && version(model) == Some((3, 0)) => "high",
        Effort::Medium => "medium",
        Effort::High | Effort::Max => "high",
    }
}
