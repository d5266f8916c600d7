//! Tools made of async functions. The type of the arguments gives the schema, and its documentation the description.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Access, Tool, ToolCx, ToolError, ToolLimits, ToolOutput};
use crate::request::ToolSpec;
use crate::retry::Retry;

type Called = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send>>;

/// A tool made of an async function.
#[derive(Clone)]
pub struct FunctionTool {
    spec: Arc<ToolSpec>,
    access: Access,
    limits: ToolLimits,
    call: Arc<dyn Fn(ToolCx, Value) -> Called + Send + Sync>,
}

/// What can be made a tool: `async fn(Arguments) -> Result<Answer, ToolError>`, the same with a [`ToolCx`] before the
/// arguments, or a [`FunctionTool`] with settings. `M` tells them apart and is never written.
pub trait IntoTool<M> {
    /// Makes a tool of this name.
    fn into_tool(self, name: &str) -> FunctionTool;
}

/// Marks a function of its arguments.
#[derive(Debug)]
pub struct OfArguments<A>(PhantomData<A>);
/// Marks a function of a context and its arguments.
#[derive(Debug)]
pub struct OfContext<A>(PhantomData<A>);

impl<F, Fut, A, R> IntoTool<OfArguments<A>> for F
where
    F: Fn(A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    A: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize + Send + 'static,
{
    fn into_tool(self, name: &str) -> FunctionTool {
        FunctionTool::new(name, move |_, arguments| self(arguments))
    }
}

impl<F, Fut, A, R> IntoTool<OfContext<A>> for F
where
    F: Fn(ToolCx, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    A: DeserializeOwned + JsonSchema + Send + 'static,
    R: Serialize + Send + 'static,
{
    fn into_tool(self, name: &str) -> FunctionTool {
        FunctionTool::new(name, self)
    }
}

impl IntoTool<Self> for FunctionTool {
    fn into_tool(mut self, name: &str) -> FunctionTool {
        name.clone_into(&mut Arc::make_mut(&mut self.spec).name);
        self
    }
}

/// Makes a tool of an async function, to give it settings.
///
/// ```
/// use lorewell_model::{Access, ToolError, tool};
///
/// /// Deletes a note.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Delete { /** Its title. */ title: String }
/// async fn delete(note: Delete) -> Result<String, ToolError> {
///     Ok(format!("deleted {}", note.title))
/// }
///
/// let delete = tool(delete).access(Access::WRITE);
/// ```
pub fn tool<M>(function: impl IntoTool<M>) -> FunctionTool {
    function.into_tool("tool")
}

impl FunctionTool {
    fn new<F, Fut, A, R>(name: &str, function: F) -> Self
    where
        F: Fn(ToolCx, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + Send + 'static,
    {
        let function = Arc::new(function);
        let call = move |cx: ToolCx, arguments: Value| -> Called {
            let function = function.clone();
            Box::pin(async move {
                let read = serde_json::from_value(arguments);
                let arguments = read.map_err(|error| ToolError::retry(format!("the arguments do not fit: {error}")))?;
                ToolOutput::of(function(cx, arguments).await?)
            })
        };
        let mut parameters = schemars::schema_for!(A).to_value();
        let description = parameters.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Value::Object(fields) = &mut parameters {
            // The model reads the description beside the schema, and has no use for the rest.
            for field in ["$schema", "title", "description"] {
                fields.remove(field);
            }
            fields.entry("type").or_insert_with(|| "object".into());
            fields.entry("properties").or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        let spec = Arc::new(ToolSpec::new(name, description, parameters));
        Self { spec, access: Access::NONE, limits: ToolLimits::default(), call: Arc::new(call) }
    }

    /// Says what it does, for the model; the documentation of the arguments' type unless said.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.spec).description = description.into();
        self
    }

    /// Declares what it may touch.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets how long one attempt may take; [`TOOL_TIMEOUT`](super::TOOL_TIMEOUT) unless said.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = limit;
        self
    }

    /// Sets how much text the model gets; [`TOOL_OUTPUT_BYTES_MAX`](super::TOOL_OUTPUT_BYTES_MAX) unless said.
    #[must_use]
    pub fn output_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.output_bytes_max = bytes;
        self
    }

    /// Tries again when it fails in a way that may pass.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.limits.retry = Some(retry);
        self
    }
}

#[async_trait]
impl Tool for FunctionTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn access(&self) -> Access {
        self.access
    }

    fn limits(&self) -> ToolLimits {
        self.limits
    }

    async fn call(&self, cx: ToolCx, arguments: Value) -> Result<ToolOutput, ToolError> {
        (self.call)(cx, arguments).await
    }
}

impl std::fmt::Debug for FunctionTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionTool").field("spec", &self.spec).field("access", &self.access).finish_non_exhaustive()
    }
}
