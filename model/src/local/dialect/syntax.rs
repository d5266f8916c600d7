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
        Dialect::Qwen3Coder | Dialect::Glm | Dialect::DeepSeekMarkup | Dialect::MiniMax | Dialect::MiniCpm => {
            with_parameters(dialect)
        }
    }
}

fn with_parameters(dialect: Dialect) -> Syntax {
    let (opens, ignored, parameters): (&'static [&'static str], &'static [&'static str], _) = match dialect {
        Dialect::Glm => {
            let parameters = Parameters {
                name_end: "\n",
                key: "<arg_key>",
                key_end: "</arg_key>",
                value: "<arg_value>",
                value_end: "</arg_value>",
                end: "</tool_call>",
                space: "",
            };
            (&["<tool_call>"], NONE, parameters)
        }
        Dialect::DeepSeekMarkup => {
            let parameters = Parameters {
                name_end: "\">",
                key: "<｜DSML｜parameter name=\"",
                key_end: ">",
                value: "",
                value_end: "</｜DSML｜parameter>",
                end: "</｜DSML｜invoke>",
                space: "",
            };
            let ignored = &[
                "<｜DSML｜function_calls>",
                "</｜DSML｜function_calls>",
                "<｜DSML｜tool_calls>",
                "</｜DSML｜tool_calls>",
            ];
            (&["<｜DSML｜invoke name=\""], ignored, parameters)
        }
        Dialect::MiniMax => {
            let parameters = Parameters {
                name_end: "\">",
                key: "<parameter name=\"",
                key_end: "\">",
                value: "",
                value_end: "</parameter>",
                end: "</invoke>",
                space: "",
            };
            (&["<invoke name=\""], &["<minimax:tool_call>", "</minimax:tool_call>"], parameters)
        }
        Dialect::MiniCpm => {
            let parameters = Parameters {
                name_end: "\">",
                key: "<param name=\"",
                key_end: "\">",
                value: "",
                value_end: "</param>",
                end: "</function>",
                space: "",
            };
            (&["<function name=\""], NONE, parameters)
        }
        _ => {
            let parameters = Parameters {
                name_end: ">",
                key: "<parameter=",
                key_end: ">",
                value: "",
                value_end: "</parameter>",
                end: "</function>",
                space: "\n",
            };
            let ignored = &["<tool_call>", "</tool_call>", "<seed:tool_call>", "</seed:tool_call>"];
            (&["<function="], ignored, parameters)
        }
    };
    Syntax { opens, ignored, after: NONE, body: Body::Parameters(parameters), is_bare: false }
}

/// Returns what stands around calls whose arguments are JSON.
pub(super) fn envelope(dialect: Dialect) -> Option<Envelope> {
    let of = |begin, before, between, after, separator, end| {
        Some(Envelope { begin, before, between, after, separator, end })
    };
    let arguments = "\", \"arguments\": ";
    let list = |begin, end| of(begin, "{\"name\": \"", arguments, "}", Some(", "), end);
    match dialect {
        Dialect::Hermes => of("", "<tool_call>\n{\"name\": \"", arguments, "}\n</tool_call>", Some("\n"), ""),
        Dialect::Llama3 => of("", "{\"name\": \"", "\", \"parameters\": ", "}", None, ""),
        Dialect::Generic => of("", "{\"name\": \"", arguments, "}", None, ""),
        Dialect::Mistral => list("[TOOL_CALLS][", "]"),
        Dialect::MistralNamed => of("", "[TOOL_CALLS]", "[ARGS]", "", Some(""), ""),
        Dialect::Phi4 => list("<|tool_call|>[", "]"),
        Dialect::Nemotron => list("<TOOLCALL>[", "]</TOOLCALL>"),
        Dialect::Apriel => list("<tool_calls>[", "]</tool_calls>"),
        Dialect::FireFunction => list(" functools[", "]"),
        Dialect::Apertus => of("<|tools_prefix|>[", "{\"", "\": ", "}", Some(", "), "]<|tools_suffix|>"),
        Dialect::Cohere => of(
            "<|START_ACTION|>[\n",
            "    {\"tool_call_id\": \"#\", \"tool_name\": \"",
            "\", \"parameters\": ",
            "}",
            Some(",\n"),
            "\n]<|END_ACTION|>",
        ),
        Dialect::CommandR => of(
            "Action:\n```json\n[\n",
            "    {\n        \"tool_name\": \"",
            "\",\n        \"parameters\": ",
            "\n    }",
            Some(",\n"),
            "\n]```",
        ),
        Dialect::GigaChat => of("<|function_call|>", "{\"name\": \"", arguments, "}", None, ""),
        Dialect::DeepSeek => of(
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>",
            "<｜tool▁sep｜>",
            "<｜tool▁call▁end｜>",
            Some(""),
            "<｜tool▁calls▁end｜>",
        ),
        Dialect::DeepSeekR1 => of(
            "<｜tool▁calls▁begin｜>",
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
            "\n```json\n",
            "\n```<｜tool▁call▁end｜>",
            Some("\n"),
            "<｜tool▁calls▁end｜>",
        ),
        Dialect::Kimi => of(
            "<|tool_calls_section_begin|>",
            "<|tool_call_begin|>functions.",
            ":#<|tool_call_argument_begin|>",
            "<|tool_call_end|>",
            Some(""),
            "<|tool_calls_section_end|>",
        ),
        Dialect::Solar => of(
            "<|tool_calls|>",
            "<|tool_call:begin|>#<|tool_call:name|>",
            "<|tool_call:args|>",
            "<|tool_call:end|>",
            Some(""),
            "<|calls|>",
        ),
        Dialect::Functionary => of("", "<function=", ">", "</function>", Some(""), ""),
        Dialect::Harmony => {
            of("", "<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "", None, "")
        }
        Dialect::Qwen3Coder
        | Dialect::Glm
        | Dialect::DeepSeekMarkup
        | Dialect::MiniMax
        | Dialect::MiniCpm
        | Dialect::Gemma
        | Dialect::Lfm => None,
    }
}
