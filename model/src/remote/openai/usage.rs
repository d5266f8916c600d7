//! The tokens of an answer, in the words of both formats and of the servers that have their own.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{Count, Object};
use crate::usage::Usage;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Object<Input>,
    input_tokens_details: Object<Input>,
    completion_tokens_details: Object<Output>,
    output_tokens_details: Object<Output>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Mistral.
    num_cached_tokens: Count,
    /// Moonshot.
    cached_tokens: Count,
    /// Copilot.
    reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Output {
    reasoning_tokens: Count,
}

/// Reads usage; `None` if there is none.
pub(super) fn usage(raw: &RawValue) -> Option<Usage> {
    let Object(wire) = serde_json::from_str::<Object<Wire>>(raw.get()).ok()?;
    let wire = wire?;
    let input = wire.prompt_tokens_details.0.or(wire.input_tokens_details.0).unwrap_or_default();
    let output = wire.completion_tokens_details.0.or(wire.output_tokens_details.0).unwrap_or_default();
    let first = |counts: &[Count]| counts.iter().map(|count| count.or_zero()).find(|&count| count > 0).unwrap_or(0);
    let cached = [input.cached_tokens, wire.prompt_cache_hit_tokens, wire.num_cached_tokens, wire.cached_tokens];
    let mut usage = Usage {
        input_tokens: first(&[wire.prompt_tokens, wire.input_tokens]),
        cache_read_tokens: first(&cached),
        cache_write_tokens: input.cache_write_tokens.or_zero(),
        output_tokens: first(&[wire.completion_tokens, wire.output_tokens]),
        reasoning_tokens: first(&[output.reasoning_tokens, wire.reasoning_tokens]),
    };
    // xAI's chat counts the thoughts beside the answer, not within it; the total tells.
    let beside = usage.total_tokens().saturating_add(usage.reasoning_tokens);
    if usage.reasoning_tokens > 0 && wire.total_tokens.or_zero() == beside {
        usage.output_tokens = usage.output_tokens.saturating_add(usage.reasoning_tokens);
    }
    (usage != Usage::default()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: [u64; 5]) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let got = usage(raw).unwrap_or_default();
        let got =
            [got.input_tokens, got.cache_read_tokens, got.cache_write_tokens, got.output_tokens, got.reasoning_tokens];
        assert_eq!(got, expected, "{json}");
    }

    #[test]
    fn every_server_counts_its_own_way() {
        check("null", [0; 5]);
        check("{}", [0; 5]);
        check(r#"{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}"#, [7, 0, 0, 3, 0]);
        let full = r#"{"input_tokens":7,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},
            "output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":10}"#;
        check(full, [7, 4, 2, 3, 1]);
        let deepseek = r#"{"prompt_tokens":7,"completion_tokens":3.0,"prompt_cache_hit_tokens":5,
            "prompt_tokens_details":null}"#;
        check(deepseek, [7, 5, 0, 3, 0]);
        let xai = r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,
            "completion_tokens_details":{"reasoning_tokens":290}}"#;
        check(xai, [12, 0, 0, 291, 290]);
        check(
            r#"{"prompt_tokens":7,"num_cached_tokens":64,"completion_tokens":"3","reasoning_tokens":1}"#,
            [7, 64, 0, 3, 1],
        );
    }
}
