//! Element types.

/// A `torch.dtype`: its row in [`DTYPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dtype(u8);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Int,
    Float,
    Complex,
    Quantized,
}

/// Name without `torch.`, bytes per element, class.
const DTYPES: [(&str, u8, Class); 47] = [
    ("float32", 4, Class::Float),
    ("float64", 8, Class::Float),
    ("float16", 2, Class::Float),
    ("bfloat16", 2, Class::Float),
    ("int64", 8, Class::Int),
    ("int32", 4, Class::Int),
    ("int16", 2, Class::Int),
    ("int8", 1, Class::Int),
    ("uint8", 1, Class::Int),
    ("bool", 1, Class::Int),
    ("complex32", 4, Class::Complex),
    ("bcomplex32", 4, Class::Complex),
    ("complex64", 8, Class::Complex),
    ("complex128", 16, Class::Complex),
    ("qint8", 1, Class::Quantized),
    ("qint32", 4, Class::Quantized),
    ("quint8", 1, Class::Quantized),
    ("quint4x2", 1, Class::Quantized),
    ("quint2x4", 1, Class::Quantized),
    ("uint16", 2, Class::Int),
    ("uint32", 4, Class::Int),
    ("uint64", 8, Class::Int),
    ("bits8", 1, Class::Int),
    ("bits16", 2, Class::Int),
    ("bits1x8", 1, Class::Int),
    ("bits2x4", 1, Class::Int),
    ("bits4x2", 1, Class::Int),
    ("float8_e4m3fn", 1, Class::Float),
    ("float8_e4m3fnuz", 1, Class::Float),
    ("float8_e5m2", 1, Class::Float),
    ("float8_e5m2fnuz", 1, Class::Float),
    ("float8_e8m0fnu", 1, Class::Float),
    ("float4_e2m1fn_x2", 1, Class::Float),
    ("int1", 1, Class::Int),
    ("int2", 1, Class::Int),
    ("int3", 1, Class::Int),
    ("int4", 1, Class::Int),
    ("int5", 1, Class::Int),
    ("int6", 1, Class::Int),
    ("int7", 1, Class::Int),
    ("uint1", 1, Class::Int),
    ("uint2", 1, Class::Int),
    ("uint3", 1, Class::Int),
    ("uint4", 1, Class::Int),
    ("uint5", 1, Class::Int),
    ("uint6", 1, Class::Int),
    ("uint7", 1, Class::Int),
];

impl Dtype {
    pub const FLOAT32: Dtype = Dtype(0);
    pub const INT64: Dtype = Dtype(4);
    pub const INT32: Dtype = Dtype(5);
    pub const UINT8: Dtype = Dtype(8);

    pub fn named(name: &str) -> Option<Dtype> {
        DTYPES.iter().position(|(n, _, _)| *n == name).and_then(|at| u8::try_from(at).ok()).map(Dtype)
    }
    pub fn name(self) -> &'static str {
        DTYPES.get(usize::from(self.0)).map_or("", |(name, _, _)| name)
    }
    /// Bytes per element.
    pub fn bytes(self) -> u64 {
        DTYPES.get(usize::from(self.0)).map_or(1, |(_, bytes, _)| u64::from(*bytes))
    }
    /// Elements that share one byte.
    pub fn per_byte(self) -> u64 {
        match self.name() {
            "quint4x2" => 2,
            "quint2x4" => 4,
            _ => 1,
        }
    }
    fn class(self) -> Class {
        DTYPES.get(usize::from(self.0)).map_or(Class::Int, |(_, _, class)| *class)
    }
    /// True if a tensor of it may require gradients.
    pub fn differentiable(self) -> bool {
        matches!(self.class(), Class::Float | Class::Complex)
    }
    pub fn complex(self) -> bool {
        self.class() == Class::Complex
    }
    pub fn quantized(self) -> bool {
        self.class() == Class::Quantized
    }
}
