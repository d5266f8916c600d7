//! Writes calls as a model of the dialect would, for templates that have no place for them.

use serde_json::Value;

use super::Dialect;

/// Writes calls: names and arguments.
pub(super) fn calls(dialect: Dialect, calls: &[(&str, Value)]) -> String {
    match dialect.envelope() {
        Some(envelope) => {
            let call = |(place, (name, arguments)): (usize, &(&str, Value))| {
                let marks = [envelope.before, name, envelope.between].concat().replace('#', &place.to_string());
                format!("{marks}{arguments}{}", envelope.after)
            };
            let written: Vec<_> = calls.iter().enumerate().map(call).collect();
            if dialect == Dialect::Generic && calls.len() > 1 {
                return format!("[{}]", written.join(", ")); // as its instruction says
            }
            [envelope.begin, &written.join(envelope.separator.unwrap_or("\n")), envelope.end].concat()
        }
        None if dialect == Dialect::Lfm => {
            let call = |(name, arguments): &(&str, Value)| {
                let fields = arguments.as_object().into_iter().flatten();
                let fields: Vec<_> = fields.map(|(name, value)| format!("{name}={}", python(value))).collect();
                format!("{name}({})", fields.join(", "))
            };
            format!("<|tool_call_start|>[{}]<|tool_call_end|>", calls.iter().map(call).collect::<Vec<_>>().join(", "))
        }
        // Templates of the others write calls themselves.
        None => self::calls(Dialect::Generic, calls),
    }
}

/// Writes a value as Python does.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(all) => format!("[{}]", all.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(all) => {
            let fields = all.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), python(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
