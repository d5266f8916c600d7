//! The arithmetic of sampling: weights of logits, and random numbers. Both are made of operations that IEEE 754 and
//! integer arithmetic define to the last bit, and sums have a fixed order, so that a seed gives the same tokens everywhere.

/// Logits that are added at once; wide enough for any vector unit.
const LANES: usize = 16;
/// Below it, a weight is nothing.
const LEAST: f32 = -87.0;

/// e to the power of a number that is not above 0, to 2 units of the last digit; 0 below -87.
///
/// The libraries of operating systems differ in the last digit of theirs. The polynomial is that of `expf` in Cephes
/// (S. L. Moshier, 1992).
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    // Adding it leaves a whole number in the last bits.
    const WHOLE: f32 = 12_582_912.0; // 1.5 * 2^23
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    // ln 2 in two parts, the first of which has few digits, so that their products with n are exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut y = 1.987_569_2e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        y = y * r + coefficient;
    }
    y = y * (r * r) + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x > LEAST { y * power } else { 0.0 }
}

/// The greatest of some logits, and whether one is no number.
pub(super) fn greatest(logits: &[f32]) -> (f32, bool) {
    let mut greatest = [f32::NEG_INFINITY; LANES];
    let mut broken = [0_u32; LANES];
    let chunks = logits.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            let logit = chunk[lane];
            greatest[lane] = if logit > greatest[lane] { logit } else { greatest[lane] };
            broken[lane] |= u32::from(logit.is_nan());
        }
    }
    let all = greatest.iter().chain(rest).fold(f32::NEG_INFINITY, |max, logit| max.max(*logit));
    (all, broken.iter().any(|broken| *broken != 0) || rest.iter().any(|logit| logit.is_nan()))
}

/// The sum of the weights of all logits, of which the greatest weighs 1.
pub(super) fn sum(logits: &[f32], greatest: f32) -> f64 {
    // Single precision within a block keeps the sum fast, double across blocks keeps it right.
    const BLOCK: usize = 64 * LANES;
    let block = |block: &[f32]| -> f64 {
        let mut sums = [0.0_f32; LANES];
        let chunks = block.chunks_exact(LANES);
        let rest: f64 = chunks.remainder().iter().map(|logit| f64::from(exp(logit - greatest))).sum();
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += exp(chunk[lane] - greatest);
            }
        }
        sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() + rest
    };
    logits.chunks(BLOCK).map(block).sum()
}

/// The random number of a seed and a count, from 0 and below 1: SplitMix64 (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014), of which any number can be had without those before it.
pub(super) fn random(seed: u64, count: u64) -> f64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 over the golden ratio
    // Mixing the seed first keeps seeds that lie a step apart from giving the same numbers one later.
    let bits = mix(mix(seed).wrapping_add(STEP.wrapping_mul(count.wrapping_add(1))));
    (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Variant 13 of D. Stafford, "Better bit mixing", 2011.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_right_to_the_last_digits() {
        for step in 0..870_000_u32 {
            let x = -(step as f32) / 10_000.0;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours - exact).abs() <= 2.4e-7 * exact, "{x}: {ours} {exact}");
        }
        assert_eq!((exp(0.0), exp(-0.0), exp(-88.0), exp(f32::NEG_INFINITY), exp(f32::MIN)), (1.0, 1.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn weights_have_the_same_bits_everywhere() {
        let bits = [-0.1, -1.0, -5.5, -20.25, -86.9].map(|x| exp(x).to_bits());
        assert_eq!(bits, [0x3f67_a36d, 0x3ebc_5ab2, 0x3b85_ea53, 0x30dc_9ef1, 0x00c6_0f89], "{bits:x?}");
    }

    #[test]
    fn the_greatest_and_the_broken_are_found_anywhere() {
        for at in 0..50 {
            let mut logits = [-1.0; 50];
            logits[at] = 2.0;
            assert_eq!(greatest(&logits), (2.0, false));
            logits[at] = f32::NAN;
            assert!(greatest(&logits).1);
        }
        assert_eq!(greatest(&[]), (f32::NEG_INFINITY, false));
    }

    #[test]
    fn random_numbers_are_those_of_the_seed() {
        let numbers = [(0, 0), (0, 1), (42, 0), (u64::MAX, 7)].map(|(seed, count)| random(seed, count));
        // The first is that of SplitMix64 itself, 0xe220a8397b1dcdaf, since 0 mixes to 0.
        assert_eq!(
            numbers,
            [0.883_310_808_213_642_6, 0.431_527_997_048_509_97, 0.596_118_871_830_207_6, 0.774_144_549_539_942_2]
        );
        let mean = (0..10_000).map(|count| random(7, count)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
