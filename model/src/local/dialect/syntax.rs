//! The marks of each dialect, as data for the reader and the grammars.

use super::{Dialect, Envelope};

/// The marks of a dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// What begins a call, or a list of them.
    pub(super) opens: &'static [&'static str],
    /// What stands around calls and words and means nothing by itself.
    pub(super) ignored: &'static [&'static str],
    /// What means nothing right after a call.
    pub(super) after: &'static [&'static str],
    pub(super) body: Body,
    /// Whether a call may be the whole answer, without a mark.
    pub(super) is_bare: bool,
}

/// How a call goes on after its mark.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// Objects with a name and arguments, alone or in a list.
    Json,
    /// Objects in which the name of the tool is the name of the field.
    NameIsField,
    /// The name, one of these marks, and arguments in JSON.
    Named(&'static [&'static str]),
    /// The name and one parameter after the other.
    Parameters(Parameters),
    /// All up to this mark is a call in the words of Gemma.
    Gemma(&'static str),
    /// All up to this mark is a list of calls in Python.
    Python(&'static str),
    /// A header with a recipient.
    Header,
}

/// The marks of a call with parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters {
    /// Ends the name, if nothing else does.
    pub(super) name_end: &'static str,
    /// Begins the name of a parameter.
    pub(super) key: &'static str,
    /// Ends it.
    pub(super) key_end: &'static str,
    /// Begins the value; empty if the end of the name does.
    pub(super) value: &'static str,
    /// Ends the value.
    pub(super) value_end: &'static str,
    /// Ends the call.
    pub(super) end: &'static str,
    /// What a model writes between a mark and a value.
    pub(super) space: &'static str,
}

const NONE: &[&str] = &[];

/// The marks of channels that mean nothing by themselves.
const CHANNEL_ENDS: &[&str] = &["<|end|>", "<|return|>", "<|call|>"];

/// Returns the marks of a dialect.
pub(super) fn syntax(dialect: Dialect) -> Syntax {
    let json = |opens, ignored| Syntax { opens, ignored, after: NONE, body: Body::Json, is_bare: false };
    let named = |opens, ends, ignored, after| Syntax { opens, ignored, after, body: Body::Named(ends), is_bare: false };
    let with = |opens, ignored, marks| Syntax { body: Body::Parameters(marks), ..json(opens, ignored) };
    match dialect {
        Dialect::Hermes => json(&["<tool_call>"], &["</tool_call>"]),
        Dialect::Llama3 => Syntax { after: &["```", ";"], is_bare: true, ..json(&["<|python_tag|>"], NONE) },
        Dialect::Generic => Syntax { after: &["```", ";"], is_bare: true, ..json(NONE, NONE) },
        Dialect::Mistral | Dialect::MistralNamed => named(&["[TOOL_CALLS]"], &["[CALL_ID]", "[ARGS]"], NONE, NONE),
        Dialect::Phi4 => json(&["<|tool_call|>"], &["<|/tool_call|>"]),
        Dialect::Nemotron => json(&["<TOOLCALL>"], &["</TOOLCALL>"]),
        Dialect::Apriel => json(&["<tool_calls>"], &["</tool_calls>"]),
        Dialect::Apertus => Syntax { body: Body::NameIsField, ..json(&["<|tools_prefix|>"], &["<|tools_suffix|>"]) },
        Dialect::Cohere => json(
            &["<|START_ACTION|>"],
            &["<|END_ACTION|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
        ),
        Dialect::CommandR => Syntax { after: &["```"], ..json(&["Action:\n```json\n", "Action: ```json\n"], NONE) },
        Dialect::FireFunction => json(&[" functools", "functools["], NONE),
        Dialect::GigaChat => json(
            &["<|function_call|>", "<|message_sep|>\n\nfunction call<|role_sep|>", "function call<|role_sep|>"],
            NONE,
        ),
        Dialect::DeepSeek | Dialect::DeepSeekR1 => named(
            &["<｜tool▁call▁begin｜>"],
            &["<｜tool▁sep｜>"],
            &["<｜tool▁calls▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"],
            &["```"],
        ),
        Dialect::Kimi => named(
            &["<|tool_call_begin|>"],
            &["<|tool_call_argument_begin|>"],
            &["<|tool_calls_section_begin|>", "<|tool_call_end|>", "<|tool_calls_section_end|>"],
            NONE,
        ),
        Dialect::Solar => named(
            &["<|tool_call:begin|>"],
            &["<|tool_call:args|>"],
            &["<|tool_calls|>", "<|tool_call:end|>", "<|calls|>"],
            NONE,
        ),
        Dialect::Functionary => named(&["<function="], &[">"], &["</function>"], NONE),
        Dialect::Harmony => Syntax { body: Body::Header, ..json(&["<|start|>", "<|channel|>"], CHANNEL_ENDS) },
        Dialect::Gemma => Syntax { body: Body::Gemma("<tool_call|>"), ..json(&["<|tool_call>"], &["<tool_call|>"]) },
        Dialect::Lfm => {
            Syntax { body: Body::Python("<|tool_call_end|>"), ..json(&["<|tool_call_start|>"], &["<|tool_call_end|>"]) }
        }
        Dialect::Qwen3Coder => with(&["<function="], CODER_IGNORED, CODER),
        Dialect::Glm => with(&["<tool_call>"], NONE, GLM),
        Dialect::DeepSeekMarkup => with(&["<｜DSML｜invoke name=\""], MARKUP_IGNORED, MARKUP),
        Dialect::MiniMax => with(&["<invoke name=\""], &["<minimax:tool_call>", "</minimax:tool_call>"], MINIMAX),
        Dialect::MiniCpm => with(&["<function name=\""], NONE, MINICPM),
    }
}

const CODER: Parameters = Parameters {
    name_end: ">",
    key: "<parameter=",
    key_end: ">",
    value: "",
    value_end: "</parameter>",
    end: "</function>",
    space: "\n",
};
const GLM: Parameters = Parameters {
    name_end: "\n",
    key: "<arg_key>",
    key_end: "</arg_key>",
    value: "<arg_value>",
    value_end: "</arg_value>",
    end: "</tool_call>",
    space: "",
};
const MARKUP: Parameters = Parameters {
    name_end: "\">",
    key: "<｜DSML｜parameter name=\"",
    key_end: ">",
    value: "",
    value_end: "</｜DSML｜parameter>",
    end: "</｜DSML｜invoke>",
    space: "",
};
const MINIMAX: Parameters = Parameters {
    name_end: "\">",
    key: "<parameter name=\"",
    key_end: "\">",
    value: "",
    value_end: "</parameter>",
    end: "</invoke>",
    space: "",
};
const MINICPM: Parameters = Parameters { key: "<param name=\"", value_end: "</param>", end: "</function>", ..MINIMAX };

/// Marks around calls with parameters, under the names that versions of the models have for them.
const CODER_IGNORED: &[&str] = &["<tool_call>", "</tool_call>", "<seed:tool_call>", "</seed:tool_call>"];
const MARKUP_IGNORED: &[&str] =
    &["<｜DSML｜function_calls>", "</｜DSML｜function_calls>", "<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>"];

/// Returns what stands around calls whose arguments are JSON.
pub(super) fn envelope(dialect: Dialect) -> Option<Envelope> {
    of_objects(dialect).or_else(|| of_names(dialect))
}

/// Of calls that are objects.
fn of_objects(dialect: Dialect) -> Option<Envelope> {
    let usual = Envelope {
        begin: "",
        before: "{\"name\": \"",
        between: "\", \"arguments\": ",
        after: "}",
        separator: None,
        end: "",
    };
    let list = |begin, end| Envelope { begin, separator: Some(", "), end, ..usual };
    Some(match dialect {
        Dialect::Hermes => {
            Envelope { before: "<tool_call>\n{\"name\": \"", after: "}\n</tool_call>", separator: Some("\n"), ..usual }
        }
        Dialect::Llama3 => Envelope { between: "\", \"parameters\": ", ..usual },
        Dialect::Generic => usual,
        Dialect::GigaChat => Envelope { begin: "<|function_call|>", ..usual },
        Dialect::Mistral => list("[TOOL_CALLS][", "]"),
        Dialect::Phi4 => list("<|tool_call|>[", "]"),
        Dialect::Nemotron => list("<TOOLCALL>[", "]</TOOLCALL>"),
        Dialect::Apriel => list("<tool_calls>[", "]</tool_calls>"),
        Dialect::FireFunction => list(" functools[", "]"),
        Dialect::Apertus => {
            Envelope { before: "{\"", between: "\": ", ..list("<|tools_prefix|>[", "]<|tools_suffix|>") }
        }
        Dialect::Cohere => Envelope {
            before: "    {\"tool_call_id\": \"#\", \"tool_name\": \"",
            between: "\", \"parameters\": ",
            separator: Some(",\n"),
            ..list("<|START_ACTION|>[\n", "\n]<|END_ACTION|>")
        },
        Dialect::CommandR => Envelope {
            before: "    {\n        \"tool_name\": \"",
            between: "\",\n        \"parameters\": ",
            after: "\n    }",
            separator: Some(",\n"),
            ..list("Action:\n```json\n[\n", "\n]```")
        },
        _ => return None,
    })
}

/// Of calls that are a name and an object.
fn of_names(dialect: Dialect) -> Option<Envelope> {
    let of = |begin, before, between, after, end| Envelope { begin, before, between, after, separator: Some(""), end };
    Some(match dialect {
        Dialect::MistralNamed => of("", "[TOOL_CALLS]", "[ARGS]", "", ""),
        Dialect::Functionary => of("", "<function=", ">", "</function>", ""),
        Dialect::DeepSeek => of(
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜>",
            "<｜tool▁calls▁end｜>",
        ),
        Dialect::DeepSeekR1 => Envelope {
            before: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
            between: "\n```json\n",
            after: "\n```<｜tool▁call▁end｜>",
            separator: Some("\n"),
            ..of_names(Dialect::DeepSeek)?
        },
        Dialect::Kimi => of(
            "<|tool_calls_section_begin|>",
            "<|tool_call_begin|>functions.",
            ":#<|tool_call_argument_begin|>",
            "<|tool_call_end|>",
            "<|tool_calls_section_end|>",
        ),
        Dialect::Solar => of(
            "<|tool_calls|>",
            "<|tool_call:begin|>#<|tool_call:name|>",
            "<|tool_call:args|>",
            "<|tool_call:end|>",
            "<|calls|>",
        ),
        Dialect::Harmony => Envelope {
            separator: None,
            ..of("", "<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "", "")
        },
        _ => return None,
    })
}
