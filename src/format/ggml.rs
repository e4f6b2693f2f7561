//! Element types of ggml: how many elements make a block, and how many bytes a block takes.

/// A type, by its number in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GgmlType {
    /// Number in files.
    pub id: u32,
    /// Name in ggml.
    pub name: &'static str,
    /// Elements per block.
    pub block: u64,
    /// Bytes per block.
    pub bytes: u64,
}

const fn ggml(id: u32, name: &'static str, block: u64, bytes: u64) -> GgmlType {
    GgmlType { id, name, block, bytes }
}

/// The type with this number; `None` for numbers that were removed from ggml or never given.
pub fn by_id(id: u32) -> Option<GgmlType> {
    TABLE.iter().find(|ggml| ggml.id == id).copied()
}

/// From `ggml.h` and `ggml-common.h`: scales, minima and packed quants of each block.
static TABLE: &[GgmlType] = &[
    ggml(0, "F32", 1, 4),
    ggml(1, "F16", 1, 2),
    ggml(2, "Q4_0", 32, 2 + 16),
    ggml(3, "Q4_1", 32, 4 + 16),
    ggml(6, "Q5_0", 32, 2 + 4 + 16),
    ggml(7, "Q5_1", 32, 4 + 4 + 16),
    ggml(8, "Q8_0", 32, 2 + 32),
    ggml(9, "Q8_1", 32, 4 + 32),
    ggml(10, "Q2_K", 256, 16 + 64 + 4),
    ggml(11, "Q3_K", 256, 32 + 64 + 12 + 2),
    ggml(12, "Q4_K", 256, 4 + 12 + 128),
    ggml(13, "Q5_K", 256, 4 + 12 + 32 + 128),
    ggml(14, "Q6_K", 256, 128 + 64 + 16 + 2),
    ggml(15, "Q8_K", 256, 4 + 256 + 32),
    ggml(16, "IQ2_XXS", 256, 2 + 64),
    ggml(17, "IQ2_XS", 256, 2 + 64 + 8),
    ggml(18, "IQ3_XXS", 256, 2 + 96),
    ggml(19, "IQ1_S", 256, 2 + 32 + 16),
    ggml(20, "IQ4_NL", 32, 2 + 16),
    ggml(21, "IQ3_S", 256, 2 + 64 + 32 + 8 + 4),
    ggml(22, "IQ2_S", 256, 2 + 64 + 16),
    ggml(23, "IQ4_XS", 256, 2 + 2 + 128 + 4),
    ggml(24, "I8", 1, 1),
    ggml(25, "I16", 1, 2),
    ggml(26, "I32", 1, 4),
    ggml(27, "I64", 1, 8),
    ggml(28, "F64", 1, 8),
    ggml(29, "IQ1_M", 256, 32 + 16 + 8),
    ggml(30, "BF16", 1, 2),
    ggml(31, "Q4_0_4_4", 32, 2 + 16),
    ggml(32, "Q4_0_4_8", 32, 2 + 16),
    ggml(33, "Q4_0_8_8", 32, 2 + 16),
    ggml(34, "TQ1_0", 256, 2 + 48 + 4),
    ggml(35, "TQ2_0", 256, 2 + 64),
    ggml(39, "MXFP4", 32, 1 + 16),
    ggml(40, "NVFP4", 64, 4 + 32),
    ggml(41, "Q1_0", 128, 2 + 16),
];
