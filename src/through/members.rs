//! The files of a tar archive that comes piece by piece.
//!
//! Bound: memory is one header, one extended header (1 MiB at most), and what [`Names`] keeps.

use super::{Failure, Member};
use crate::budget::Spent;
use crate::container::tar_header::{
    self, BLOCK, EXTENDED, Extended, Header, field, header_name, prefix_is_disputed, text,
};
use crate::container::unpacked::Names;
use crate::container::{zip_audit, zip_names};
use crate::digest::{Algorithm, Hasher};
use crate::finding::shown;
use std::io;

/// Problems that are told one by one.
const TOLD: usize = 64;
/// Longest name in bytes: what Linux takes for a path. Longer ones would let a small archive fill memory and output.
const LONGEST: usize = 4096;

/// Takes an archive apart as it comes.
pub(super) struct Members<'m> {
    algorithms: &'m [Algorithm],
    deliver: &'m mut dyn FnMut(Member) -> io::Result<()>,
    at: u64,
    state: State,
    next: Extended,
    names: Names,
    problems: Vec<String>,
    untold: usize,
}

enum State {
    /// A header, as far as it came.
    Header(Vec<u8>),
    /// The content of a member.
    Content { left: u64, padding: u64, of: Content },
    /// Padding behind content.
    Padding(u64),
    /// Behind the first block of zeros.
    End,
}

enum Content {
    File { name: Vec<u8>, size: u64, hasher: Hasher },
    Extended(u8, Vec<u8>),
    Other,
}

impl<'m> Members<'m> {
    pub fn new(
        algorithms: &'m [Algorithm],
        max_entries: u64,
        deliver: &'m mut dyn FnMut(Member) -> io::Result<()>,
    ) -> Self {
        Members {
            algorithms,
            deliver,
            at: 0,
            state: State::Header(Vec::new()),
            next: Extended::default(),
            names: Names::new(max_entries),
            problems: Vec::new(),
            untold: 0,
        }
    }

    /// Takes the next bytes of the archive.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let used = self.step(bytes)?;
            self.at += used as u64;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// The problems met. Fails where the archive has no end.
    pub fn finish(mut self) -> Result<Vec<String>, Failure> {
        if !matches!(self.state, State::End) {
            return Err(self.broken("the archive has no end mark: it is cut off"));
        }
        if self.untold > 0 {
            self.problems.push(format!("and {} problems more", self.untold));
        }
        Ok(self.problems)
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::Broken { at: self.at, what: what.to_owned() }
    }

    fn problem(&mut self, what: String) {
        if self.problems.len() < TOLD { self.problems.push(what) } else { self.untold += 1 }
    }

    /// Uses some of `bytes`, at least one; how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match &mut self.state {
            State::Header(block) => {
                let n = most(BLOCK - block.len() as u64);
                block.extend_from_slice(&bytes[..n]);
                if block.len() as u64 == BLOCK {
                    let block = std::mem::take(block);
                    self.header(&block)?;
                }
                Ok(n)
            }
            State::Content { left, of, .. } => {
                let n = most(*left);
                match of {
                    Content::File { hasher, .. } => hasher.update(&bytes[..n]),
                    Content::Extended(_, content) => content.extend_from_slice(&bytes[..n]),
                    Content::Other => {}
                }
                *left -= n as u64;
                if *left == 0 {
                    self.complete()?;
                }
                Ok(n)
            }
            State::Padding(left) => {
                let n = most(*left);
                *left -= n as u64;
                if *left == 0 {
                    self.state = State::Header(Vec::new());
                }
                Ok(n)
            }
            State::End if bytes.iter().all(|byte| *byte == 0) => Ok(bytes.len()),
            State::End => Err(self.broken("bytes follow the end mark of the archive, which only some readers see")),
        }
    }

    fn header(&mut self, block: &[u8]) -> Result<(), Failure> {
        if block.iter().all(|byte| *byte == 0) {
            if self.next != Extended::default() {
                return Err(self.broken("the archive ends behind an extended header, without its member"));
            }
            self.state = State::End;
            return Ok(());
        }
        let Some(header) = Header::of(block, &self.next) else {
            return Err(self.broken("no header of a tar archive stands here"));
        };
        let Some(size) = header.size else { return Err(self.broken("a header states a size that is no number")) };
        if size > 0 && !header.has_content() {
            return Err(self.broken("a link, folder or device has a size, which only some readers skip"));
        }
        let of = if header.is_extended() {
            if size > EXTENDED {
                return Err(self.broken("an extended header is too large"));
            }
            Content::Extended(header.kind, Vec::new())
        } else {
            self.member(block, header, size)?
        };
        let padding = size.next_multiple_of(BLOCK) - size;
        self.state = State::Content { left: size, padding, of };
        if size == 0 { self.complete() } else { Ok(()) }
    }

    fn member(&mut self, block: &[u8], header: Header, size: u64) -> Result<Content, Failure> {
        let said = std::mem::take(&mut self.next);
        if said.sparse {
            return Err(self.broken("a member is a sparse file, which is not read"));
        }
        if said.name.is_none() && prefix_is_disputed(block) {
            return Err(self.broken("the name of a member starts with a prefix that only some readers see"));
        }
        let name = said.name.unwrap_or_else(|| header_name(block));
        if name.len() > LONGEST {
            return Err(self.broken("the name of a member is longer than any system takes"));
        }
        if let Some(what) = zip_names::defect(&name, false) {
            self.problem(format!("the name {} is unsafe: {what}", show(&name)));
        }
        // a name with a slash at its end is a folder in old archives, whatever its type
        let folder = header.kind == b'5' || (header.is_file() && name.ends_with(b"/"));
        if let Some(clash) = self.names.add(&name, folder).map_err(|Spent(limit)| Failure::Limit { limit })? {
            self.problem(format!("{} {clash}", show(&name)));
        }
        if folder {
            if size > 0 {
                self.problem(format!("{} is a folder by its name and has content", show(&name)));
            }
            return Ok(Content::Other);
        }
        if header.is_file() {
            let hasher = Hasher::new(self.algorithms, Some(size)).map_err(io::Error::other)?;
            return Ok(Content::File { name, size, hasher });
        }
        let link = said.link.unwrap_or_else(|| text(field(block, 157, 100)).to_vec());
        self.problem(match header.kind {
            b'1' | b'2' => {
                let from: &[u8] = if header.kind == b'1' { b"" } else { &name };
                let out = if zip_audit::stays_inside(from, &link) { "" } else { ", which leads out of the archive" };
                format!("{} is a link to {}{out}: it has no content to hash", show(&name), show(&link))
            }
            kind => format!("{} is of the kind {:?}, which is not read", show(&name), char::from(kind)),
        });
        Ok(Content::Other)
    }

    /// The content is complete.
    fn complete(&mut self) -> Result<(), Failure> {
        let State::Content { padding, of, .. } = std::mem::replace(&mut self.state, State::Header(Vec::new())) else {
            return Ok(());
        };
        if padding > 0 {
            self.state = State::Padding(padding);
        }
        match of {
            Content::File { name, size, hasher } => {
                (self.deliver)(Member { name, size, digests: hasher.finish() })?;
            }
            Content::Extended(kind, bytes) => {
                tar_header::extend(kind, &bytes, &mut self.next).map_err(|why| self.broken(why))?;
            }
            Content::Other => {}
        }
        Ok(())
    }
}

fn show(name: &[u8]) -> String {
    shown(&String::from_utf8_lossy(name))
}
