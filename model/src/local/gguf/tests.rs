//! Good files and bad ones.

use proptest::prelude::*;

use super::*;

/// Writes files, good ones and bad ones.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn header(tensors: u64, entries: u64) -> Self {
        let mut writer = Self(b"GGUF".to_vec());
        writer.0.extend(3_u32.to_le_bytes());
        writer.0.extend(tensors.to_le_bytes());
        writer.0.extend(entries.to_le_bytes());
        writer
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }
}

fn parse(bytes: Vec<u8>) -> Result<Gguf> {
    Gguf::parse(Path::new("m.gguf"), &Bytes::from(bytes))
}

fn sample() -> Vec<u8> {
    let writer = Writer::header(1, 3)
        .text("general.architecture")
        .u32(8)
        .text("llama")
        .text("tokens")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("a")
        .text("é")
        .text("layers")
        .u32(4)
        .u32(7)
        .text("w")
        .u32(2)
        .u64(32)
        .u64(2)
        .u32(8)
        .u64(0);
    let mut bytes = writer.0;
    bytes.resize(bytes.len().next_multiple_of(32) + 2 * 34, 1);
    bytes
}

#[test]
fn metadata_and_tensors_are_found() {
    let gguf = parse(sample()).unwrap();
    assert_eq!(gguf.text("general.architecture").unwrap(), Some("llama"));
    assert_eq!(gguf.number("layers").unwrap(), Some(7));
    assert_eq!(gguf.array("tokens").unwrap().unwrap().texts().collect::<Vec<_>>(), ["a", "é"]);
    let tensor = gguf.tensor("w").unwrap();
    assert_eq!((tensor.kind, tensor.shape, tensor.bytes.len()), (TensorKind::Q8_0, vec![2, 32], 68));
    assert_eq!(gguf.number("general.architecture").unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(gguf.number("nothing").unwrap(), None);
}

/// One of two parts, with one tensor.
fn part(tensor: &str) -> Vec<u8> {
    let writer = Writer::header(1, 1).text("split.count").u32(4).u32(2).text(tensor).u32(1).u64(4).u32(0).u64(0);
    let mut bytes = writer.0;
    bytes.resize(bytes.len().next_multiple_of(32) + 16, 0);
    bytes
}

#[test]
fn parts_are_read_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second) = (path("m-00001-of-00002.gguf"), path("m-00002-of-00002.gguf"));
    std::fs::write(&first, part("a")).unwrap();
    let error = Gguf::open(&first).unwrap_err();
    assert!(error.kind() == Kind::NotFound && error.to_string().contains("part 2 of 2"), "{error}");
    std::fs::write(&second, part("b")).unwrap();
    let gguf = Gguf::open(&first).unwrap();
    assert_eq!(gguf.tensor_names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(gguf.tensor("b").unwrap().bytes.len(), 16);
    let error = Gguf::open(&second).unwrap_err();
    assert!(error.to_string().contains("name the first one, which ends in `-00001-of-00002.gguf`"), "{error}");
}

#[test]
fn every_cut_is_an_error() {
    let whole = sample();
    for len in 0..whole.len() {
        let error = parse(whole[..len].to_vec()).unwrap_err();
        assert!(matches!(error.kind(), Kind::Corrupt | Kind::BadInput), "{len}: {error}");
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let tensor = |columns: u64, kind: u32, offset: u64| {
        Writer::header(1, 0).text("w").u32(2).u64(columns).u64(u64::MAX / 2).u32(kind).u64(offset).0
    };
    assert!(parse(Writer::header(u64::MAX, 0).0).unwrap_err().message().contains("counts"));
    assert!(parse(tensor(32, 8, 0)).unwrap_err().message().contains("ends too early"));
    assert!(parse(tensor(31, 8, 0)).unwrap_err().message().contains("no multiple"));
    assert!(parse(tensor(32, 8, u64::MAX)).unwrap_err().message().contains("ends too early"));
    assert_eq!(parse(tensor(32, 99, 0)).unwrap_err().kind(), Kind::BadInput);
    let deep = (0..10).fold(Writer::header(0, 1).text("deep").u32(9), |writer, _| writer.u32(9).u64(1));
    assert!(parse(deep.0).unwrap_err().message().contains("too deep"));
    let many = Writer::header(0, 1).text("many").u32(9).u32(4).u64(1 << 40);
    assert!(parse(many.0).unwrap_err().message().contains("counts"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..200, byte: u8, more in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = sample();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - more.len() % 8);
        bytes.extend(more);
        if let Ok(gguf) = parse(bytes) {
            for name in gguf.names() {
                let _ = gguf.value(name);
            }
            for name in gguf.tensor_names() {
                let tensor = gguf.tensor(name).expect("it has that name");
                let values = tensor.shape.iter().product::<usize>();
                prop_assert_eq!(tensor.bytes.len(), values / tensor.kind.block_values() * tensor.kind.block_bytes());
            }
        }
    }
}
