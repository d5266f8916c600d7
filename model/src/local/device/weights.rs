//! Weights on a device: blocks as the file has them, which the device multiplies with; floats as the file has them, or in 32
//! bits on a processor, which multiplies no others fast.

use std::borrow::Cow;

use gpu::quantized::{GgmlDType, QStorage, QTensor};
use gpu::{DType, Device, Tensor};

use crate::local::gguf::{TensorKind, TensorView};
use crate::local::kernels::read_row;
use crate::local::weights::Hold;
use crate::{Error, Kind, Result};

/// How many bytes blocks have to lie apart for any device to read them.
const ALIGNMENT: usize = 8;

/// What inputs are multiplied with.
#[derive(Debug)]
pub(super) enum Matrix {
    Blocks(QTensor),
    Floats(Tensor),
}

impl Matrix {
    /// Multiplies rows.
    pub(super) fn multiply(&self, rows: &Tensor) -> gpu::Result<Tensor> {
        match self {
            Self::Blocks(blocks) => rows.contiguous()?.apply_op1_no_bwd(blocks),
            Self::Floats(floats) => rows.to_dtype(floats.dtype())?.matmul(&floats.t()?)?.to_dtype(DType::F32),
        }
    }
}

/// Puts weights on a device.
#[derive(Debug)]
pub(super) struct Placed<'a>(pub(super) &'a Device);

impl Hold for Placed<'_> {
    type Matrix = Matrix;
    type Row = Tensor;

    fn matrix(&self, tensor: &TensorView) -> Result<Matrix> {
        let placed = match kind(tensor.kind) {
            Stored::Blocks(_) if is_odd(tensor) => dequantised(tensor, self.0).map(Matrix::Floats),
            Stored::Blocks(kind) => blocks(tensor, kind, self.0).map(Matrix::Blocks),
            Stored::Floats(kind) => floats(tensor, kind, self.0).map(Matrix::Floats),
        };
        placed.map_err(fault)
    }

    fn row(&self, row: Vec<f32>) -> Result<Tensor> {
        let len = row.len();
        Tensor::from_vec(row, len, self.0).map_err(fault)
    }
}

fn blocks(tensor: &TensorView, kind: GgmlDType, device: &Device) -> gpu::Result<QTensor> {
    let bytes: &[u8] = &tensor.bytes;
    let mut copy = Vec::new();
    // A file may place its tensors as it likes.
    let bytes = if bytes.as_ptr().align_offset(ALIGNMENT) == 0 {
        bytes
    } else {
        copy.resize(bytes.len() + ALIGNMENT, 0);
        let start = copy.as_ptr().align_offset(ALIGNMENT);
        let aligned = &mut copy[start..start + bytes.len()];
        aligned.copy_from_slice(bytes);
        aligned
    };
    QTensor::new(QStorage::from_data(Cow::Borrowed(bytes), device, kind)?, tensor.shape.as_slice())
}

/// Whether candle's products, which take blocks of these kinds two by two, cannot take them.
fn is_odd(tensor: &TensorView) -> bool {
    let takes_pairs = matches!(tensor.kind, TensorKind::Q4_1 | TensorKind::Q5_0 | TensorKind::Q5_1);
    let columns = tensor.shape.last().copied().unwrap_or(0);
    takes_pairs && !columns.is_multiple_of(2 * tensor.kind.block_values())
}

fn dequantised(tensor: &TensorView, device: &Device) -> gpu::Result<Tensor> {
    let mut values = vec![0.0; tensor.shape.iter().product()];
    read_row(tensor.kind, &tensor.bytes, &mut values);
    let placed = Tensor::from_vec(values, tensor.shape.as_slice(), &Device::Cpu)?;
    placed.to_dtype(if device.is_cpu() { DType::F32 } else { DType::F16 })?.to_device(device)
}

fn floats(tensor: &TensorView, kind: DType, device: &Device) -> gpu::Result<Tensor> {
    let placed = Tensor::from_raw_buffer(&tensor.bytes, kind, &tensor.shape, device)?;
    if device.is_cpu() { placed.to_dtype(DType::F32) } else { Ok(placed) }
}

/// What candle calls the ways in which values are stored.
enum Stored {
    Blocks(GgmlDType),
    Floats(DType),
}

fn kind(kind: TensorKind) -> Stored {
    match kind {
        TensorKind::F32 => Stored::Floats(DType::F32),
        TensorKind::F16 => Stored::Floats(DType::F16),
        TensorKind::BF16 => Stored::Floats(DType::BF16),
        TensorKind::Q4_0 => Stored::Blocks(GgmlDType::Q4_0),
        TensorKind::Q4_1 => Stored::Blocks(GgmlDType::Q4_1),
        TensorKind::Q5_0 => Stored::Blocks(GgmlDType::Q5_0),
        TensorKind::Q5_1 => Stored::Blocks(GgmlDType::Q5_1),
        TensorKind::Q8_0 => Stored::Blocks(GgmlDType::Q8_0),
        TensorKind::Q2K => Stored::Blocks(GgmlDType::Q2K),
        TensorKind::Q3K => Stored::Blocks(GgmlDType::Q3K),
        TensorKind::Q4K => Stored::Blocks(GgmlDType::Q4K),
        TensorKind::Q5K => Stored::Blocks(GgmlDType::Q5K),
        TensorKind::Q6K => Stored::Blocks(GgmlDType::Q6K),
    }
}

/// Says what a device did not do.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn fault(error: gpu::Error) -> Error {
    let said = error.to_string();
    let lower = said.to_lowercase();
    // Neither CUDA nor Metal has a kind for this that reaches us, only words.
    if ["out of memory", "out_of_memory", "allocat"].iter().any(|words| lower.contains(words)) {
        let message = "the memory of the device is full; take a smaller window or quantisation, or the device `cpu`";
        return Error::new(Kind::Limit, message).caused_by(said);
    }
    Error::new(Kind::Io, format!("the device failed: {}", said.lines().next().unwrap_or_default())).caused_by(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_is_a_limit_and_a_broken_one_is_not() {
        let full = fault(gpu::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".to_owned()));
        assert_eq!(full.kind(), Kind::Limit);
        let broken = fault(gpu::Error::Msg("DriverError(CUDA_ERROR_ECC_UNCORRECTABLE)".to_owned()));
        assert_eq!(
            (broken.kind(), broken.message()),
            (Kind::Io, "the device failed: DriverError(CUDA_ERROR_ECC_UNCORRECTABLE)")
        );
    }

    #[test]
    fn blocks_that_lie_anywhere_are_read() {
        let bytes: Vec<u8> = (0..4 * 34 + 1).map(|byte| if byte % 34 == 2 { 0x3c } else { 1 }).collect();
        let at = |bytes: &[u8]| TensorView { kind: TensorKind::Q8_0, shape: vec![4, 32], bytes: bytes.to_vec().into() };
        let whole = crate::local::Bytes::from(bytes.clone());
        let unaligned = TensorView { bytes: whole.slice(1..bytes.len()), ..at(&[]) };
        let read = |tensor: &TensorView| {
            let placed = blocks(tensor, GgmlDType::Q8_0, &Device::Cpu).unwrap();
            placed.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(read(&unaligned), read(&at(&bytes[1..])));
    }
}
