//! What Gemini says when something failed.

use serde_json::{Value, json};

use crate::failure::{Failure, Reply};
use crate::shape::{Problem, Wrong};
use crate::state::State;

pub(super) fn error(code: u16, status: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "status": status}})
}

/// Says a failure; `verb` is what was wanted of the model.
pub(crate) fn failure(failure: &Failure, verb: &str, state: &State) -> Reply {
    let invalid = |message: &str| Reply::new(400, error(400, "INVALID_ARGUMENT", message));
    match failure {
        Failure::NoKey => {
            let message = "Method doesn't allow unregistered callers (callers without established identity). Please \
                           use API Key or other form of API consumer identity to call this API.";
            Reply::new(403, error(403, "PERMISSION_DENIED", message))
        }
        Failure::WrongKey(_) => key("API key not valid. Please pass a valid API key."),
        Failure::ExpiredKey => key("API key expired. Please renew the API key."),
        Failure::NoJson => invalid("Invalid JSON payload received. Unexpected token."),
        Failure::Field(problem) => field(problem),
        Failure::Invalid(fault) => invalid(&fault.message),
        Failure::UnknownModel(model) => {
            let message = format!(
                "models/{model} is not found for API version v1beta, or is not supported for {verb}. Call \
                 ModelService.ListModels to see the list of available models and their supported methods."
            );
            Reply::new(404, error(404, "NOT_FOUND", &message))
        }
        Failure::RateLimited { says_when } => limited(*says_when, "GenerateRequestsPerMinutePerProject", state),
        Failure::Quota => limited(false, "GenerateRequestsPerDayPerProject", state),
        Failure::Internal => Reply::new(500, error(500, "INTERNAL", "An internal error has occurred. Please retry.")),
        Failure::Overloaded => {
            Reply::new(503, error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."))
        }
        Failure::TooLong { tokens, limit } => invalid(&format!(
            "The input token count ({tokens}) exceeds the maximum number of tokens allowed ({limit})."
        )),
    }
}

fn key(message: &str) -> Reply {
    let mut body = error(400, "INVALID_ARGUMENT", message);
    body["error"]["details"] = json!([
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
         "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}},
        {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message},
    ]);
    Reply::new(400, body)
}

/// The wait stands in the body, as the provider has it, and in a header, too.
fn limited(says_when: bool, quota: &str, state: &State) -> Reply {
    let message = "You exceeded your current quota, please check your plan and billing details.";
    let mut body = error(429, "RESOURCE_EXHAUSTED", message);
    let violation = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                           "violations": [{"quotaId": quota}]});
    if !says_when {
        body["error"]["details"] = json!([violation]);
        return Reply::new(429, body);
    }
    let wait = &state.settings.retry_after;
    let delay = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{wait}s")});
    body["error"]["details"] = json!([violation, delay]);
    Reply::new(429, body).header("retry-after", wait)
}

fn field(Problem { path, what }: &Problem) -> Reply {
    let message = match what {
        Wrong::Missing => format!("* GenerateContentRequest.{path}: {path} is not specified\n"),
        Wrong::Unknown => {
            let (at, name) = path.rsplit_once('.').unwrap_or(("", path));
            return violation(name, at);
        }
        Wrong::Type { expected, .. } => format!("Invalid value at '{path}', expected {expected}"),
        Wrong::Below { least, found, .. } => {
            format!("* GenerateContentRequest.{path}: must be >= {least}, got {found}\n")
        }
        Wrong::Above { most, found } => format!("* GenerateContentRequest.{path}: must be <= {most}, got {found}\n"),
        Wrong::Value { found, .. } => format!("Invalid value at '{path}' (TYPE_ENUM), \"{found}\""),
    };
    Reply::new(400, error(400, "INVALID_ARGUMENT", &message))
}

fn violation(name: &str, at: &str) -> Reply {
    let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
    let message = format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
    let mut body = error(400, "INVALID_ARGUMENT", &message);
    let detail = json!({"field": at, "description": message});
    body["error"]["details"] =
        json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [detail]}]);
    Reply::new(400, body)
}

pub(super) fn unknown(name: &str, at: &str) -> Failure {
    let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    Problem { path, what: Wrong::Unknown }.into()
}
