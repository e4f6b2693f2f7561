//! Formats that mverify knows by name and does not parse. They are never proven; each says what to do instead.

use super::{Identity, Role};
use crate::rule::format as rules;
use crate::scan::Scan;

/// A format known by its magic only.
#[derive(Debug, PartialEq, Eq)]
pub struct Opaque {
    /// Format and role in reports.
    pub identity: Identity,
    /// What it is, with its article.
    pub what: &'static str,
    at: usize,
    magic: &'static [u8],
}

impl Opaque {
    /// Reports that the content cannot be proven.
    pub fn report(&self, scan: &mut Scan<'_>) -> Identity {
        if self.identity.role == Role::Code {
            scan.report(&rules::NATIVE_CODE, 0, format!("this is {}", self.what));
        } else {
            scan.report(&rules::UNSUPPORTED, 0, format!("this is {}, which mverify does not read yet", self.what));
        }
        self.identity
    }
}

const fn opaque(format: &'static str, role: Role, what: &'static str, at: usize, magic: &'static [u8]) -> Opaque {
    Opaque { identity: Identity { format, role }, what, at, magic }
}

static TABLE: &[Opaque] = &[
    opaque("elf", Role::Code, "a Linux program or shared library (ELF)", 0, b"\x7fELF"),
    opaque("mach-o", Role::Code, "a macOS program or library (Mach-O)", 0, b"\xfe\xed\xfa\xce"),
    opaque("mach-o", Role::Code, "a macOS program or library (Mach-O)", 0, b"\xfe\xed\xfa\xcf"),
    opaque("mach-o", Role::Code, "a macOS program or library (Mach-O)", 0, b"\xce\xfa\xed\xfe"),
    opaque("mach-o", Role::Code, "a macOS program or library (Mach-O)", 0, b"\xcf\xfa\xed\xfe"),
    opaque("mach-o", Role::Code, "a macOS universal binary or a Java class", 0, b"\xca\xfe\xba\xbe"),
    opaque("wasm", Role::Code, "a WebAssembly module", 0, b"\0asm"),
    opaque(
        "hdf5",
        Role::Opaque,
        "an HDF5 file (Keras models may hold Lambda layers, which are code)",
        0,
        b"\x89HDF\r\n\x1a\n",
    ),
    opaque("7z", Role::Opaque, "a 7z archive", 0, b"7z\xbc\xaf\x27\x1c"),
    opaque("rar", Role::Opaque, "a RAR archive", 0, b"Rar!\x1a\x07"),
    opaque("sqlite", Role::Opaque, "an SQLite database", 0, b"SQLite format 3\0"),
    opaque("parquet", Role::Opaque, "a Parquet file", 0, b"PAR1"),
    opaque("arrow", Role::Opaque, "an Arrow file", 0, b"ARROW1\0\0"),
    opaque("tflite", Role::Opaque, "a TensorFlow Lite model", 4, b"TFL3"),
    opaque("executorch", Role::Opaque, "an ExecuTorch program", 4, b"ET12"),
    opaque("pdf", Role::Opaque, "a PDF document", 0, b"%PDF-"),
    opaque("ggml", Role::Opaque, "a GGML model of before GGUF", 0, b"lmgg"),
    opaque("ggml", Role::Opaque, "a GGML model of before GGUF", 0, b"tjgg"),
    opaque("ggml", Role::Opaque, "a GGML model of before GGUF", 0, b"fmgg"),
    opaque("rds", Role::Opaque, "an R data file", 0, b"RDX3\n"),
    opaque("cab", Role::Opaque, "a cabinet archive", 0, b"MSCF\0\0\0\0"),
    opaque("lzip", Role::Opaque, "an lzip stream", 0, b"LZIP\x01"),
];

static PE: Opaque = opaque("pe", Role::Code, "a Windows program or library (PE)", 0, b"MZ");

/// The opaque format that begins with `head`.
pub fn of_head(head: &[u8]) -> Option<&'static Opaque> {
    if is_pe(head) {
        return Some(&PE);
    }
    TABLE.iter().find(|opaque| head.get(opaque.at..).is_some_and(|rest| rest.starts_with(opaque.magic)))
}

/// `MZ` alone is a plausible start of text; the new header it points to is not.
fn is_pe(head: &[u8]) -> bool {
    let pointer = head.get(60..64).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let at = pointer.and_then(|at| usize::try_from(at).ok());
    head.starts_with(b"MZ") && at.and_then(|at| head.get(at..)).is_some_and(|new| new.starts_with(b"PE\0\0"))
}
