//! Tar archives: ustar, pax and GNU headers, walked block by block.
//!
//! Threat: names and links that leave the folder, headers at which readers part ways (a broken checksum makes Python's
//! tarfile stop and GNU tar search on), archives behind the end mark. Bound: linear in the number of members; contents
//! are never copied here, extended headers only up to [`EXTENDED`] bytes each.

use super::cursor::len64;
use super::tar_header::{self, BLOCK, EXTENDED, Extended, Header, field, header_name, prefix_is_disputed, text};
use super::{zip_audit, zip_names};
use crate::finding::{Finding, shown};
use crate::format::{self, Identity, Role};
use crate::rule::container as rules;
use crate::rule::torch::TORCH_TAR;
use crate::scan::Scan;
use crate::source::View;
use std::io;

/// Findings of one archive about its headers at most.
const TOLD: u32 = 64;

/// Walks the archive and examines every member.
pub fn check(view: &View<'_>, scan: &mut Scan<'_>) -> Identity {
    let mut walk = Walk { view: *view, at: 0, told: 0, next: Extended::default(), torch: 0 };
    if let Err(error) = walk.run(scan) {
        format::unreadable(&error, scan);
    }
    let torch = walk.torch == 0b111;
    if torch {
        let message = "the archive holds pickle, storages and tensors, as torch.save wrote before 2017";
        scan.find(Finding::new(&TORCH_TAR, message));
    }
    Identity { format: if torch { "torch-tar" } else { "tar" }, role: Role::Loadable }
}

struct Walk<'a> {
    view: View<'a>,
    at: u64,
    told: u32,
    next: Extended,
    /// One bit for each of the members of torch's tar format.
    torch: u8,
}

impl Walk<'_> {
    fn tell(&mut self, rule: &'static crate::rule::Rule, message: String, scan: &mut Scan<'_>) {
        self.told = self.told.saturating_add(1);
        if self.told <= TOLD || (self.told <= TOLD.saturating_mul(2) && rule.effect == crate::rule::Effect::Bad) {
            scan.report(rule, self.at, message);
        }
    }

    fn run(&mut self, scan: &mut Scan<'_>) -> io::Result<()> {
        loop {
            if self.view.len().saturating_sub(self.at) < BLOCK {
                self.tell(&rules::TAR_TRUNCATED, "the archive has no end mark".into(), scan);
                return Ok(());
            }
            let block = self.view.copy(self.at..self.at.saturating_add(BLOCK))?;
            if block.iter().all(|b| *b == 0) {
                return self.end(scan);
            }
            let Some(header) = Header::of(&block, &self.next) else {
                let message = "a header has the wrong checksum; what follows is seen by some readers only";
                self.tell(&rules::TAR_AMBIGUOUS, message.into(), scan);
                self.rest(self.at, scan);
                return Ok(());
            };
            if let Err(spent) = scan.budget.entries(1) {
                scan.spent(spent, self.at);
                return Ok(());
            }
            let Some(next) = self.member(&block, header, scan)? else { return Ok(()) };
            self.at = next;
        }
    }

    /// The end mark is two zero blocks; zeros up to any length may follow, and nothing else.
    fn end(&mut self, scan: &mut Scan<'_>) -> io::Result<()> {
        let mut at = self.at;
        while at < self.view.len() {
            let block = self.view.copy(at..at.saturating_add(1 << 16).min(self.view.len()))?;
            if let Some(offset) = block.iter().position(|b| *b != 0) {
                let offset = at.saturating_add(u64::try_from(offset).unwrap_or(0));
                self.tell(&rules::TAR_AMBIGUOUS, "bytes follow the end mark of the archive".into(), scan);
                self.rest(offset, scan);
                break;
            }
            at = at.saturating_add(len64(&block));
        }
        Ok(())
    }

    /// Examines bytes that readers may or may not come to. They may be headers again.
    fn rest(&mut self, from: u64, scan: &mut Scan<'_>) {
        // the block it stands in: a header does not begin with a zero, but its name may
        let from = from.saturating_sub(from.checked_rem(BLOCK).unwrap_or(0));
        let Some(rest) = self.view.sub(from..self.view.len()) else { return };
        match scan.enter(format!("(bytes at {from})")) {
            Ok(()) => {
                format::examine(&rest, "", scan);
                scan.leave();
            }
            Err(spent) => scan.spent(spent, from),
        }
    }

    /// Reads one header and what belongs to it; the offset of the next header, or `None` if there can be none.
    fn member(&mut self, block: &[u8], header: Header, scan: &mut Scan<'_>) -> io::Result<Option<u64>> {
        let kind = header.kind;
        let Some(size) = header.size else {
            self.tell(&rules::TAR_AMBIGUOUS, "a header states a size that is no number".into(), scan);
            self.rest(self.at.saturating_add(BLOCK), scan);
            return Ok(None);
        };
        let data = self.at.saturating_add(BLOCK);
        let has_data = header.has_content();
        if !has_data && size != 0 {
            self.tell(
                &rules::TAR_AMBIGUOUS,
                "a link, folder or device has a size, which only some readers skip".into(),
                scan,
            );
        }
        let size = if has_data { size } else { 0 };
        let end = data.saturating_add(size);
        if end > self.view.len() {
            self.tell(&rules::TAR_TRUNCATED, "a member ends after the end of the file".into(), scan);
        }
        let content = self.view.sub(data..end.min(self.view.len()));
        let padded = size.checked_next_multiple_of(BLOCK).and_then(|n| data.checked_add(n));
        let next = padded.filter(|next| *next <= self.view.len());
        if header.is_extended() {
            if let Some(content) = content {
                self.extend(kind, &content, scan)?;
            }
            return Ok(next);
        }
        let ext = std::mem::take(&mut self.next);
        if ext.name.is_none() && prefix_is_disputed(block) {
            let message = "the name of a member starts with a prefix that only some readers see";
            self.tell(&rules::TAR_AMBIGUOUS, message.into(), scan);
        }
        let name = ext.name.unwrap_or_else(|| header_name(block));
        let link = ext.link.unwrap_or_else(|| text(field(block, 157, 100)).to_vec());
        self.named(&name, &link, kind, scan);
        if ext.sparse {
            let message = format!("'{}' is a sparse file", show(&name));
            self.tell(&rules::TAR_UNREAD, message, scan);
        }
        if let (true, Some(content)) = (has_data && size > 0, content) {
            self.examine(&content, &name, scan);
        }
        if next.is_none() && end <= self.view.len() {
            self.tell(&rules::TAR_TRUNCATED, "the archive ends inside the padding of a member".into(), scan);
        }
        Ok(next)
    }

    fn examine(&mut self, content: &View<'_>, name: &[u8], scan: &mut Scan<'_>) {
        let path = show(name);
        match scan.enter(path.clone()) {
            Ok(()) => {
                format::examine(content, &path, scan);
                scan.leave();
            }
            Err(spent) => scan.spent(spent, self.at),
        }
    }

    fn named(&mut self, name: &[u8], link: &[u8], kind: u8, scan: &mut Scan<'_>) {
        let plain = name.strip_prefix(b"./").unwrap_or(name);
        self.torch |= match plain {
            b"pickle" => 1,
            b"storages" => 2,
            b"tensors" => 4,
            _ => 0,
        };
        if let Some(what) = zip_names::defect(name, false) {
            self.tell(&rules::MEMBER_NAME, format!("the name '{}' is unsafe: {what}", show(name)), scan);
        }
        match kind {
            // a hard link names a path from the root of the archive, a symbolic one from its own folder
            b'1' | b'2' => {
                let from: &[u8] = if kind == b'1' { b"" } else { name };
                if !zip_audit::stays_inside(from, link) {
                    let message = format!("'{}' is a link to '{}'", show(name), show(link));
                    self.tell(&rules::MEMBER_LINK, message, scan);
                }
            }
            0 | b'0' | b'5' | b'7' => {}
            _ => {
                let message = format!("'{}' is of the kind '{}'", show(name), char::from(kind).escape_debug());
                self.tell(&rules::TAR_UNREAD, message, scan);
            }
        }
    }

    /// An extended header: a long name or link of GNU's, or pax records.
    fn extend(&mut self, kind: u8, content: &View<'_>, scan: &mut Scan<'_>) -> io::Result<()> {
        if content.len() > EXTENDED {
            let message = format!("an extended header is larger than {EXTENDED} bytes");
            self.tell(&rules::TAR_UNREAD, message, scan);
            return Ok(());
        }
        let bytes = content.copy(0..content.len())?;
        if let Err(why) = tar_header::extend(kind, &bytes, &mut self.next) {
            self.tell(&rules::TAR_AMBIGUOUS, why.into(), scan);
        }
        Ok(())
    }
}

fn show(name: &[u8]) -> String {
    shown(&String::from_utf8_lossy(name))
}
