//! What a global may be: torch's allowlists and Python-2 name maps of every known version, compiled in as data.

use super::dtype::Dtype;
use super::granted::{self, Granted};
use super::version::{Era, Version};
use std::collections::HashMap;
use std::sync::LazyLock;

/// An allowed global, or a value that stands for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Known {
    OrderedDict,
    Counter,
    Set,
    ByteArray,
    Complex,
    Size,
    Device,
    Tensor,
    Parameter,
    TypedStorage,
    UntypedStorage,
    /// `torch.FloatTensor` and its like: dtype, on a GPU, sparse.
    TensorClass(Dtype, bool, bool),
    /// `torch.FloatStorage` and its like: dtype, on a GPU. A class up to 2.1, a mere label from 2.2.
    StorageClass(Dtype, bool),
    Dtype(Dtype),
    QScheme(QScheme),
    Encode,
    GetLayout,
    Rebuild(Rebuild),
    /// A builtin exception class (2.14 only); true if it takes whatever arguments it is given.
    Exception(bool),
    /// Another class or function that `import torch` itself allows.
    Ambient,
    /// One that the profile grants.
    Granted(Granted),
}

/// How a quantized tensor is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum QScheme {
    TensorAffine,
    TensorSymmetric,
    ChannelAffine,
    ChannelSymmetric,
    ChannelAffineFloat,
}

/// The functions that rebuild tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rebuild {
    Tensor,
    TensorV2,
    TensorV3,
    Parameter,
    ParameterWithState,
    Quantized,
    Sparse,
    SparseCsr,
    MetaNoStorage,
    WrapperSubclass,
    DeviceFromNumpy,
    DeviceFromCpu,
    Nested,
    FromTypeV2,
    Jagged,
}

/// What torch makes of a name.
pub(super) enum Lookup {
    Allowed(Known),
    /// Refused until this module was imported.
    Unimported(&'static str),
    /// Granted by the profile under this name only where numpy 1 is installed.
    Numpy1,
    Refused,
}

enum Kind {
    Allowed(Known),
    Unimported(&'static str),
}

type Table = HashMap<&'static str, Vec<(Kind, Version, Version)>>;

static GLOBALS: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    for (name, kind, first, last) in rows(include_str!("../../manifests/torch/globals.tsv")) {
        let kind = match kind.strip_prefix("unimported:") {
            Some(module) => Some(Kind::Unimported(module)),
            None => known(name, kind).map(Kind::Allowed),
        };
        if let Some(kind) = kind {
            table.entry(name).or_default().push((kind, first, last));
        }
    }
    table
});

type Renames = HashMap<&'static str, Vec<(&'static str, Version, Version)>>;

static PYTHON2: LazyLock<Renames> = LazyLock::new(|| {
    let mut table = Renames::new();
    for (old, new, first, last) in rows(include_str!("../../manifests/torch/python2.tsv")) {
        table.entry(old).or_default().push((new, first, last));
    }
    table
});

/// The modules in the map: few, and asked for every global.
static PYTHON2_MODULES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut modules: Vec<&str> = PYTHON2.keys().filter_map(|old| Some(old.rsplit_once('.')?.0)).collect();
    modules.sort_unstable();
    modules.dedup();
    modules
});

fn rows(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str, Version, Version)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let (name, kind) = (cells.next()?, cells.next()?);
        Some((name, kind, Version::resolve(cells.next()?)?, Version::resolve(cells.next()?)?))
    })
}

fn known(name: &'static str, kind: &'static str) -> Option<Known> {
    if let Some(dtype) = kind.strip_prefix("storage:") {
        return Some(Known::StorageClass(Dtype::named(dtype)?, name.starts_with("torch.cuda.")));
    }
    if kind == "dtype" {
        return Some(Known::Dtype(Dtype::named(name.strip_prefix("torch.")?)?));
    }
    let rebuild = |rebuild| Some(Known::Rebuild(rebuild));
    match name {
        "collections.OrderedDict" => Some(Known::OrderedDict),
        "collections.Counter" => Some(Known::Counter),
        "builtins.set" => Some(Known::Set),
        "builtins.bytearray" => Some(Known::ByteArray),
        "builtins.complex" => Some(Known::Complex),
        "torch.Size" => Some(Known::Size),
        "torch.device" => Some(Known::Device),
        "torch.Tensor" => Some(Known::Tensor),
        "torch.nn.parameter.Parameter" => Some(Known::Parameter),
        "torch.storage.TypedStorage" => Some(Known::TypedStorage),
        "torch.storage.UntypedStorage" => Some(Known::UntypedStorage),
        "_codecs.encode" => Some(Known::Encode),
        "torch.serialization._get_layout" => Some(Known::GetLayout),
        "torch.per_tensor_affine" => Some(Known::QScheme(QScheme::TensorAffine)),
        "torch.per_tensor_symmetric" => Some(Known::QScheme(QScheme::TensorSymmetric)),
        "torch.per_channel_affine" => Some(Known::QScheme(QScheme::ChannelAffine)),
        "torch.per_channel_symmetric" => Some(Known::QScheme(QScheme::ChannelSymmetric)),
        "torch.per_channel_affine_float_qparams" => Some(Known::QScheme(QScheme::ChannelAffineFloat)),
        "torch._utils._rebuild_tensor" => rebuild(Rebuild::Tensor),
        "torch._utils._rebuild_tensor_v2" => rebuild(Rebuild::TensorV2),
        "torch._utils._rebuild_tensor_v3" => rebuild(Rebuild::TensorV3),
        "torch._utils._rebuild_parameter" => rebuild(Rebuild::Parameter),
        "torch._utils._rebuild_parameter_with_state" => rebuild(Rebuild::ParameterWithState),
        "torch._utils._rebuild_qtensor" => rebuild(Rebuild::Quantized),
        "torch._utils._rebuild_sparse_tensor" => rebuild(Rebuild::Sparse),
        "torch._utils._rebuild_sparse_csr_tensor" => rebuild(Rebuild::SparseCsr),
        "torch._utils._rebuild_meta_tensor_no_storage" => rebuild(Rebuild::MetaNoStorage),
        "torch._utils._rebuild_wrapper_subclass" => rebuild(Rebuild::WrapperSubclass),
        "torch._utils._rebuild_device_tensor_from_numpy" => rebuild(Rebuild::DeviceFromNumpy),
        "torch._utils._rebuild_device_tensor_from_cpu_tensor" => rebuild(Rebuild::DeviceFromCpu),
        "torch._utils._rebuild_nested_tensor" => rebuild(Rebuild::Nested),
        "torch._tensor._rebuild_from_type_v2" => rebuild(Rebuild::FromTypeV2),
        "torch.nested._internal.nested_tensor._rebuild_njt" => rebuild(Rebuild::Jagged),
        _ if kind == "ambient" => Some(match name.strip_prefix("builtins.") {
            Some(name) => {
                Known::Exception(!name.starts_with("Unicode") && !name.contains("Group") && !name.contains("Syntax"))
            }
            None => Known::Ambient,
        }),
        _ => tensor_class(name),
    }
}

/// `torch[.cuda][.sparse].FloatTensor` and its like.
fn tensor_class(name: &str) -> Option<Known> {
    let (module, class) = name.rsplit_once('.')?;
    let dtype = match class.strip_suffix("Tensor")? {
        "Float" => "float32",
        "Double" => "float64",
        "Half" => "float16",
        "BFloat16" => "bfloat16",
        "Byte" => "uint8",
        "Char" => "int8",
        "Short" => "int16",
        "Int" => "int32",
        "Long" => "int64",
        "Bool" => "bool",
        _ => return None,
    };
    Some(Known::TensorClass(Dtype::named(dtype)?, module.contains(".cuda"), module.contains(".sparse")))
}

/// Looks a full name up, as the version in `era` does.
pub(super) fn lookup(era: &mut Era, name: &str) -> Lookup {
    for (kind, first, last) in GLOBALS.get(name).into_iter().flatten() {
        if era.within(*first, *last) {
            return match kind {
                Kind::Allowed(known) => Lookup::Allowed(*known),
                Kind::Unimported(module) => Lookup::Unimported(module),
            };
        }
    }
    match era.profile() {
        Some(profile) => granted::lookup(profile, name, |first| era.since(first)).unwrap_or(Lookup::Refused),
        None => Lookup::Refused,
    }
}

/// The Python 3 name of a Python 2 global, as module and name; both unchanged where the version does not map them.
pub(super) fn python3<'n>(era: &mut Era, module: &'n str, name: &'n str) -> (&'n str, &'n str) {
    if !PYTHON2_MODULES.contains(&module) {
        return (module, name);
    }
    for (new, first, last) in PYTHON2.get(format!("{module}.{name}").as_str()).into_iter().flatten() {
        if era.within(*first, *last)
            && let Some((module, name)) = new.rsplit_once('.')
        {
            return (module, name);
        }
    }
    for (new, first, last) in PYTHON2.get(format!("{module}.*").as_str()).into_iter().flatten() {
        if era.within(*first, *last)
            && let Some(module) = new.strip_suffix(".*")
        {
            return (module, name);
        }
    }
    (module, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_data_is_understood() {
        let globals = include_str!("../../manifests/torch/globals.tsv");
        let lines = globals.lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(GLOBALS.values().map(Vec::len).sum::<usize>(), lines);
        for version in Version::all() {
            let allowed = GLOBALS
                .values()
                .flatten()
                .filter(|(kind, first, last)| matches!(kind, Kind::Allowed(k) if !matches!(k, Known::Ambient | Known::Exception(_) | Known::Rebuild(Rebuild::Jagged))) && Era::new(version).within(*first, *last))
                .count();
            assert!((90..=145).contains(&allowed), "{version:?} {allowed}");
        }
    }

    #[test]
    fn python2_names_are_mapped_from_2_4() {
        let old = python3(&mut Era::new(Version::V2_2), "__builtin__", "xrange");
        assert_eq!(old, ("__builtin__", "xrange"));
        let new = python3(&mut Era::new(Version::V2_4), "__builtin__", "xrange");
        assert_eq!(new, ("builtins", "range"));
        assert_eq!(python3(&mut Era::new(Version::V2_15), "commands", "Popen").0, "commands");
    }
}
