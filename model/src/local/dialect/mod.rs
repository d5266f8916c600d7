//! How families of models write calls of tools: what stands before a call, in it and after it. A [`Reader`] makes events of
//! it; a grammar holds a model to it.

mod grammar;
mod json;
mod literal;
mod named;
mod parameters;
mod reader;
mod say;
mod syntax;
#[cfg(test)]
mod tests;
mod write;

pub use reader::Reader;

use crate::request::{Request, ToolChoice, ToolSpec};
use crate::think::THOUGHTS;

/// How a family of models writes calls of tools. Thoughts are found in all of them, at the beginning of an answer and after
/// calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`: Qwen 2.5 and 3, Hermes, Granite 4, SmolLM3, MiMo, Bielik, Reka.
    Hermes,
    /// `{"name": …, "parameters": …}` as the whole answer, perhaps after `<|python_tag|>`: Llama 3.
    Llama3,
    /// `[TOOL_CALLS][{"name": …, "arguments": …}]`: Mistral up to Nemo.
    Mistral,
    /// `[TOOL_CALLS]name[ARGS]{…}`: newer ones of Mistral.
    MistralNamed,
    /// `<function=name><parameter=x>…</parameter></function>`: Qwen3-Coder and 3.5, Nemotron 3, Step, Seed-OSS.
    Qwen3Coder,
    /// `<tool_call>name<arg_key>x</arg_key><arg_value>…</arg_value></tool_call>`: GLM 4.6, Ling 3, Spark, Laguna.
    Glm,
    /// `<｜tool▁call▁begin｜>name<｜tool▁sep｜>{…}<｜tool▁call▁end｜>`: DeepSeek V3.1.
    DeepSeek,
    /// The same with a type and a fence around the arguments: DeepSeek R1 and V3.
    DeepSeekR1,
    /// `<｜DSML｜invoke name="…"><｜DSML｜parameter name="x" string="true">…`: DeepSeek V3.2 and V4.
    DeepSeekMarkup,
    /// `<invoke name="…"><parameter name="x">…</parameter></invoke>`: MiniMax M2.
    MiniMax,
    /// `<function name="…"><param name="x">…</param></function>`: MiniCPM 5.
    MiniCpm,
    /// `<|tool_call>call:name{x:<|"|>…<|"|>}<tool_call|>`: Gemma 4.
    Gemma,
    /// `<|tool_call_start|>[name(x="…")]<|tool_call_end|>`: LFM 2.
    Lfm,
    /// `<|tool_call|>[{"name": …, "arguments": …}]`: Phi 4 mini, Granite 3.
    Phi4,
    /// `<TOOLCALL>[{…}]</TOOLCALL>`: Nemotron Nano 2.
    Nemotron,
    /// `<tool_calls>[{…}]</tool_calls>`: Apriel, MiniMax M1.
    Apriel,
    /// `<|tools_prefix|>[{"name": {…}}]<|tools_suffix|>`: Apertus.
    Apertus,
    /// `<|START_ACTION|>[{"tool_name": …, "parameters": …}]<|END_ACTION|>`: Command R7B and A.
    Cohere,
    /// `Action:` and a list in a fence: Command R+.
    CommandR,
    /// `<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}<|tool_call_end|>`: Kimi K2.
    Kimi,
    /// `<|tool_call:begin|>id<|tool_call:name|>name<|tool_call:args|>{…}<|tool_call:end|>`: Solar Open.
    Solar,
    /// `<function=name>{…}</function>`: Functionary 3.1.
    Functionary,
    /// ` functools[{…}]`: FireFunction 2.
    FireFunction,
    /// `<|function_call|>{…}`, or a message of its own: GigaChat 3.
    GigaChat,
    /// Channels and recipients: gpt-oss.
    Harmony,
    /// `{"name": …, "arguments": …}` as the whole answer, which is asked for in words where a template knows no tools.
    Generic,
}

/// What stands around the calls of a dialect whose arguments are JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// Before all calls.
    pub begin: &'static str,
    /// Before the name of a tool.
    pub before: &'static str,
    /// Between the name and the arguments.
    pub between: &'static str,
    /// After the arguments.
    pub after: &'static str,
    /// Between two calls; `None` if there can be one only.
    pub separator: Option<&'static str>,
    /// After all calls.
    pub end: &'static str,
}

impl Dialect {
    /// Finds the dialect by the marks that a chat template writes.
    #[must_use]
    pub fn of(template: &str) -> Self {
        let has = |mark: &str| template.contains(mark);
        match () {
            () if has("<|START_ACTION|>") => Self::Cohere,
            () if has("<|channel|>") && has("<|message|>") => Self::Harmony,
            () if has("｜DSML｜") => Self::DeepSeekMarkup,
            () if has("｜tool▁call▁begin｜") && has("```json") => Self::DeepSeekR1,
            () if has("｜tool▁call▁begin｜") => Self::DeepSeek,
            () if has("<|tool_call_argument_begin|>") => Self::Kimi,
            () if has("<|tool_call:name|>") => Self::Solar,
            () if has("[TOOL_CALLS]") && has("[ARGS]") => Self::MistralNamed,
            () if has("[TOOL_CALLS]") => Self::Mistral,
            () if has("<parameter=") => Self::Qwen3Coder,
            () if has("<arg_key>") => Self::Glm,
            () if has("<minimax:tool_call>") => Self::MiniMax,
            () if has("<param name=") => Self::MiniCpm,
            () if has("<|tool_call>") => Self::Gemma,
            () if has("<|tool_list_start|>") || has("<|tool_call_start|>") || has("List of tools:") => Self::Lfm,
            () if has("<|tools_prefix|>") => Self::Apertus,
            () if has("<TOOLCALL>") => Self::Nemotron,
            () if has("functools[") => Self::FireFunction,
            () if has("<|function_call|>") || (has("function call") && has("<|role_sep|>")) => Self::GigaChat,
            () if has("<|tool_call|>") => Self::Phi4,
            () if has("<function=") => Self::Functionary,
            () if has("<tool_calls>") => Self::Apriel,
            () if has("<tool_call>") => Self::Hermes,
            () if has("directly-answer") && has("Action:") => Self::CommandR,
            () if has("<|python_tag|>") || (has("<|start_header_id|>") && has("\"parameters\"")) => Self::Llama3,
            () => Self::Generic,
        }
    }

    /// Tells whether a prompt ends within thoughts, so that the answer begins there.
    #[must_use]
    pub fn starts_thinking(prompt: &str) -> bool {
        let prompt = prompt.trim_end();
        THOUGHTS.iter().any(|(open, _)| prompt.ends_with(open))
    }

    /// Begins to read an answer to a request.
    #[must_use]
    pub fn reader(self, request: &Request, starts_thinking: bool) -> Reader {
        Reader::new(self, request, starts_thinking)
    }

    /// Returns what stands around calls; `None` where arguments are no JSON.
    #[must_use]
    pub fn envelope(self) -> Option<Envelope> {
        syntax::envelope(self)
    }

    /// Writes calls as a model of this dialect would: names and arguments.
    #[must_use]
    pub fn write(self, calls: &[(&str, serde_json::Value)]) -> String {
        write::calls(self, calls)
    }

    /// Writes a grammar for llguidance that lets nothing pass but calls of the tools. `token` tells the id of a control
    /// token by its name, as a model does not spell these. `None` if the model need not call, there is no tool that it
    /// may call, or the dialect cannot be held to.
    #[must_use]
    pub fn grammar(
        self,
        tools: &[ToolSpec],
        choice: &ToolChoice,
        parallel: bool,
        token: &dyn Fn(&str) -> Option<u32>,
    ) -> Option<String> {
        grammar::grammar(self, tools, choice, parallel, token)
    }
}
