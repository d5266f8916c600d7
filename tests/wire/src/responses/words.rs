//! What OpenAI says when a request is at fault, for both of its formats.

use serde_json::{Value, json};

use crate::ask::{Ask, Tool};
use crate::failure::{Failure, Invalid, Reply};
use crate::shape::{Problem, Wrong, not_strict};
use crate::state::State;

/// The body of an error.
pub(crate) fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

/// Says a failure that both formats say alike.
pub(crate) fn failure(failure: &Failure, state: &State) -> Reply {
    const INVALID: &str = "invalid_request_error";
    let reply = match failure {
        Failure::NoKey => {
            let message = "You didn't provide an API key. You need to provide your API key in an Authorization header \
                           using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
            Reply::new(401, error(message, INVALID, None, None))
        }
        Failure::WrongKey(key) => {
            let message = format!(
                "Incorrect API key provided: {}. You can find your API key at \
                 https://platform.openai.com/account/api-keys.",
                masked(key)
            );
            Reply::new(401, error(&message, INVALID, None, Some("invalid_api_key")))
        }
        Failure::ExpiredKey => {
            let message = "Your API key has expired. Please create a new one.";
            Reply::new(401, error(message, INVALID, None, Some("expired_api_key")))
        }
        Failure::NoJson => {
            let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using \
                           your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was \
                           not valid JSON.)";
            Reply::new(400, error(message, INVALID, None, None))
        }
        Failure::Field(problem) => {
            let (message, code) = field(problem);
            Reply::new(400, error(&message, INVALID, Some(&problem.path), Some(code)))
        }
        Failure::Invalid(Invalid { message, param, code }) => {
            Reply::new(400, error(message, INVALID, param.as_deref(), *code))
        }
        Failure::TooLong { tokens, limit } => {
            let message = format!(
                "This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} \
                 tokens. Please reduce the length of the messages."
            );
            Reply::new(400, error(&message, INVALID, Some("messages"), Some("context_length_exceeded")))
        }
        other => busy(other, state),
    };
    reply.header("x-request-id", state.id("req_"))
}

/// Says why the request, which was right, is not answered now.
fn busy(failure: &Failure, state: &State) -> Reply {
    match failure {
        Failure::RateLimited { says_when } => {
            let message = "Rate limit reached for requests. Please try again later.";
            let body = error(message, "requests", None, Some("rate_limit_exceeded"));
            let reply = Reply::new(429, body).header("x-ratelimit-remaining-requests", "0");
            if *says_when { reply.header("retry-after", &state.settings.retry_after) } else { reply }
        }
        Failure::Quota => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            Reply::new(429, error(message, "insufficient_quota", None, Some("insufficient_quota")))
        }
        Failure::Overloaded => {
            let message = "The engine is currently overloaded, please try again later";
            Reply::new(503, error(message, "service_unavailable", None, Some("slow_down")))
        }
        _ => {
            let message = "The server had an error while processing your request. Sorry about that!";
            Reply::new(500, error(message, "server_error", None, None))
        }
    }
}

/// Hides the middle of a key, as the provider does.
fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() <= 12 {
        return "*".repeat(chars.len());
    }
    let part = |range: &[char]| range.iter().collect::<String>();
    format!("{}{}{}", part(&chars[..8]), "*".repeat(chars.len() - 12), part(&chars[chars.len() - 4..]))
}

fn field(problem: &Problem) -> (String, &'static str) {
    let path = &problem.path;
    match &problem.what {
        Wrong::Missing => (format!("Missing required parameter: '{path}'."), "missing_required_parameter"),
        Wrong::Unknown => (format!("Unknown parameter: '{path}'."), "unknown_parameter"),
        Wrong::Type { expected, found } => {
            (format!("Invalid type for '{path}': expected {expected}, but got {found} instead."), "invalid_type")
        }
        Wrong::Below { least, found, is_whole: false } => {
            let message = format!(
                "Invalid '{path}': decimal below minimum value. Expected a value >= {least}, but got \
                                   {found} instead."
            );
            (message, "decimal_below_min_value")
        }
        Wrong::Below { least, found, is_whole: true } => {
            let message = format!(
                "Invalid '{path}': integer below minimum value. Expected a value >= {least}, but got \
                                   {found} instead."
            );
            (message, "integer_below_min_value")
        }
        Wrong::Above { most, found } => {
            let message = format!(
                "Invalid '{path}': decimal above maximum value. Expected a value <= {most}, but got \
                                   {found} instead."
            );
            (message, "decimal_above_max_value")
        }
        Wrong::Value { found, supported } => (unsupported(found, supported), "invalid_value"),
    }
}

fn unsupported(found: &str, supported: &[&str]) -> String {
    let quoted: Vec<_> = supported.iter().map(|value| format!("'{value}'")).collect();
    let list = match quoted.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{}, and {last}", all.join(", ")),
        _ => quoted.join(""),
    };
    format!("Invalid value: '{found}'. Supported values are: {list}.")
}

pub(crate) fn missing(path: &str) -> Failure {
    Problem { path: path.to_owned(), what: Wrong::Missing }.into()
}

/// A part whose `type` is not one of those that may stand there.
pub(crate) fn bad_part(found: &str, supported: &[&'static str], at: &str) -> Failure {
    let path = format!("{at}.type");
    if found.is_empty() {
        return missing(&path);
    }
    Problem { path, what: Wrong::Value { found: found.to_owned(), supported: supported.to_vec() } }.into()
}

/// Names of tools are letters, digits, `_` and `-`.
pub(crate) fn tool_name(name: &str, at: &str) -> Result<(), Failure> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!(
        "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Err(Failure::coded(message, at, "invalid_value"))
}

/// Compares the schema of a strict tool with the rules.
pub(crate) fn strict_function(name: &str, schema: &Value, at: &str) -> Result<(), Failure> {
    let Some(fault) = not_strict(schema) else { return Ok(()) };
    let message = format!("Invalid schema for function '{name}': {fault}");
    Err(Failure::coded(message, at, "invalid_function_parameters"))
}

/// Takes away the tools that the choice forbids.
pub(crate) fn choose(choice: &Value, name: Option<&str>, ask: &mut Ask) -> Result<(), Failure> {
    match (choice.as_str(), name) {
        (Some("none"), _) => ask.tools.clear(),
        (Some("auto" | "required"), _) | (None, None) => {}
        (Some(other), _) => {
            let what = Wrong::Value { found: other.to_owned(), supported: vec!["none", "auto", "required"] };
            return Err(Problem { path: "tool_choice".to_owned(), what }.into());
        }
        (None, Some(name)) => {
            let chosen: Vec<Tool> = ask.tools.iter().filter(|tool| tool.name == name).cloned().collect();
            if chosen.is_empty() {
                let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
                return Err(Failure::coded(message, "tool_choice", "invalid_value"));
            }
            ask.tools = chosen;
        }
    }
    Ok(())
}

/// An answer in JSON without a schema is given only to those who ask for it in words, too.
pub(crate) fn says_json(messages: &Value, param: &str, format: &str) -> Result<(), Failure> {
    if messages.to_string().to_ascii_lowercase().contains("json") {
        return Ok(());
    }
    let message =
        format!("'{param}' must contain the word 'json' in some form, to use '{format}' of type 'json_object'.");
    let param = Some(param.to_owned());
    Err(Failure::Invalid(Invalid { message, param, code: None }))
}
