//! How positions turn queries and keys (Su et al. 2021), and the ways in which models stretch that to longer texts.

/// How positions turn queries and keys.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Rotation {
    /// By how much each pair of components turns with every token.
    pub(in super::super) frequencies: Vec<f32>,
    /// What the turned components are multiplied by.
    pub(in super::super) magnitude: f32,
    /// Whether a pair lies side by side, and not half of what is turned apart.
    pub(in super::super) neighbours: bool,
}

/// How `YaRN` (Peng et al. 2023) stretches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Yarn {
    pub(super) factor: f32,
    /// Tokens for which the model was made before.
    pub(super) original: usize,
    /// What turns more often than this within them is kept; 32 in the paper.
    pub(super) fast: f64,
    /// What turns less often is stretched in full; 1 in the paper.
    pub(super) slow: f64,
    /// Whether the bounds are whole pairs.
    pub(super) truncates: bool,
}

impl Yarn {
    pub(super) fn new(factor: f32, original: usize) -> Self {
        Self { factor, original, fast: 32.0, slow: 1.0, truncates: true }
    }

    /// What the paper multiplies with.
    pub(super) fn magnitude(factor: f32, scale: f32) -> f32 {
        if factor <= 1.0 { 1.0 } else { (0.1 * scale).mul_add(factor.ln(), 1.0) }
    }
}

impl Rotation {
    /// Turns `dimensions` components with the base of the frequencies.
    pub(super) fn new(dimensions: usize, base: f64, neighbours: bool) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "frequencies are floats")]
        let frequency = |pair: usize| base.powf(-2.0 * pair as f64 / dimensions as f64) as f32;
        Self { frequencies: (0..dimensions / 2).map(frequency).collect(), magnitude: 1.0, neighbours }
    }

    /// Divides each frequency.
    pub(super) fn divide(&mut self, factors: impl IntoIterator<Item = f32>) {
        self.frequencies.iter_mut().zip(factors).for_each(|(frequency, factor)| *frequency /= factor);
    }

    /// Stretches low frequencies and keeps high ones; the magnitude stays.
    pub(super) fn stretch(&mut self, yarn: Yarn, base: f64) {
        #[expect(clippy::cast_precision_loss, reason = "both are small")]
        let (dimensions, original) = (2.0 * self.frequencies.len() as f64, yarn.original as f64);
        let bound = |turns: f64| dimensions * (original / (turns * std::f64::consts::TAU)).ln() / (2.0 * base.ln());
        let (mut low, mut high) = (bound(yarn.fast), bound(yarn.slow));
        if yarn.truncates {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(dimensions - 1.0));
        for (pair, frequency) in self.frequencies.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share between 0 and 1")]
            let kept = (1.0 - ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0)) as f32;
            *frequency = *frequency / yarn.factor * (1.0 - kept) + *frequency * kept;
        }
    }

    /// Stretches low frequencies as Llama 3.1 does: those that turn less than `low` times within the original tokens in
    /// full, those that turn more than `high` times not at all.
    pub(super) fn stretch_llama3(&mut self, factor: f32, low: f32, high: f32, original: usize) {
        for frequency in &mut self.frequencies {
            #[expect(clippy::cast_precision_loss, reason = "contexts are below 2^24")]
            let turns = original as f32 * *frequency / std::f32::consts::TAU;
            let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            *frequency *= kept.mul_add(1.0 - 1.0 / factor, 1.0 / factor);
        }
    }
}
