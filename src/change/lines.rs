//! What is said about changes to people, line by line, whatever the page is. Everything that comes from a file is escaped.

use super::v1::{DiffV1, FileV1, FoundV1, NotComparedV1, ShapeV1, SideV1, TensorV1, VouchV1};
use crate::report::plain::{plain, whole};
use crate::report::text::bytes;

/// Members of one archive before the rest is only counted.
const MEMBERS: usize = 10;

/// What there was, in one line.
pub(super) fn summary(diff: &DiffV1) -> String {
    let of = |n: u64, what: &str| (n > 0).then(|| format!("{n} {what}"));
    let counts = &diff.summary;
    let files = [
        of(counts.added, "added"),
        of(counts.removed, "removed"),
        of(counts.renamed, "renamed"),
        of(counts.changed, "changed"),
    ];
    let mut parts = Vec::new();
    let files: Vec<String> = files.into_iter().flatten().collect();
    if !files.is_empty() {
        parts.push(format!("files: {}", files.join(", ")));
    }
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for change in diff.tensors.iter().flat_map(|tensor| &tensor.changes) {
        match kinds.iter_mut().find(|(kind, _)| kind == change) {
            Some((_, count)) => *count += 1,
            None => kinds.push((change, 1)),
        }
    }
    kinds.sort_unstable();
    if !kinds.is_empty() {
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        parts.push(format!("tensors: {}", kinds.join(", ")));
    }
    let new = |of: fn(&FileV1) -> usize| diff.files.iter().map(of).sum::<usize>() as u64;
    parts.extend(of(new(|f| f.globals.iter().filter(|g| g.change == "new").count()), "new globals"));
    parts.extend(of(new(|f| f.findings.iter().filter(|g| g.change == "new").count()), "new findings"));
    let nothing = if diff.complete { "nothing changed" } else { "nothing seen to have changed" };
    let mut text = match (parts.is_empty(), diff.changed) {
        (true, false) => nothing.to_owned(),
        (true, true) => "what is said about the files changed".to_owned(),
        _ => parts.join("; "),
    };
    if !diff.complete {
        text.push_str("; not everything could be compared");
    }
    text
}

pub(super) fn side(side: &SideV1) -> String {
    let origin = match (&side.repo, &side.commit) {
        (Some(repo), Some(commit)) => format!(" ({}@{})", plain(repo), plain(commit)),
        _ => String::new(),
    };
    let files = if side.files == 1 { "1 file".to_owned() } else { format!("{} files", side.files) };
    format!("{}{origin}, {files}, {}", whole(&side.path), bytes(side.bytes))
}

pub(super) fn headline(file: &FileV1) -> String {
    let from = file.from.as_ref().map(|from| format!("{} -> ", whole(from))).unwrap_or_default();
    let what = match (&file.old, &file.new) {
        (Some(old), Some(new)) if old.format != new.format => {
            format!("{}, {} -> {}, {}", old.format, bytes(old.size), new.format, bytes(new.size))
        }
        (Some(old), Some(new)) if old.size != new.size => {
            format!("{}, {} -> {}", new.format, bytes(old.size), bytes(new.size))
        }
        (_, Some(one)) | (Some(one), None) => format!("{}, {}", one.format, bytes(one.size)),
        (None, None) => String::new(),
    };
    format!("{:<8} {from}{} ({what})", file.change, whole(&file.path))
}

/// The lines about one file, kind by kind, those first that matter most.
pub(super) fn details(file: &FileV1, most: usize) -> Vec<Vec<String>> {
    let value = |value: &Option<String>| plain(value.as_deref().unwrap_or("-"));
    let findings = file.findings.iter().map(|found| {
        let FindingAt { rule, severity, message, member } = FindingAt::of(found);
        format!("finding  {} {rule} {severity}: {message}{member}", found.change)
    });
    let answers = file.weights_only.iter().map(|answer| {
        let (old, new) = (answer.old.unwrap_or("-"), answer.new.unwrap_or("-"));
        format!("torch {}  weights_only {old} -> {new}: {}", plain(&answer.torch), plain(&answer.reason))
    });
    let mut globals: Vec<_> = file.globals.iter().collect();
    const ALARMING: [&str; 2] = ["unvetted", "dangerous"];
    globals.sort_by_key(|global| {
        let alarm = ALARMING.iter().position(|standing| *standing == global.standing);
        (global.change != "new", std::cmp::Reverse(alarm))
    });
    let globals = globals.into_iter().map(|g| format!("global   {} {} ({})", g.change, plain(&g.global), g.standing));
    let templates = file.templates.iter().map(|t| format!("template {} {}", t.change, plain(&t.place)));
    let code = file.code.iter().map(|c| format!("code     {} {}", c.change, plain(&c.reference)));
    let fields = file.fields.iter().map(|f| match f.change {
        "added" => format!("field    added {}: {}", plain(&f.pointer), value(&f.new)),
        "removed" => format!("field    removed {}: {}", plain(&f.pointer), value(&f.old)),
        _ => format!("field    changed {}: {} -> {}", plain(&f.pointer), value(&f.old), value(&f.new)),
    });
    let members = file.members.iter().map(|m| {
        let size = match (m.old, m.new) {
            (Some(old), Some(new)) if old != new => format!("{} -> {}", bytes(old), bytes(new)),
            (_, Some(size)) | (Some(size), None) => bytes(size),
            (None, None) => String::new(),
        };
        format!("member   {} {} ({size})", m.change, plain(&m.name))
    });
    let kinds: [Vec<String>; 7] = [
        findings.collect(),
        answers.collect(),
        globals.collect(),
        templates.collect(),
        code.collect(),
        fields.collect(),
        members.collect(),
    ];
    // the members of a checkpoint are its tensors, once more
    let fewer = [most, most, most, most, most, most, if most == usize::MAX { most } else { MEMBERS }];
    let limited = |(mut lines, most): (Vec<String>, usize)| {
        let hidden = lines.len().saturating_sub(most);
        lines.truncate(most);
        lines.extend((hidden > 0).then(|| more(hidden).trim_end().to_owned()));
        lines
    };
    kinds.into_iter().zip(fewer).map(limited).collect()
}

/// What is not about one file.
pub(super) fn sections(diff: &DiffV1) -> [(&'static str, Vec<String>); 3] {
    let tensor = |tensor: &TensorV1| {
        let from = tensor.from.as_ref().map(|from| format!("{} -> ", plain(from))).unwrap_or_default();
        let from_file = tensor.from_file.as_ref().map(|from| format!("{} -> ", whole(from))).unwrap_or_default();
        let shape = |shape: &ShapeV1| format!("{} {:?}", shape.dtype, shape.shape);
        let what = match (&tensor.old, &tensor.new) {
            (Some(old), Some(new)) if shape(old) != shape(new) => format!("{} -> {}", shape(old), shape(new)),
            (_, Some(one)) | (Some(one), None) => shape(one),
            (None, None) => String::new(),
        };
        let name = if tensor.name.is_empty() { "(without a name)".to_owned() } else { plain(&tensor.name) };
        format!("{} {from}{name}  {what}  in {from_file}{}", tensor.changes.join(", "), whole(&tensor.file))
    };
    let vouch = |vouch: &VouchV1| {
        let signer = vouch.signer.as_ref().map(|signer| format!(", signed by {}", plain(signer))).unwrap_or_default();
        let files = match vouch.files.as_slice() {
            [one] => whole(one),
            all => format!("{} files", all.len()),
        };
        format!("{} {} ({}{signer}): {} for {files}", vouch.change, plain(&vouch.source), vouch.trust, vouch.status)
    };
    let missing = |missing: &NotComparedV1| {
        let others = if missing.count > 1 { format!(" and {} more", missing.count - 1) } else { String::new() };
        format!(
            "{}: {}{others}: {} ({})",
            whole(&missing.path),
            plain(&missing.what),
            plain(&missing.why),
            missing.side
        )
    };
    // those that are still there stand first: what was done to them is less plain
    let mut tensors: Vec<&TensorV1> = diff.tensors.iter().collect();
    tensors.sort_by_key(|tensor| tensor.old.is_none() || tensor.new.is_none());
    [
        ("tensors", tensors.into_iter().map(tensor).collect()),
        ("vouching", diff.vouching.iter().map(vouch).collect()),
        ("not compared", diff.not_compared.iter().map(missing).collect()),
    ]
}

struct FindingAt<'a> {
    rule: &'a str,
    severity: &'a str,
    message: String,
    member: String,
}

impl<'a> FindingAt<'a> {
    fn of(found: &'a FoundV1) -> Self {
        let finding = &found.finding;
        let member = finding.member.as_ref().map(|member| format!(" (in {})", plain(member))).unwrap_or_default();
        FindingAt { rule: finding.rule, severity: finding.severity, message: whole(&finding.message), member }
    }
}

/// What stands in place of so many lines.
pub(super) fn more(hidden: usize) -> String {
    format!("and {hidden} more (-v and --format json tell all)\n")
}
