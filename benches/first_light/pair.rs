//! Two sides that take turns. A machine that others use drifts within seconds, so a ratio is taken of neighbours in
//! time and the median of those ratios is reported, not the ratio of two averages.

use lorewell_model::Result;

/// What both sides measured, round by round.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Lorewell's samples.
    pub(crate) ours: Vec<f64>,
    /// The peer's samples.
    pub(crate) theirs: Vec<f64>,
}

impl Pair {
    /// Measures A B A B …, after one round that only warms up.
    pub(crate) fn alternate(
        rounds: usize,
        mut ours: impl FnMut() -> Result<f64>,
        mut theirs: impl FnMut() -> Result<f64>,
    ) -> Result<Self> {
        ours()?;
        theirs()?;
        let mut pair = Self { ours: Vec::new(), theirs: Vec::new() };
        for _ in 0..rounds {
            pair.ours.push(ours()?);
            pair.theirs.push(theirs()?);
        }
        Ok(pair)
    }

    /// Returns the median of ours over theirs.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect();
        median(&ratios)
    }
}

/// Returns the middle sample.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 50)
}

/// Returns the smallest sample that `percent` of all samples do not exceed (nearest rank).
///
/// # Panics
/// If there are no samples.
pub(crate) fn quantile(samples: &[f64], percent: usize) -> f64 {
    assert!(!samples.is_empty(), "a quantile of nothing was asked for");
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}
