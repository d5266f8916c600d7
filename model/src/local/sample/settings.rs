//! How tokens are drawn: what a request says, else what the model was published with, else what llama.cpp does. Every
//! value is checked here, so that the sampler need not.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::{Error, Kind, OrKind, Request, Result, ResultExt};

/// More makes all tokens alike.
const TEMPERATURE_MAX: f64 = 100.0;
/// The penalty divides, so 0 is none; beyond these bounds no token is left, or only the last one.
const REPEAT_PENALTY: RangeInclusive<f64> = 0.1..=10.0;
/// Twice what hosted models take is enough to rule a token out for good.
const ADDED_PENALTY: RangeInclusive<f64> = -10.0..=10.0;
/// The longest memory of penalties that can be asked for; -1 has no end.
const PENALTY_LAST_MAX: i64 = 1 << 24;

/// How tokens are drawn.
///
/// A request says it with `temperature`, `top_k`, `top_p` and `seed`, and with the extra fields `min_p`,
/// `repeat_penalty`, `repeat_last_n`, `presence_penalty` and `frequency_penalty`, which are named as [llama.cpp's server]
/// names them.
///
/// ```
/// use lorewell_model::Request;
/// use lorewell_model::local::{Defaults, Sampling};
///
/// let sampling = Sampling::new(&Request::from("Hi").temperature(0.5).extra("min_p", 0.1), &Defaults::default())?;
/// assert_eq!((sampling.temperature, sampling.min_p, sampling.top_k), (0.5, 0.1, 40));
/// let error = Sampling::new(&Request::from("Hi").top_p(2.0), &Defaults::default()).unwrap_err();
/// assert_eq!(error.to_string(), "`top_p` is 2.0, and should be a number from 0 to 1");
/// # Ok::<(), lorewell_model::Error>(())
/// ```
///
/// [llama.cpp's server]: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sampling {
    /// How freely tokens are drawn; 0 takes the likeliest.
    pub temperature: f32,
    /// Draws from so many of the likeliest; 0 from all.
    pub top_k: usize,
    /// Draws from the likeliest that have this much probability together; 1 from all.
    pub top_p: f32,
    /// Leaves out what is less likely than this share of the likeliest; 0 leaves out none.
    pub min_p: f32,
    /// Divides what speaks for a token that was said before; 1 does nothing.
    pub repeat_penalty: f32,
    /// Takes this much from a token that was said before.
    pub presence_penalty: f32,
    /// Takes this much from a token each time that it was said.
    pub frequency_penalty: f32,
    /// How many of the last tokens penalties look at; nothing for all of them.
    pub penalty_last_n: Option<usize>,
    /// What the draws begin with. Without one in the request, it is random; asking again with it gives the same.
    pub seed: u64,
}

/// How a model wants its tokens drawn when the request does not say.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Defaults {
    /// How freely.
    pub temperature: Option<f32>,
    /// From how many.
    pub top_k: Option<usize>,
    /// From how much probability.
    pub top_p: Option<f32>,
    /// From what share of the likeliest on.
    pub min_p: Option<f32>,
    /// How much against what was said before, in the whole of the conversation.
    pub repeat_penalty: Option<f32>,
}

impl Defaults {
    /// Reads `generation_config.json` of a model. `do_sample: false` is temperature 0, as transformers has it.
    ///
    /// # Errors
    /// `BadInput` if a value is of another type or out of range.
    pub fn of(generation_config: &Value) -> Result<Self> {
        let field = |name: &str| generation_config.get(name).filter(|value| !value.is_null());
        let read = || -> Result<Self> {
            let greedy = field("do_sample") == Some(&Value::Bool(false));
            let temperature = optional(field("temperature"), "temperature", 0.0..=TEMPERATURE_MAX)?;
            Ok(Self {
                temperature: if greedy { Some(0.0) } else { temperature },
                top_k: field("top_k").map(|value| whole("top_k", value, 0..=u32::MAX.into())).transpose()?.map(count),
                top_p: optional(field("top_p"), "top_p", 0.0..=1.0)?,
                min_p: optional(field("min_p"), "min_p", 0.0..=1.0)?,
                repeat_penalty: optional(field("repetition_penalty"), "repetition_penalty", REPEAT_PENALTY)?,
            })
        };
        read().context(|| "reading `generation_config.json`".into())
    }
}

impl Sampling {
    /// The extra fields of a request that are read here.
    pub const EXTRA_FIELDS: [&str; 5] =
        ["min_p", "repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty"];

    /// Reads a request. What neither it nor the model says is as in llama.cpp: temperature 0.8, of the 40 likeliest
    /// tokens those that have 0.95 of the probability and at least 0.05 of the likeliest's, and no penalties.
    ///
    /// # Errors
    /// `BadInput` naming the field if a value is of another type or out of range.
    pub fn new(request: &Request, defaults: &Defaults) -> Result<Self> {
        let extra = |name: &'static str, range| -> Result<Option<f32>> {
            optional(request.extra.get(name).filter(|value| !value.is_null()), name, range)
        };
        let asked = |value: Option<f32>, name, range: RangeInclusive<f64>| -> Result<Option<f32>> {
            value.map(|value| within(name, value.into(), &range).map(|()| value)).transpose()
        };
        let last = request.extra.get("repeat_last_n").filter(|value| !value.is_null());
        let last = last.map(|value| whole("repeat_last_n", value, -1..=PENALTY_LAST_MAX)).transpose()?;
        // The published penalty of a model was found with all of the conversation in view, as transformers applies it.
        let whole_conversation = defaults.repeat_penalty.is_some() && !request.extra.contains_key("repeat_penalty");
        let temperature = asked(request.temperature, "temperature", 0.0..=TEMPERATURE_MAX)?;
        let top_p = asked(request.top_p, "top_p", 0.0..=1.0)?;
        Ok(Self {
            temperature: temperature.or(defaults.temperature).unwrap_or(0.8),
            top_k: request.top_k.map(|k| count(k.into())).or(defaults.top_k).unwrap_or(40),
            top_p: top_p.or(defaults.top_p).unwrap_or(0.95),
            min_p: extra("min_p", 0.0..=1.0)?.or(defaults.min_p).unwrap_or(0.05),
            repeat_penalty: extra("repeat_penalty", REPEAT_PENALTY)?.or(defaults.repeat_penalty).unwrap_or(1.0),
            presence_penalty: extra("presence_penalty", ADDED_PENALTY)?.unwrap_or(0.0),
            frequency_penalty: extra("frequency_penalty", ADDED_PENALTY)?.unwrap_or(0.0),
            penalty_last_n: match last {
                None if whole_conversation => None,
                None => Some(64),
                Some(last) => usize::try_from(last).ok(),
            },
            seed: request.seed.map_or_else(random, Ok)?,
        })
    }
}

fn random() -> Result<u64> {
    getrandom::u64().or_kind(Kind::Io).context(|| "drawing a seed".into())
}

fn count(value: i64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn optional(value: Option<&Value>, name: &str, range: RangeInclusive<f64>) -> Result<Option<f32>> {
    let Some(value) = value else { return Ok(None) };
    let number = value.as_f64().ok_or_else(|| wrong(name, value, "a number", range.start(), range.end()))?;
    within(name, number, &range)?;
    #[expect(clippy::cast_possible_truncation, reason = "the range is small, and logits have no more digits")]
    Ok(Some(number as f32))
}

fn within(name: &str, number: f64, range: &RangeInclusive<f64>) -> Result<()> {
    let shown = format!("{number:?}");
    let fits = range.contains(&number);
    if fits { Ok(()) } else { Err(wrong(name, shown, "a number", range.start(), range.end())) }
}

fn whole(name: &str, value: &Value, range: RangeInclusive<i64>) -> Result<i64> {
    let number = value.as_i64().filter(|number| range.contains(number));
    number.ok_or_else(|| wrong(name, value, "a whole number", range.start(), range.end()))
}

fn wrong(
    name: &str,
    value: impl std::fmt::Display,
    what: &str,
    low: impl std::fmt::Display,
    high: impl std::fmt::Display,
) -> Error {
    Error::new(Kind::BadInput, format!("`{name}` is {value}, and should be {what} from {low} to {high}"))
}
