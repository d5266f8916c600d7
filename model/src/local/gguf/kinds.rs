//! How the values of tensors are stored, with the codes and sizes of ggml.h and ggml-common.h.

macro_rules! tensor_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $values:literal, $bytes:literal;)*) => {
        /// How the values of a tensor are stored: floats, or blocks that share scales.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TensorKind {
            $($(#[$doc])* $name,)*
        }

        impl TensorKind {
            pub(super) fn of(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns its name, as ggml writes it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Returns how many values a block has.
            #[must_use]
            pub const fn block_values(self) -> usize {
                match self {
                    $(Self::$name => $values,)*
                }
            }

            /// Returns how many bytes a block has.
            #[must_use]
            pub const fn block_bytes(self) -> usize {
                match self {
                    $(Self::$name => $bytes,)*
                }
            }
        }
    };
}

tensor_kinds! {
    /// 32-bit floats.
    F32 = 0, "F32", 1, 4;
    /// 16-bit floats of IEEE 754.
    F16 = 1, "F16", 1, 2;
    /// 4 bits and a scale for 32.
    Q4_0 = 2, "Q4_0", 32, 18;
    /// 4 bits, a scale and a least value for 32.
    Q4_1 = 3, "Q4_1", 32, 20;
    /// 5 bits and a scale for 32.
    Q5_0 = 6, "Q5_0", 32, 22;
    /// 5 bits, a scale and a least value for 32.
    Q5_1 = 7, "Q5_1", 32, 24;
    /// 8 bits and a scale for 32.
    Q8_0 = 8, "Q8_0", 32, 34;
    /// 2 bits, a scale and a least value for 16, scaled again for 256.
    Q2K = 10, "Q2_K", 256, 84;
    /// 3 bits and a scale for 16, scaled again for 256.
    Q3K = 11, "Q3_K", 256, 110;
    /// 4 bits, a scale and a least value for 32, scaled again for 256.
    Q4K = 12, "Q4_K", 256, 144;
    /// 5 bits, a scale and a least value for 32, scaled again for 256.
    Q5K = 13, "Q5_K", 256, 176;
    /// 6 bits and a scale for 16, scaled again for 256.
    Q6K = 14, "Q6_K", 256, 210;
    /// The upper half of 32-bit floats.
    BF16 = 30, "BF16", 1, 2;
}
