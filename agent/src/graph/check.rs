//! Checks.
use super::Shape;
use crate::state::Field;
use lorewell_model::Result;
pub(super) fn check(_: &Shape, _: &[Field]) -> Result<()> {
    Ok(())
}
/// Nearest.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(d, _)| *d <= 2 + name.len() / 4)
        .min()
        .map(|(_, n)| n)
}
