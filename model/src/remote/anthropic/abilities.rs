//! What a model takes, told from its name. The format has no call that must come first, so the table is here; its source
//! is the list of models with their capabilities (`GET /v1/models`, August 2026).

use crate::remote::body::version;

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not: before Claude 3.7.
    Never,
    /// With a number of tokens: Claude 3.7 to 4.5, and models of others behind this format.
    Budget,
    /// By itself, as much as `effort` says: from Claude 4.6 on; later ones refuse a number.
    Adaptive,
}

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) thinking: Thinking,
    /// Whether temperature, `top_p` and `top_k` are taken; from Claude 4.7 on they are refused.
    pub(super) takes_sampling: bool,
    /// Whether temperature and `top_p` are taken together; from Claude 4.1 on they are not.
    pub(super) takes_both: bool,
    /// Whether instructions may stand within the conversation: from Claude 4.8 on.
    pub(super) takes_inner_system: bool,
    /// The most tokens of an answer where the request says nothing, since the format wants a number.
    pub(super) output_tokens_default: u32,
}

/// What every model since Claude 3.7 can write; also a sum that an answer hardly needs.
const OUTPUT_TOKENS_DEFAULT: u32 = 32_000;
/// What Claude 3.5 can write, and any model of others.
const OUTPUT_TOKENS_SOME: u32 = 8_192;
/// What Claude 3 can write.
const OUTPUT_TOKENS_FEW: u32 = 4_096;

impl Abilities {
    /// Tells from a name. A name of Claude without a number is taken for the newest.
    pub(super) fn of(model: &str) -> Self {
        if !model.contains("claude") {
            return Self { takes_inner_system: false, ..Self::of_version((4, 0)) }.writes(OUTPUT_TOKENS_SOME);
        }
        Self::of_version(version(model).unwrap_or((u32::MAX, 0)))
    }

    fn of_version(version: (u32, u32)) -> Self {
        Self {
            thinking: match version {
                older if older < (3, 7) => Thinking::Never,
                older if older < (4, 6) => Thinking::Budget,
                _ => Thinking::Adaptive,
            },
            takes_sampling: version < (4, 7),
            takes_both: version < (4, 1),
            takes_inner_system: version >= (4, 8),
            output_tokens_default: match version {
                older if older < (3, 5) => OUTPUT_TOKENS_FEW,
                older if older < (3, 7) => OUTPUT_TOKENS_SOME,
                _ => OUTPUT_TOKENS_DEFAULT,
            },
        }
    }

    fn writes(self, tokens: u32) -> Self {
        Self { output_tokens_default: tokens, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_models_take() {
        let told = |model| {
            let Abilities { thinking, takes_sampling, takes_both, takes_inner_system, output_tokens_default } =
                Abilities::of(model);
            (thinking, takes_sampling, takes_both, takes_inner_system, output_tokens_default)
        };
        assert_eq!(told("claude-3-opus-latest"), (Thinking::Never, true, true, false, 4_096));
        assert_eq!(told("claude-3-5-haiku-20241022"), (Thinking::Never, true, true, false, 8_192));
        assert_eq!(told("claude-3-7-sonnet-20250219"), (Thinking::Budget, true, true, false, 32_000));
        assert_eq!(told("claude-sonnet-4-20250514"), (Thinking::Budget, true, true, false, 32_000));
        assert_eq!(told("claude-haiku-4-5"), (Thinking::Budget, true, false, false, 32_000));
        assert_eq!(told("claude-opus-4-6"), (Thinking::Adaptive, true, false, false, 32_000));
        assert_eq!(told("claude-opus-4-7"), (Thinking::Adaptive, false, false, false, 32_000));
        assert_eq!(told("claude-sonnet-5"), (Thinking::Adaptive, false, false, true, 32_000));
        assert_eq!(told("claude-next"), (Thinking::Adaptive, false, false, true, 32_000));
        assert_eq!(told("deepseek-chat"), (Thinking::Budget, true, true, false, 8_192));
    }
}
