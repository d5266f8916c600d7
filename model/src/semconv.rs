//! The names by which spans tell what happened. Those of OpenTelemetry's conventions for generative AI still change, so all that are
//! used stand here, and nowhere else. What the conventions have no name for begins with `lorewell.`.

/// The schema of the conventions that these names are taken from.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev";
/// The commit of `open-telemetry/semantic-conventions-genai` that they were read at: it has no releases yet.
pub const COMMIT: &str = "024a4f944a1291fcb627c9c47da69e79868dd15e";

/// What a span does: one of [`operation`].
pub const OPERATION_NAME: &str = "gen_ai.operation.name";
/// Who serves the model: [`provider`].
pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
/// The thread or session that the conversation is kept in.
pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// The name of an agent.
pub const AGENT_NAME: &str = "gen_ai.agent.name";

/// The model that was asked.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// How freely tokens are drawn.
pub const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
/// From how much probability tokens are drawn.
pub const REQUEST_TOP_P: &str = "gen_ai.request.top_p";
/// From how many tokens one is drawn.
pub const REQUEST_TOP_K: &str = "gen_ai.request.top_k";
/// The most tokens of an answer.
pub const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
/// What the draws begin with.
pub const REQUEST_SEED: &str = "gen_ai.request.seed";
/// Whether the answer comes in pieces.
pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
/// What kind of answer was asked for: `text` or `json`.
pub const OUTPUT_TYPE: &str = "gen_ai.output.type";

/// What the provider calls the answer.
pub const RESPONSE_ID: &str = "gen_ai.response.id";
/// The model that answered.
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Why the answer ended: a list in JSON.
pub const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Seconds until the first piece of the answer.
pub const RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";

/// Tokens of the request, cached ones included.
pub const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Of them, read from the provider's cache.
pub const USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Of them, written to the provider's cache.
pub const USAGE_CACHE_WRITE_INPUT_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
/// Tokens of the answer, those of reasoning included.
pub const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Of them, of reasoning.
pub const USAGE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";

/// The name of a tool.
pub const TOOL_NAME: &str = "gen_ai.tool.name";
/// What kind of tool it is: `function`.
pub const TOOL_TYPE: &str = "gen_ai.tool.type";
/// What it is for.
pub const TOOL_DESCRIPTION: &str = "gen_ai.tool.description";
/// The call of the model that it answers.
pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";

/// Components of a vector.
pub const EMBEDDINGS_DIMENSION_COUNT: &str = "gen_ai.embeddings.dimension.count";
/// What is searched.
pub const DATA_SOURCE_ID: &str = "gen_ai.data_source.id";
/// How many hits are wanted.
pub const RETRIEVAL_TOP_K: &str = "gen_ai.retrieval.top_k";

/// Content: what the model is told to be, in JSON.
pub const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
/// Content: the conversation that the model was given, in JSON.
pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
/// Content: what it said, in JSON.
pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
/// Content: what a tool was given, in JSON.
pub const TOOL_CALL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
/// Content: what it answered.
pub const TOOL_CALL_RESULT: &str = "gen_ai.tool.call.result";
/// Content: the question of a search.
pub const RETRIEVAL_QUERY_TEXT: &str = "gen_ai.retrieval.query.text";
/// Content: what a search found, in JSON.
pub const RETRIEVAL_DOCUMENTS: &str = "gen_ai.retrieval.documents";

/// The class of an error: a [`Kind`](crate::Kind) in snake case.
pub const ERROR_TYPE: &str = "error.type";

/// Where in its graph a node is: the path of the graph and the name of the node.
pub const GRAPH_NODE_ID: &str = "graph.node.id";
/// The name of a node.
pub const GRAPH_NODE_NAME: &str = "graph.node.name";
/// The path of the graph that the node is in; not there in the outermost graph.
pub const GRAPH_NODE_PARENT_ID: &str = "graph.node.parent_id";

/// US dollars, where the price is known.
pub const COST_USD: &str = "lorewell.usage.cost_usd";
/// How many texts were embedded.
pub const EMBEDDINGS_TEXTS: &str = "lorewell.embeddings.texts";
/// How many hits a search had.
pub const RETRIEVAL_HITS: &str = "lorewell.retrieval.hits";
/// How a run or a task ended that did not fail: `done` or `paused`.
pub const OUTCOME: &str = "lorewell.outcome";
/// The superstep of a task.
pub const SUPERSTEP: &str = "lorewell.graph.superstep";
/// Which attempt of a task it is, from 1.
pub const ATTEMPT: &str = "lorewell.graph.attempt";

/// What `tracing-opentelemetry` and the trace store take as the name of a span.
pub const SPAN_NAME: &str = "otel.name";
/// What they take as its kind: `client` or `internal`.
pub const SPAN_KIND: &str = "otel.kind";
/// What they take as its status: `ERROR`, or nothing.
pub const SPAN_STATUS: &str = "otel.status_code";
/// What they take as the words of its status.
pub const SPAN_STATUS_DESCRIPTION: &str = "otel.status_description";

/// What a span does.
pub mod operation {
    /// A model answers.
    pub const CHAT: &str = "chat";
    /// Texts become vectors.
    pub const EMBEDDINGS: &str = "embeddings";
    /// An index is searched.
    pub const RETRIEVAL: &str = "retrieval";
    /// An agent works on one turn.
    pub const INVOKE_AGENT: &str = "invoke_agent";
    /// A graph runs.
    pub const INVOKE_WORKFLOW: &str = "invoke_workflow";
    /// A tool is called.
    pub const EXECUTE_TOOL: &str = "execute_tool";
}

/// Returns what the conventions call a provider: `gcp.gemini` for `gemini`. One that they do not know keeps its name.
///
/// ```
/// use lorewell_model::semconv::provider;
///
/// assert_eq!(provider("gemini"), "gcp.gemini");
/// assert_eq!(provider("ollama"), "ollama");
/// ```
#[must_use]
pub fn provider(name: &str) -> &str {
    match name {
        "openai-chat" => "openai",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        _ => name,
    }
}
