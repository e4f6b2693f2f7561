//! Sparse and nested tensors: the two kinds whose loading depends on the numbers inside their storages.
//!
//! Bound: at most [`LARGEST`] bytes of indices are read for a tensor; beyond that the answer is a doubt.

use super::call::arity;
use super::dtype::Dtype;
use super::rebuild::argument;
use super::stop::{Run, corrupt, doubt};
use super::unpickler::Machine;
use super::value::{Content, Forgotten, Layout, Object, Tensor, Value};
use super::version::Version;

/// Most bytes of indices that are looked at.
const LARGEST: u64 = 1 << 26;

/// A sparse tensor that is checked once all storages are filled.
pub(super) struct Unchecked {
    layout: Layout,
    sizes: Vec<i64>,
    /// Indices of a COO tensor, or compressed indices.
    first: Tensor,
    /// Plain indices of a compressed tensor.
    second: Option<Tensor>,
    values: Tensor,
    coalesced: bool,
    /// Made by the function of 1.13 that checks nothing.
    unsafely: bool,
}

impl Machine<'_, '_, '_> {
    /// `_rebuild_sparse_tensor(layout, data)`.
    pub fn sparse(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 2, 2, "_rebuild_sparse_tensor")?;
        self.sparse_of(args, false)
    }

    /// `_rebuild_sparse_csr_tensor(layout, data)` of 1.13, which checks nothing.
    pub fn sparse_csr(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 2, 2, "_rebuild_sparse_csr_tensor")?;
        self.sparse_of(args, true)
    }

    fn sparse_of(&mut self, args: &[Value], csr: bool) -> Run<Value> {
        let layout = match self.arena.object(argument(args, 0)) {
            Some(Object::Layout(layout)) => *layout,
            Some(Object::Tensor(_)) => return Err(doubt("a tensor as layout")),
            _ => return Err(corrupt("NotImplementedError: rebuilding sparse tensor for what is no layout")),
        };
        let compressed = match layout {
            Layout::SparseCoo if !csr => false,
            Layout::Compressed { rows: true, blocks: false } if csr => true,
            Layout::Compressed { .. } if self.era.since(Version::V2_0) => true,
            _ if csr => return Err(doubt("a layout that is not modelled for this function")),
            _ => return Err(corrupt("NotImplementedError: rebuilding sparse tensor for this layout")),
        };
        if matches!(self.arena.object(argument(args, 1)), Some(Object::Forgotten(Forgotten::Tuple | Forgotten::List))) {
            return Err(doubt("a forgotten tuple"));
        }
        let data = self.iterate(argument(args, 1))?;
        let with_flag = !compressed && data.len() == 4 && self.era.since(Version::V2_1);
        if data.len() != if compressed || with_flag { 4 } else { 3 } {
            return Err(corrupt("ValueError: a wrong number of values to unpack for a sparse tensor"));
        }
        let coalesced = match argument(&data, 3) {
            _ if !with_flag => false,
            Value::None => false,
            Value::Bool(flag) => flag,
            _ => return Err(corrupt("TypeError: sparse_coo_tensor(): is_coalesced must be bool")),
        };
        let first = self.plain_tensor(argument(&data, 0))?;
        let (second, rest) = if compressed { (Some(self.plain_tensor(argument(&data, 1))?), 2) } else { (None, 1) };
        let values = self.plain_tensor(argument(&data, rest))?;
        let sizes = self.ints(argument(&data, rest.saturating_add(1)))?;
        // multiplied from the left, so that a zero behind comes too late
        let count = sizes.iter().try_fold(1i64, |count, size| count.checked_mul(*size));
        if count.is_none() && sizes.iter().all(|size| *size >= 0) {
            return Err(match self.era.since(Version::V2_15) {
                true => corrupt("RuntimeError: numel: integer multiplication overflow"),
                false => doubt("a sparse tensor of more elements than can be counted"),
            });
        }
        let tensor = Tensor { sizes: sizes.clone(), layout, odd: true, ..Tensor::empty(values.dtype) };
        self.loading.sparse.push(Unchecked { layout, sizes, first, second, values, coalesced, unsafely: csr });
        self.add_tensor(tensor)
    }

    fn plain_tensor(&self, value: Value) -> Run<Tensor> {
        match self.arena.tensor(value) {
            Some(tensor) if !tensor.odd && !tensor.meta && tensor.layout == Layout::Strided => Ok(tensor.clone()),
            _ => Err(doubt("a part of a sparse tensor is no plain tensor")),
        }
    }

    /// Checks the sparse tensors of a finished load, where the version does.
    pub fn check_sparse(&mut self) -> Run<()> {
        let all = std::mem::take(&mut self.loading.sparse);
        if all.is_empty() {
            return Ok(());
        }
        // From 2.8 to 2.13 only programs that ask for it get the check.
        let checked = !self.era.since(Version::V2_8) || self.era.since(Version::V2_14);
        for tensor in all {
            match self.consistent(&tensor)? {
                None => {}
                Some(_) if tensor.unsafely => return Err(doubt("an inconsistent sparse tensor, unchecked")),
                Some((_, shape)) if !checked && shape => return Err(doubt("an inconsistent sparse tensor, unchecked")),
                Some(_) if !checked => {}
                Some((reason, _)) => return Err(corrupt(format!("RuntimeError: {reason}"))),
            }
        }
        Ok(())
    }

    /// What is wrong with a sparse tensor, and whether it is its shape.
    fn consistent(&self, tensor: &Unchecked) -> Run<Option<(&'static str, bool)>> {
        match tensor.layout {
            Layout::SparseCoo => self.consistent_coo(tensor),
            Layout::Compressed { rows, blocks } => self.consistent_compressed(tensor, rows, blocks),
            _ => Ok(None),
        }
    }

    fn consistent_coo(&self, tensor: &Unchecked) -> Run<Option<(&'static str, bool)>> {
        let (&[dims, count], Some(held)) = (tensor.first.sizes.as_slice(), tensor.values.sizes.first()) else {
            return Ok(Some(("indices must be a matrix and values at least a vector", true)));
        };
        if tensor.first.dtype != Dtype::INT64 {
            return Err(doubt("indices of a sparse tensor are not int64"));
        }
        let split = usize::try_from(dims).ok().and_then(|dims| tensor.sizes.split_at_checked(dims));
        let Some((sparse, dense)) = split else {
            return Ok(Some(("'len(size) == sparse_dim + dense_dim' is not satisfied", true)));
        };
        if count != *held {
            return Ok(Some(("indices and values must have same nnz", true)));
        }
        if tensor.values.sizes.get(1..).unwrap_or_default() != dense || tensor.sizes.iter().any(|size| *size < 0) {
            return Ok(Some(("values has incorrect size", true)));
        }
        let indices = self.numbers(&tensor.first)?;
        let count = usize::try_from(count).unwrap_or(0);
        if count == 0 || dims == 0 {
            return Ok(None);
        }
        for (row, size) in indices.chunks(count).zip(sparse) {
            if row.iter().any(|index| *index < 0 || index >= size) {
                return Ok(Some(("size is inconsistent with indices", false)));
            }
        }
        if tensor.coalesced {
            let column = |at: usize| indices.iter().skip(at).step_by(count);
            let sorted = (1..count).all(|at| column(at.saturating_sub(1)).lt(column(at)));
            if !sorted {
                return Ok(Some((
                    "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor",
                    true,
                )));
            }
        }
        Ok(None)
    }

    fn consistent_compressed(&self, tensor: &Unchecked, rows: bool, blocks: bool) -> Run<Option<(&'static str, bool)>> {
        let second = tensor.second.as_ref().ok_or_else(|| doubt("no plain indices"))?;
        let (&[steps], &[count]) = (tensor.first.sizes.as_slice(), second.sizes.as_slice()) else {
            return if tensor.first.sizes.is_empty() || second.sizes.is_empty() {
                Ok(Some(("crow_indices must have dimensionality >= 1", true)))
            } else {
                Err(doubt("a batch of compressed sparse tensors"))
            };
        };
        let gaps = |indices: &Tensor| indices.numel() != Some(0) && indices.strides.last() != Some(&1);
        if gaps(second) || gaps(&tensor.first) {
            return Ok(Some(("expected indices to be a contiguous tensor per batch", true)));
        }
        if tensor.first.dtype != second.dtype {
            return Ok(Some(("crow_indices and col_indices must have the same dtype", true)));
        }
        if ![Dtype::INT64, Dtype::INT32].contains(&second.dtype) {
            return Err(doubt("odd indices of a compressed sparse tensor"));
        }
        let (block, dense) = match (tensor.values.sizes.as_slice(), blocks) {
            ([held, dense @ ..], false) if *held == count => ((1, 1), dense),
            ([held, height, width, dense @ ..], true) if *held == count => ((*height, *width), dense),
            _ => return Ok(Some(("col_indices.shape[-1] must be equal to nnz as defined by values.shape[0]", true))),
        };
        let [height, width, rest @ ..] = tensor.sizes.as_slice() else {
            return Ok(Some(("tensor dimensionality must be sum of batch, base, and dense dimensionalities", true)));
        };
        if block.0 == 0 || block.1 == 0 {
            return Err(doubt("a compressed sparse tensor of empty blocks"));
        }
        let whole =
            |size: i64, block: i64| (size.checked_rem(block) == Some(0)).then(|| size.checked_div(block)).flatten();
        let (Some(down), Some(across)) = (whole(*height, block.0), whole(*width, block.1)) else {
            return Ok(Some(("tensor shape must be divisible with blocksize", true)));
        };
        let (compressed, plain) = if rows { (down, across) } else { (across, down) };
        if rest != dense || compressed.checked_add(1) != Some(steps) || compressed < 0 || plain < 0 {
            return Ok(Some(("crow_indices.shape[-1] must be equal to the number of rows + 1", true)));
        }
        let (starts, places) = (self.numbers(&tensor.first)?, self.numbers(second)?);
        if starts.first() != Some(&0) || starts.last() != Some(&count) {
            return Ok(Some(("`crow_indices[..., -1] == nnz` is not satisfied.", false)));
        }
        if places.iter().any(|place| *place < 0 || *place >= plain) {
            return Ok(Some(("`0 <= col_indices < ncols` is not satisfied.", false)));
        }
        for pair in starts.windows(2) {
            let &[from, to] = pair else { continue };
            let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            let row = range.and_then(|(from, to)| places.get(from..to));
            if !row.is_some_and(|row| row.is_sorted_by(|a, b| a < b)) {
                return Ok(Some(("col_indices are not sorted and distinct in every row", false)));
            }
        }
        Ok(None)
    }

    /// The numbers of an integer tensor, in natural order.
    fn numbers(&self, tensor: &Tensor) -> Run<Vec<i64>> {
        let count = tensor.numel().ok_or_else(|| doubt("too many indices"))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        let item = tensor.dtype.bytes();
        if count.saturating_mul(item) > LARGEST {
            return Err(doubt("more indices than are looked at"));
        }
        let storage =
            tensor.storage.and_then(|id| self.arena.storage(id)).ok_or_else(|| doubt("indices without storage"))?;
        let bytes =
            self.storages.content(storage, LARGEST).ok_or_else(|| doubt("indices whose content is not known"))?;
        let size = usize::try_from(item).unwrap_or(8);
        let read = |at: i64| -> Option<i64> {
            let start = usize::try_from(at).ok()?.checked_mul(size)?;
            let number = bytes.get(start..start.checked_add(size)?)?;
            match number.try_into() {
                Ok(wide) => Some(i64::from_le_bytes(wide)),
                Err(_) => number.try_into().ok().map(|narrow| i64::from(i32::from_le_bytes(narrow))),
            }
        };
        let mut places = vec![tensor.offset];
        for (size, stride) in tensor.sizes.iter().zip(&tensor.strides) {
            let mut next = Vec::with_capacity(places.len());
            for place in &places {
                for step in 0..*size {
                    let place = step.checked_mul(*stride).and_then(|by| place.checked_add(by));
                    next.push(place.ok_or_else(|| doubt("indices out of reach"))?);
                }
            }
            places = next;
        }
        places.into_iter().map(|at| read(at).ok_or_else(|| doubt("indices beyond their record"))).collect()
    }

    /// `_rebuild_nested_tensor(buffer, sizes, strides, offsets)`.
    pub fn nested(&mut self, args: &[Value]) -> Run<Value> {
        arity(args, 4, 4, "_rebuild_nested_tensor")?;
        let buffer = self.plain_tensor(argument(args, 0))?;
        let sizes = self.plain_tensor(argument(args, 1))?;
        let strides = self.plain_tensor(argument(args, 2))?;
        let offsets = self.plain_tensor(argument(args, 3))?;
        let int64 = |tensor: &Tensor| tensor.dtype == Dtype::INT64;
        let shaped = sizes.sizes.len() == 2
            && sizes.sizes == strides.sizes
            && offsets.sizes == sizes.sizes.get(..1).unwrap_or_default();
        if !(int64(&sizes) && int64(&strides) && int64(&offsets) && shaped && buffer.contiguous()) {
            return Err(doubt("an odd nested tensor"));
        }
        for tensor in [&sizes, &strides, &offsets] {
            let storage = tensor.storage.and_then(|id| self.arena.storage(id));
            if storage.is_some_and(|s| s.content == Content::Unknown) && tensor.numel() != Some(0) {
                return Err(corrupt(
                    "RuntimeError: a nested tensor's sizes are used before the legacy file's storages are read",
                ));
            }
        }
        let columns = usize::try_from(argument_size(&sizes, 1)).unwrap_or(0).max(1);
        let (rows, steps, starts) = (self.numbers(&sizes)?, self.numbers(&strides)?, self.numbers(&offsets)?);
        let mut total = 0u64;
        for ((row, step), start) in rows.chunks(columns).zip(steps.chunks(columns)).zip(&starts) {
            let part = Tensor { sizes: row.to_vec(), strides: step.to_vec(), ..Tensor::empty(buffer.dtype) };
            if u64::try_from(*start).ok() != Some(total) || !part.contiguous() {
                return Err(doubt("an irregular nested tensor"));
            }
            total =
                part.numel().and_then(|n| total.checked_add(n)).ok_or_else(|| doubt("too large a nested tensor"))?;
        }
        if buffer.numel() != Some(total) {
            return Err(doubt("a nested tensor whose parts do not fill its buffer"));
        }
        self.add_tensor(Tensor { odd: true, ..Tensor::empty(buffer.dtype) })
    }
}

fn argument_size(tensor: &Tensor, at: usize) -> i64 {
    tensor.sizes.get(at).copied().unwrap_or(0)
}
