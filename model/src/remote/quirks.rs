//! How servers that speak OpenAI's chat format differ from it.

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
    };
}
