//! A zip writer for tests that writes what it is told, lies included.

/// One header of a member, local or central.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    pub name: Vec<u8>,
    pub version: u16,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub compressed: u32,
    pub size: u32,
    pub extra: Vec<u8>,
}

/// A member: both headers, and what is written between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub local: Header,
    pub central: Header,
    pub before: Vec<u8>,
    pub body: Vec<u8>,
    pub descriptor: Vec<u8>,
    pub made_by: u16,
    pub disk: u16,
    pub external: u32,
    pub comment: Vec<u8>,
    /// Offset the directory states, where it is not the true one.
    pub offset: Option<u32>,
}

/// A stored member that is all right.
pub(crate) fn stored(name: &str, body: &[u8]) -> Made {
    let size = body.len() as u32;
    let header = Header {
        name: name.as_bytes().to_vec(),
        version: 20,
        crc: crc32fast::hash(body),
        compressed: size,
        size,
        ..Header::default()
    };
    Made { local: header.clone(), central: header, body: body.to_vec(), ..Made::default() }
}

/// A deflated member that is all right.
pub(crate) fn deflated(name: &str, body: &[u8]) -> Made {
    let mut made = stored(name, body);
    let mut encoder = flate2::read::DeflateEncoder::new(body, flate2::Compression::best());
    made.body.clear();
    std::io::Read::read_to_end(&mut encoder, &mut made.body).unwrap();
    both(&mut made, |h| (h.method, h.compressed) = (8, 0));
    let compressed = made.body.len() as u32;
    both(&mut made, |h| h.compressed = compressed);
    made
}

/// Changes both headers alike.
pub(crate) fn both(made: &mut Made, change: impl Fn(&mut Header)) {
    change(&mut made.local);
    change(&mut made.central);
}

/// The archive's end, where it is to differ from the truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub before_directory: Vec<u8>,
    pub entries: Option<u16>,
    pub directory: Option<u32>,
    pub disk: u16,
    pub comment: Vec<u8>,
    pub after: Vec<u8>,
}

fn u16s(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

fn u32s(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

/// Writes an honest end.
pub(crate) fn zip(members: &[Made]) -> Vec<u8> {
    zip_with(members, &Tail::default())
}

/// Writes the archive.
pub(crate) fn zip_with(members: &[Made], tail: &Tail) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for m in members {
        out.extend(&m.before);
        let at = out.len() as u32;
        let h = &m.local;
        out.extend(b"PK\x03\x04");
        u16s(&mut out, &[h.version, h.flags, h.method, 0, 0x21]);
        u32s(&mut out, &[h.crc, h.compressed, h.size]);
        u16s(&mut out, &[h.name.len() as u16, h.extra.len() as u16]);
        out.extend([&h.name, &h.extra, &m.body, &m.descriptor].into_iter().flatten());
        let h = &m.central;
        directory.extend(b"PK\x01\x02");
        u16s(&mut directory, &[m.made_by, h.version, h.flags, h.method, 0, 0x21]);
        u32s(&mut directory, &[h.crc, h.compressed, h.size]);
        u16s(&mut directory, &[h.name.len() as u16, h.extra.len() as u16, m.comment.len() as u16, m.disk, 0]);
        u32s(&mut directory, &[m.external, m.offset.unwrap_or(at)]);
        directory.extend([&h.name, &h.extra, &m.comment].into_iter().flatten());
    }
    out.extend(&tail.before_directory);
    let at = out.len() as u32;
    out.extend(&directory);
    let count = tail.entries.unwrap_or(members.len() as u16);
    out.extend(b"PK\x05\x06");
    u16s(&mut out, &[tail.disk, 0, count, count]);
    u32s(&mut out, &[directory.len() as u32, tail.directory.unwrap_or(at)]);
    u16s(&mut out, &[tail.comment.len() as u16]);
    out.extend([&tail.comment, &tail.after].into_iter().flatten());
    out
}
