//! Reads the struct and its attributes into a model, or says everything that is wrong with them.

use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, GenericArgument, Ident, Path, PathArguments, Result, Token, Type,
    Visibility,
};

/// What can stand in `#[reduce(…)]`.
const RULES: [&str; 9] = ["append", "merge", "max", "min", "sum", "messages", "with", "untracked", "ephemeral"];
/// From here on two names are alike enough to suggest one for the other: a slip or two in a word of usual length.
const LIKENESS_MIN: f64 = 0.5;

/// The struct.
pub(crate) struct Model {
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) update: Ident,
    pub(crate) fields: Vec<Field>,
}

/// One field of it.
pub(crate) struct Field {
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    /// The name without `r#`.
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) rule: Rule,
}

/// What becomes of writes to a field.
pub(crate) enum Rule {
    Last,
    Append,
    Merge,
    Max,
    Min,
    Sum,
    /// With the type of one message.
    Messages(Type),
    /// With the function that folds.
    Custom(Path),
    Untracked,
    Ephemeral,
}

/// Reads a struct with named fields.
///
/// # Errors
/// All that is wrong with it and its attributes.
pub(crate) fn model(input: &DeriveInput) -> Result<Model> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => &fields.named,
            Fields::Unnamed(_) | Fields::Unit => {
                return Err(Error::new(input.ident.span(), "a state is a struct with named fields; name them"));
            }
        },
        Data::Enum(data) => return Err(no_struct("an enum", data.enum_token.span)),
        Data::Union(data) => return Err(no_struct("a union", data.union_token.span)),
    };
    let mut faults = Faults(None);
    if let Some(parameter) = input.generics.params.first() {
        faults.add(Error::new_spanned(parameter, "a state has no parameters; write the types out"));
    }
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("reduce")) {
        faults.add(Error::new_spanned(attribute, "`reduce` is for fields; put it on one"));
    }
    let fields = fields.iter().filter_map(|field| faults.keep(self::field(field))).collect();
    faults.or(Model {
        visibility: input.vis.clone(),
        name: input.ident.clone(),
        update: format_ident!("{}Update", input.ident),
        fields,
    })
}

fn no_struct(what: &str, span: Span) -> Error {
    Error::new(span, format!("a state is a struct with named fields, not {what}; put it in a field of one"))
}

fn field(field: &syn::Field) -> Result<Field> {
    let ident = field.ident.clone().expect("the fields of this struct are named, as `model` has seen");
    Ok(Field {
        visibility: field.vis.clone(),
        name: ident.unraw().to_string(),
        rule: rule(&field.attrs, &field.ty)?,
        kind: field.ty.clone(),
        ident,
    })
}

fn rule(attributes: &[Attribute], kind: &Type) -> Result<Rule> {
    let mut attributes = attributes.iter().filter(|attribute| attribute.path().is_ident("reduce"));
    let Some(attribute) = attributes.next() else { return Ok(Rule::Last) };
    if let Some(second) = attributes.next() {
        return Err(Error::new_spanned(second, "a field has one rule; remove the other"));
    }
    attribute.parse_args_with(|input: ParseStream<'_>| argument(input, kind))
}

/// Reads what stands in the parentheses.
fn argument(input: ParseStream<'_>, kind: &Type) -> Result<Rule> {
    let unnamed = |error: Error| Error::new(error.span(), format!("name a rule; {}", rules()));
    let name = input.call(Ident::parse_any).map_err(unnamed)?;
    let rule = match name.to_string().as_str() {
        "append" => collection(&name, kind, Rule::Append)?,
        "merge" => collection(&name, kind, Rule::Merge)?,
        "max" => Rule::Max,
        "min" => Rule::Min,
        "sum" => Rule::Sum,
        "messages" => Rule::Messages(message(&name, kind)?),
        "with" => Rule::Custom(function(&name, input)?),
        "untracked" => Rule::Untracked,
        "ephemeral" => Rule::Ephemeral,
        unknown => return Err(Error::new(name.span(), no_rule(unknown))),
    };
    end(&name, input)?;
    Ok(rule)
}

/// The compiler has much to say about each line that is written for a number as if it were a list.
fn collection(name: &Ident, kind: &Type, rule: Rule) -> Result<Rule> {
    const SINGLE: [&str; 4] = ["bool", "char", "Option", "String"];
    let is_single = last_segment(kind).is_some_and(|last| SINGLE.iter().any(|single| last.ident == single));
    if is_single || is_number(kind) {
        return Err(Error::new_spanned(
            kind,
            format!("the rule `{name}` is for a list, a map or a set, and this is none"),
        ));
    }
    Ok(rule)
}

fn message(name: &Ident, kind: &Type) -> Result<Type> {
    let message = only_argument(kind, "Vec").cloned();
    message.ok_or_else(|| Error::new(name.span(), "the rule `messages` is for a `Vec`; write the type as `Vec<…>`"))
}

fn function(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    let needs = "`with` needs the path of a function; write `with = path::to::function`";
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), needs));
    }
    input.parse::<Token![=]>()?;
    let at = if input.is_empty() { name.span() } else { input.span() };
    input.call(Path::parse_mod_style).map_err(|_| Error::new(at, needs))
}

fn end(name: &Ident, input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let at = input.span();
    if !input.peek(Token![,]) {
        return Err(Error::new(at, format!("nothing follows the rule `{name}`; remove this")));
    }
    input.parse::<Token![,]>()?;
    if input.is_empty() { Ok(()) } else { Err(Error::new(input.span(), "a field has one rule; remove the other")) }
}

fn no_rule(unknown: &str) -> String {
    let likeness = |rule: &str| strsim::normalized_damerau_levenshtein(rule, unknown);
    let nearest = RULES.into_iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|rule| likeness(rule) >= LIKENESS_MIN) {
        Some(rule) => format!("no rule `{unknown}`; did you mean `{rule}`? {}", rules()),
        None => format!("no rule `{unknown}`; {}", rules()),
    }
}

fn rules() -> String {
    format!("rules are: {}; a field without one keeps the last value", RULES.join(", "))
}

/// Returns `T` of a type that is written `Name<T>`.
pub(crate) fn only_argument<'a>(kind: &'a Type, name: &str) -> Option<&'a Type> {
    let (ident, argument) = one_argument(kind)?;
    (ident == name).then_some(argument)
}

/// Returns the name and the argument of a type that is written with one.
pub(crate) fn one_argument(kind: &Type) -> Option<(&Ident, &Type)> {
    let last = last_segment(kind)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut arguments = arguments.args.iter();
    match (arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(argument)), None) => Some((&last.ident, argument)),
        _ => None,
    }
}

/// Tells whether a type is written as one of the numbers of the language.
pub(crate) fn is_number(kind: &Type) -> bool {
    const NUMBERS: [&str; 14] =
        ["i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize", "f32", "f64"];
    last_segment(kind).is_some_and(|last| NUMBERS.iter().any(|number| last.ident == number))
}

fn last_segment(kind: &Type) -> Option<&syn::PathSegment> {
    match kind {
        // A type that went through a `macro_rules` stands in an invisible group.
        Type::Group(group) => last_segment(&group.elem),
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Faults that were found, as one error.
struct Faults(Option<Error>);

impl Faults {
    fn add(&mut self, fault: Error) {
        match &mut self.0 {
            Some(faults) => faults.combine(fault),
            none => *none = Some(fault),
        }
    }

    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }

    fn or<T>(self, value: T) -> Result<T> {
        match self.0 {
            Some(faults) => Err(faults),
            None => Ok(value),
        }
    }
}
