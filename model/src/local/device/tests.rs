//! Devices by their names. What runs on them is tested beside the decoder, by the same expectations.

use super::*;

#[test]
fn devices_have_names() {
    for name in ["cpu", "cuda:0", "cuda:3", "metal"] {
        assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
    }
    assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
    for name in ["", "gpu", "cuda:", "cuda:x", "cpu:1", "CUDA"] {
        let error = name.parse::<Device>().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert_eq!(error.message(), format!("`{name}` is no device; `cpu`, `cuda`, `cuda:1` and `metal` are some"));
    }
}

#[test]
fn the_environment_may_say_what_models_run_on() {
    let said = |name: &str| Device::said(Ok(name.to_owned()));
    assert_eq!(said("cuda:1").unwrap(), Device::Cuda(1));
    assert_eq!(said("").unwrap(), Device::said(Err(VarError::NotPresent)).unwrap());
    let error = said("tpu").unwrap_err();
    assert!(error.to_string().starts_with("`LOREWELL_DEVICE`: `tpu` is no device; "), "{error}");
}

#[cfg(feature = "gpu")]
mod gpus {
    use gpu::{DType, Tensor};

    use crate::local::device::cache::Cache;
    use crate::local::kernels::Heads;

    #[test]
    fn a_cache_keeps_what_it_holds_when_it_grows() {
        let heads = Heads { queries: 2, keys: 1, width: 4 };
        for kind in [DType::F32, DType::F16] {
            let mut cache = Cache::new(heads, 2, kind, &gpu::Device::Cpu).unwrap();
            cache.reserve(1).unwrap();
            let first = cache.grow().unwrap();
            let slots = [Cache::slot(first, 0), Cache::slot(first, 33)];
            let side =
                |from: f32| Tensor::arange(from, from + 8.0, &gpu::Device::Cpu).unwrap().reshape((2, 4)).unwrap();
            cache.store(1, &cache.places(&slots).unwrap(), &side(0.0), &side(8.0)).unwrap();
            let second = cache.grow().unwrap();
            assert_eq!((first, second, cache.len()), (0, 1, 2));
            let slots = Tensor::new(&[slots[1], Cache::slot(second, 5), slots[0]], &gpu::Device::Cpu).unwrap();
            let read = |side: Tensor| side.to_vec2::<f32>().unwrap();
            let [zero, one] = [[0.0; 4], [4.0, 5.0, 6.0, 7.0]].map(|row| row.to_vec());
            assert_eq!(read(cache.keys(1, &slots).unwrap()), [one, zero.clone(), vec![0.0, 1.0, 2.0, 3.0]]);
            assert_eq!(read(cache.values(1, &slots).unwrap())[0], [12.0, 13.0, 14.0, 15.0]);
            assert_eq!(read(cache.keys(0, &slots).unwrap()), [zero.clone(), zero.clone(), zero]);
        }
    }

    #[test]
    fn a_cache_that_cannot_be_counted_is_refused() {
        let heads = Heads { queries: 2, keys: 1, width: 4 };
        let mut cache = Cache::new(heads, 1, DType::F32, &gpu::Device::Cpu).unwrap();
        assert_eq!(cache.reserve(1 << 30).unwrap_err().kind(), crate::Kind::Limit);
    }
}

#[test]
#[cfg(not(feature = "gpu"))]
fn a_build_without_gpus_says_how_to_get_one() {
    check_missing("cuda:0");
}

/// With `--all-features` candle is there, and CUDA and Metal are not.
#[test]
#[cfg(feature = "gpu")]
fn a_build_without_cuda_says_how_to_get_it() {
    if !gpu::utils::cuda_is_available() {
        check_missing("cuda:0");
    }
    if !gpu::utils::metal_is_available() {
        check_missing("metal");
    }
}

#[track_caller]
fn check_missing(name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/fixtures/hf/llama-bf16");
    let error = crate::local::Local::open_on(folder, 64, name.parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
    let feature = name.split(':').next().unwrap_or_default();
    let expected = format!(
        "this build cannot use the device `{name}`; build with `--features gpu/{feature}`, or with the feature `gpu` and `candle-core = {{ version = \"0.11\", features = [\"{feature}\"] }}` beside it"
    );
    assert_eq!(error.message(), expected);
}
