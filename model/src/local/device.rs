//! What a local model runs on: the processor, with the kernels of this crate, or a GPU, by way of candle. The choice is here;
//! everything that needs candle lies in the modules below and behind the feature `gpu`.

#[cfg(feature = "gpu")]
mod attention;
#[cfg(feature = "gpu")]
mod cache;
#[cfg(feature = "gpu")]
mod decoder;
#[cfg(feature = "gpu")]
mod weights;

#[cfg(feature = "gpu")]
pub(super) use decoder::Guest;

use std::env::VarError;
use std::fmt;
use std::str::FromStr;

use super::decoder::Decoder;
use super::machine::{Machine, Processor};
use super::shape::Shape;
use super::weights::Tensors;
use crate::{Error, Kind, Result};

/// Says what local models run on, unless a program does.
const VARIABLE: &str = "LOREWELL_DEVICE";

/// What a local model runs on.
///
/// ```
/// use lorewell_model::local::Device;
///
/// assert_eq!("cuda:1".parse::<Device>()?, Device::Cuda(1));
/// assert_eq!(Device::Cuda(0).to_string(), "cuda:0");
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// The processor, with the kernels of this crate.
    Cpu,
    /// A GPU of NVIDIA, by its number; needs a build with `--features gpu/cuda`.
    Cuda(usize),
    /// The GPU of a Mac; needs a build with `--features gpu/metal`.
    Metal,
}

impl Device {
    /// Returns what `LOREWELL_DEVICE` says; else the first GPU that this build can use and that is there, or the processor.
    ///
    /// # Errors
    /// `Config` if the variable names no device.
    pub fn from_environment() -> Result<Self> {
        Self::said(std::env::var(VARIABLE))
    }

    /// Does the same with what the variable holds.
    fn said(variable: Result<String, VarError>) -> Result<Self> {
        match variable {
            Ok(name) if !name.is_empty() => name.parse().map_err(|error: Error| error.context(format!("`{VARIABLE}`"))),
            Ok(_) | Err(VarError::NotPresent) => Ok(Self::found()),
            Err(error) => Err(Error::from_source(Kind::Config, error).context(format!("`{VARIABLE}`"))),
        }
    }

    /// The best one there is.
    #[cfg(feature = "gpu")]
    fn found() -> Self {
        static FOUND: std::sync::OnceLock<Device> = std::sync::OnceLock::new();
        let is_there = |device: &Self| device.handle().is_ok();
        *FOUND.get_or_init(|| [Self::Cuda(0), Self::Metal].into_iter().find(is_there).unwrap_or(Self::Cpu))
    }

    #[cfg(not(feature = "gpu"))]
    fn found() -> Self {
        Self::Cpu
    }

    /// Opens the decoder of a model on this device.
    pub(super) fn machine(self, shape: Shape, tensors: &dyn Tensors) -> Result<Box<dyn Machine>> {
        if self == Self::Cpu {
            return Ok(Box::new(<Processor>::new(Decoder::new(shape, tensors)?)));
        }
        self.other(shape, tensors)
    }

    #[cfg(not(feature = "gpu"))]
    fn other(self, _: Shape, _: &dyn Tensors) -> Result<Box<dyn Machine>> {
        Err(self.missing())
    }

    #[cfg(feature = "gpu")]
    fn other(self, shape: Shape, tensors: &dyn Tensors) -> Result<Box<dyn Machine>> {
        let guest = Guest::new(shape, tensors, self.handle()?);
        Ok(Box::new(guest.map_err(|error| error.context(format!("on the device `{self}`")))?))
    }

    /// Opens the device itself.
    #[cfg(feature = "gpu")]
    fn handle(self) -> Result<gpu::Device> {
        let (opened, is_built) = match self {
            Self::Cpu => (Ok(gpu::Device::Cpu), true),
            Self::Cuda(number) => (gpu::Device::new_cuda(number), gpu::utils::cuda_is_available()),
            Self::Metal => (gpu::Device::new_metal(0), gpu::utils::metal_is_available()),
        };
        opened.map_err(|error| match is_built {
            false => self.missing(),
            true => {
                let message = format!("the device `{self}` cannot be used; take `cpu`, or another one that is there");
                Error::new(Kind::Config, message).caused_by(error.to_string())
            }
        })
    }

    /// What to say where this build has no such device.
    fn missing(self) -> Error {
        let feature = if self == Self::Metal { "metal" } else { "cuda" };
        let message = format!(
            "this build cannot use the device `{self}`; build with `--features gpu/{feature}`, or with the feature `gpu` and \
             `candle-core = {{ version = \"0.11\", features = [\"{feature}\"] }}` beside it"
        );
        Error::new(Kind::Config, message)
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "cuda" => Some(Self::Cuda(0)),
            None if name == "metal" => Some(Self::Metal),
            Some(("cuda", number)) => number.parse().ok().map(Self::Cuda),
            _ => None,
        };
        known.ok_or_else(|| {
            let message = format!("`{name}` is no device; `cpu`, `cuda`, `cuda:1` and `metal` are some");
            Error::new(Kind::Config, message)
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

#[cfg(test)]
mod tests;
