//! Arithmetic on single vectors. Dot products run over a fixed number of lanes, so that a result depends on the vectors
//! alone and compilers can use whatever registers the target has.

const LANES: usize = 16;

/// Returns the dot product; for unit vectors that is the cosine, −1..1, higher is more alike.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of one embedder have one length");
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    sums.iter().sum()
}

/// Scales a vector to length 1. The zero vector, which has no direction, stays as it is.
pub fn normalize(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_zero_vector_stays() {
        let mut zero = [0.0; 3];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 3]);
    }

    proptest! {
        #[test]
        fn dot_is_the_sum_of_products(pairs in prop::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0), 0..70)) {
            let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let expected: f64 = pairs.iter().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - expected).abs() < 1e-3);
        }

        #[test]
        fn a_normal_vector_has_length_one(mut vector in prop::collection::vec(0.01_f32..9.0, 1..70)) {
            normalize(&mut vector);
            prop_assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5);
        }
    }
}
