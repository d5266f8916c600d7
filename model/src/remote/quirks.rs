//! How servers that speak OpenAI's chat format differ from it.

use crate::request::Effort;

/// What a server wants otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// The limit of the answer is called `max_tokens`, as it once was at OpenAI too.
    pub(crate) old_max_tokens: bool,
    /// Instructions come from `system`; `developer` is not known.
    pub(crate) system_role: bool,
    /// Usage comes without being asked for, and `stream_options` is refused.
    pub(crate) no_stream_options: bool,
    /// How much it thinks is said in `reasoning: {effort}`.
    pub(crate) reasoning_object: bool,
    /// It wants the thoughts of earlier turns with tool calls back, in `reasoning_content`.
    pub(crate) echo_reasoning: bool,
    /// A schema of the answer is not known, only that it is JSON.
    pub(crate) json_object_only: bool,
    /// `tool_choice: "required"` is called `any`.
    pub(crate) any_tool: bool,
    /// `seed` is called `random_seed`.
    pub(crate) random_seed: bool,
    /// `strict` in tools and schemas is refused.
    pub(crate) no_strict: bool,
    /// It wants the `reasoning_details` of earlier turns back as they came.
    pub(crate) echo_details: bool,
    /// `top_k` is known.
    pub(crate) top_k: bool,
    /// `prompt_cache_key` and its like are refused.
    pub(crate) no_cache_key: bool,
    /// The ids of calls are nine letters and digits, and others are refused.
    pub(crate) nine_letter_ids: bool,
    /// Which words for effort are known.
    pub(crate) efforts: Efforts,
}

/// Which words for effort a server knows. Others are refused, so the nearest one is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Efforts {
    /// Those of OpenAI: `none`, `minimal`, `low`, `medium`, `high` and `xhigh`. `max` is known to its newest models only.
    #[default]
    All,
    /// `none` and `high`: Mistral.
    NoneOrHigh,
    /// `low`, `medium` and `high`, and for Qwen `none` and `default`: Groq.
    Groq,
}

impl Efforts {
    /// Returns the nearest word.
    pub(crate) fn word(self, model: &str, effort: Effort) -> &'static str {
        let is_little = matches!(effort, Effort::None | Effort::Minimal);
        match (self, effort) {
            (Self::All, Effort::Max) => "xhigh",
            (Self::All, _) => effort.name(),
            (Self::NoneOrHigh, _) => {
                if is_little {
                    "none"
                } else {
                    "high"
                }
            }
            (Self::Groq, _) if model.contains("qwen") => {
                if is_little {
                    "none"
                } else {
                    "default"
                }
            }
            // It cannot be kept from thinking.
            (Self::Groq, Effort::None) if model.contains("gpt-oss") => "low",
            (Self::Groq, Effort::Minimal) => "low",
            (Self::Groq, Effort::Max) => "high",
            (Self::Groq, _) => effort.name(),
        }
    }
}

impl Quirks {
    /// As OpenAI itself.
    pub(crate) const NONE: Self = Self {
        old_max_tokens: false,
        system_role: false,
        no_stream_options: false,
        reasoning_object: false,
        echo_reasoning: false,
        json_object_only: false,
        any_tool: false,
        random_seed: false,
        no_strict: false,
        echo_details: false,
        top_k: false,
        no_cache_key: false,
        nine_letter_ids: false,
        efforts: Efforts::All,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_are_said_in_words_that_the_server_knows() {
        let efforts = [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Max];
        let words = |known: Efforts, model: &str| efforts.map(|effort| known.word(model, effort)).join(" ");
        assert_eq!(words(Efforts::All, "m"), "none minimal low medium high xhigh");
        assert_eq!(words(Efforts::NoneOrHigh, "magistral-medium-latest"), "none none high high high high");
        assert_eq!(words(Efforts::Groq, "openai/gpt-oss-120b"), "low low low medium high high");
        assert_eq!(words(Efforts::Groq, "qwen/qwen3-32b"), "none none default default default default");
        assert_eq!(words(Efforts::Groq, "m"), "none low low medium high high");
    }
}
