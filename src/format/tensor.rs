//! A tensor as a file declares it, whatever the format.

use std::ops::Range;

/// One tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Element type, in the format's own words, as in `BF16` or `Q4_K`.
    pub dtype: &'static str,
    /// Dimensions, in the order of the file.
    pub shape: Vec<u64>,
    /// Where its bytes are, from the start of the file. Where only their number is known, the range begins at zero: no
    /// format has tensors there.
    pub range: Range<u64>,
    /// How its elements follow each other in that range: empty where in row-major order without gaps, else the strides in
    /// elements. `None` where that, or what the elements are, is not told by type and shape alone.
    pub strides: Option<Vec<i64>>,
}

impl TensorInfo {
    /// Where its bytes are, if that is known.
    pub fn place(&self) -> Option<Range<u64>> {
        if self.range.start > 0 { Some(self.range.clone()) } else { None }
    }
}

/// The product of `shape`; `None` if it does not fit 64 bits. Like the loaders, it does not stop at a zero: a product
/// that overflows before the zero comes is an overflow.
pub fn elements(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1u64, |product, &dimension| product.checked_mul(dimension))
}
