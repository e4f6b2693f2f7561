//! Signed manifests: the one that was named, or those that lie beside or inside what is checked. Where nobody was named to
//! trust, whatever they say is only self-asserted: it can fail a file, and a match proves no origin.

use super::locks::spared;
use super::{Absent, Gathering, LARGEST, Signers};
use crate::finding::{Finding, shown};
use crate::manifest::compare::is_loaded_by_name;
use crate::manifest::expected::{Claim, Claimed, Source, Unlisted, World};
use crate::manifest::oms::{Expected, Manifest, Statement};
use crate::manifest::tree::{LINKED_DIRECTORY, is_of_git};
use crate::report::Trust;
use crate::rule::{Effect, trust as rules};
use crate::source::Reach;
use crate::trust::signers::Signature;
use crate::trust::{Bundle, How, MOST_BYTES, Verified, discover, is_bundle_name, lines, verify_statement};
use crate::walk::{Item, linked_directories, or_here};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most pairs of a file and an attestation that is not trusted.
const MOST_ATTESTED: usize = 1 << 20;

impl Gathering {
    /// Takes what signed manifests say: the one that was named, or else those that lie there.
    pub(super) fn signed(&mut self, roots: &[PathBuf], items: &[Item], signers: Option<&Signers>) {
        let met = items.iter().filter_map(|item| match item {
            Item::File(path, _) if is_bundle_name(path) => Some(path.clone()),
            _ => None,
        });
        let beside = roots.iter().flat_map(|root| discover(root));
        let mut bundles: BTreeSet<PathBuf> = met.chain(beside).collect();
        let named = signers.and_then(|signers| signers.bundle.as_ref()).map(|named| as_met(named, items));
        bundles.extend(named.clone());
        // a name makes no bundle, and only bundles need not be listed
        let own: BTreeSet<PathBuf> = bundles.iter().filter(|path| self.is_bundle(path)).cloned().collect();
        let mut signed = false;
        for bundle in &bundles {
            let is_named = named.as_ref() == Some(bundle);
            self.demands.speaks_about = if is_named { roots.to_vec() } else { Vec::new() };
            let signers = signers.filter(|_| named.is_none() || is_named);
            signed |= self.bundle(bundle, is_named, signers, roots, items, &own);
        }
        if signers.is_some() && (named.is_none() || signed) {
            let vouched = |root: &PathBuf| {
                own.contains(root)
                    || self.vouched.iter().any(|place| place.starts_with(root) || root.starts_with(place))
            };
            let finding = || Finding::new(&rules::UNTRUSTED, "no signature by whom you named was found here");
            let bare: Vec<Item> =
                roots.iter().filter(|root| !vouched(root)).map(|root| Item::Problem(root.clone(), finding())).collect();
            self.missing.extend(bare);
        }
    }

    /// True if a file holds at least one bundle, good or bad.
    fn is_bundle(&self, path: &Path) -> bool {
        let Some(text) = self.read(path, LARGEST).filter(|text| is_json(text)) else { return false };
        let readable = |text| Bundle::parse(text).map_or_else(|refusal| refusal.rule != &rules::MALFORMED, |_| true);
        lines(path, &text).into_iter().any(|(_, text)| readable(text))
    }

    /// Takes what one bundle says. True if it is signed by somebody whom the user trusts.
    fn bundle(
        &mut self,
        path: &Path,
        is_named: bool,
        signers: Option<&Signers>,
        roots: &[PathBuf],
        items: &[Item],
        bundles: &BTreeSet<PathBuf>,
    ) -> bool {
        let Some(text) = self.read(path, if is_named { MOST_BYTES } else { LARGEST }) else {
            if is_named {
                self.tell(path, Finding::new(&crate::rule::format::UNREADABLE, "the manifest cannot be read"));
            }
            return false;
        };
        if !is_named && !is_json(&text) {
            return false;
        }
        let (mut signed, mut refused) = (false, Vec::new());
        for (line, text) in lines(path, &text) {
            let trusted = signers.map(|signers| {
                let anchor = signers.anchor.as_ref().map_err(Clone::clone)?;
                verify_statement(text, anchor.as_ref(), signers.how)
            });
            let mut signature = None;
            let trusted = match self.by_policy(path, text) {
                Some(Err(refusal)) => {
                    self.demands.bundles.insert(path.to_owned());
                    self.tell(path, Finding::new(refusal.rule, refusal.message));
                    continue;
                }
                Some(Ok((verified, by))) => {
                    signature = Some(by);
                    // a key that was named on the command line is what must have signed
                    let named = signers.is_some_and(|signers| !matches!(signers.anchor, Ok(None)));
                    if named { trusted } else { Some(Ok(verified.map(Statement::Manifest))) }
                }
                None => trusted,
            };
            let verified = match trusted {
                Some(Ok(verified)) => match self.denied(&verified, signers, text) {
                    Some(refusal) => Err(refusal),
                    None => Ok(verified),
                },
                // one whom the user named, or one who says so and is not
                Some(Err(refusal)) if is_named || refusal.rule.effect == Effect::Bad => Err(refusal),
                _ => verify_statement(text, None, How { allow_legacy: false, now: 0 }),
            };
            match verified {
                Ok(verified) => {
                    signed |= verified.trust == Trust::Signed;
                    let name = path.file_name().map(|name| shown(&name.to_string_lossy())).unwrap_or_default();
                    let name = line.map_or_else(|| name.clone(), |line| format!("{name}:{line}"));
                    let by = By { path, name, is_named, signers, signature };
                    self.demands.bundles.insert(path.to_owned());
                    self.statement(&by, verified, roots, items, bundles);
                }
                Err(refusal) => refused.push(refusal),
            }
        }
        for refusal in refused {
            // it may be a bundle over something else, or one of several in the file
            let harmless = refusal.rule.effect != Effect::Bad && (signed || !is_named);
            self.tell(
                path,
                match harmless {
                    true => Finding::new(&rules::NOT_RELIED_ON, format!("not relied on: {}", refusal.message)),
                    false => Finding::new(refusal.rule, refusal.message),
                },
            );
        }
        signed
    }

    /// Takes what a verified statement says.
    fn statement(
        &mut self,
        by: &By<'_>,
        verified: Verified<Statement>,
        roots: &[PathBuf],
        items: &[Item],
        bundles: &BTreeSet<PathBuf>,
    ) {
        let By { path, is_named, signers, .. } = *by;
        let signature = by.signature.clone();
        let signed = verified.trust == Trust::Signed;
        match (signed, is_named) {
            (true, _) => {}
            (false, true) => self.tell(path, Finding::new(&rules::NO_ANCHOR, "nobody was named to trust")),
            (false, false) => {
                self.tell(path, Finding::new(&rules::SELF_ASSERTED, "nobody was named to trust; it proves no origin"));
            }
        }
        let source = Source {
            name: by.name.clone(),
            trust: verified.trust,
            signer: verified.signer,
            logged: verified.logged,
            world: World::Closed,
        };
        let manifest = match verified.manifest {
            Statement::Manifest(manifest) => manifest,
            Statement::Attestation(attestation) => {
                let number = self.expected.source(Source { world: World::Named, ..source });
                self.expected.lies_in(number, path);
                let attestation = Arc::new(attestation);
                if signed {
                    self.vouched.extend(roots.iter().cloned());
                } else {
                    self.attested = self.attested.saturating_add(items.len());
                    if self.attested > MOST_ATTESTED {
                        let message = "more attestations by strangers than are held against so many files";
                        self.tell(path, Finding::new(&crate::rule::format::OVER_BUDGET, message));
                        return;
                    }
                }
                for path in items.iter().map(Item::path).filter(|path| !bundles.contains(*path)) {
                    let claim = Claim::digest(Claimed::Attested(Arc::clone(&attestation)));
                    self.expected.claim_of(number, path.to_owned(), claim);
                }
                return;
            }
        };
        let links = manifest.allow_symlinks
            && (!signed
                || signers.is_some_and(|signers| signers.allow_symlinks)
                || signature.as_ref().is_some_and(|signature| signature.links));
        let subject = subject(path, is_named, &manifest, roots);
        if signed {
            let (Subject::File(place) | Subject::Part { file: place, .. } | Subject::Directory(place)) = &subject;
            self.vouched.push(place.clone());
        }
        match subject {
            Subject::File(file) => {
                let number = self.expected.source(Source { world: World::Named, ..source });
                self.expected.lies_in(number, path);
                self.demands.signatures.extend(signature.map(|signature| (number, signature)));
                if let Some(expected) = manifest.entries.values().next() {
                    // a file that was not asked for is not missed
                    let asked = roots.iter().any(|root| file.starts_with(root));
                    let absent = if asked { Absent::Missing } else { Absent::Ignored };
                    self.claim(number, file, claim(&manifest, expected, links), absent);
                }
            }
            Subject::Part { file, names } => {
                let number = self.expected.source(source);
                self.expected.lies_in(number, path);
                self.demands.signatures.extend(signature.map(|signature| (number, signature)));
                for expected in names.iter().filter_map(|name| manifest.entries.get(name)) {
                    self.claim(number, file.clone(), claim(&manifest, expected, links), Absent::Missing);
                }
                self.expected.speaks_for(number, file.parent().unwrap_or(Path::new("")));
            }
            Subject::Directory(directory) => {
                let number = self.expected.source(source);
                self.expected.lies_in(number, path);
                self.demands.signatures.extend(signature.map(|signature| (number, signature)));
                let whole = roots.iter().any(|root| directory.starts_with(root));
                let absent = if whole { Absent::Missing } else { Absent::Ignored };
                for (name, expected) in &manifest.entries {
                    self.claim(number, directory.join(name), claim(&manifest, expected, links), absent);
                }
                self.expected.speaks_for(number, &directory);
                // where one bundle was named, the others are files like any other
                let named = BTreeSet::from([path.to_owned()]);
                let bundles = if is_named { &named } else { bundles };
                self.spare(number, &directory, &manifest, (signed, links), items, bundles);
                if signed {
                    self.object_to_links(number, &directory, &manifest, roots);
                }
            }
        }
    }

    /// Tells something about a bundle, whether it is among the files that are checked or not.
    fn tell(&mut self, bundle: &Path, finding: Finding) {
        if self.known.contains_key(bundle) {
            self.expected.note(bundle, finding);
        } else if finding.rule.effect != Effect::Note {
            self.missing.push(Item::Problem(bundle.to_owned(), finding));
        }
    }

    /// Says nothing about files that a signed manifest need not list: signatures, what git keeps at the top, and what the
    /// user's policy allows; nor about what the signer ignored, if no loader acts on it.
    fn spare(
        &mut self,
        source: usize,
        directory: &Path,
        manifest: &Manifest,
        (signed, links): (bool, bool),
        items: &[Item],
        bundles: &BTreeSet<PathBuf>,
    ) {
        for path in items.iter().map(Item::path) {
            let Ok(below) = path.strip_prefix(directory) else { continue };
            let below = below.to_string_lossy();
            if manifest.entries.contains_key(below.as_ref()) {
                continue;
            }
            let claim = if self.may_be_unlisted(path, &below, &manifest.ignored) {
                Claim { tolerated: true, ..Claim::default() }
            } else if bundles.contains(path) && (!signed || !below.contains('/')) {
                Claim::default()
            } else if is_of_git(&below) {
                spared(path)
            } else if manifest.ignores(&below) && !is_loaded_by_name(path) {
                Claim { unlisted: Unlisted::Inert, no_link: !links, ..Claim::default() }
            } else {
                continue;
            };
            self.expected.claim(source, path.to_owned(), claim);
        }
    }

    /// Objects to links to directories: they can be pointed elsewhere at any time, and what lies behind them was not signed.
    fn object_to_links(&mut self, source: usize, directory: &Path, manifest: &Manifest, roots: &[PathBuf]) {
        let inside = roots.iter().filter(|root| root.starts_with(directory)).map(PathBuf::as_path);
        let whole = roots.iter().any(|root| directory.starts_with(root)).then_some(directory);
        for link in whole.into_iter().chain(inside).flat_map(linked_directories) {
            let Ok(below) = link.strip_prefix(directory) else { continue };
            let below = below.to_string_lossy();
            if below.starts_with(".git/") || self.may_be_unlisted(&link, &below, &manifest.ignored) {
                continue;
            }
            let finding = Finding::new(&rules::LINK, LINKED_DIRECTORY);
            self.expected.claim(source, link.clone(), Claim::default());
            match self.known.insert(link.clone(), Reach::Anywhere) {
                None => self.missing.push(Item::Problem(link, finding)),
                Some(_) => self.expected.note(&link, finding),
            }
        }
    }
}

/// A file by the path under which it was met, if it was.
fn as_met(file: &Path, items: &[Item]) -> PathBuf {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    let Some(named) = whole(file) else { return file.to_owned() };
    let mut alike = items.iter().map(Item::path).filter(|path| path.file_name() == named.file_name());
    alike.find(|path| whole(path).as_ref() == Some(&named)).unwrap_or(file).to_owned()
}

/// True if a text begins as a bundle does: other tools call their signatures `.sig` too.
fn is_json(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// Where a statement comes from.
struct By<'a> {
    path: &'a Path,
    /// Its name in reports.
    name: String,
    is_named: bool,
    signers: Option<&'a Signers>,
    /// Which signer of the policy signed it.
    signature: Option<Signature>,
}

/// What a bundle speaks about, by where it lies.
enum Subject {
    File(PathBuf),
    /// A file of a directory, and its names there: all must be what it is, should there be several.
    Part {
        file: PathBuf,
        names: Vec<String>,
    },
    Directory(PathBuf),
}

fn subject(bundle: &Path, is_named: bool, manifest: &Manifest, roots: &[PathBuf]) -> Subject {
    if let ([root], true) = (roots, is_named) {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return match root.is_dir() {
            true => Subject::Directory(root.clone()),
            false if manifest.is_of(&name) => Subject::File(root.clone()),
            false => Subject::Part { file: root.clone(), names: names_of(root, bundle, manifest) },
        };
    }
    let directory = bundle.parent().unwrap_or(Path::new(""));
    let name = bundle.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let of = name.strip_suffix(".sig").or_else(|| name.strip_suffix(".sigstore.json")).unwrap_or(&name);
    let beside = directory.join(of);
    if manifest.is_of(of) && (beside.is_file() || manifest.entries.contains_key(".")) {
        return Subject::File(beside);
    }
    // a directory that was named, with its signature beside it
    match roots.iter().find(|root| **root == beside && beside.is_dir()) {
        Some(root) => Subject::Directory(root.clone()),
        None => Subject::Directory(directory.to_owned()),
    }
}

/// Files of a manifest that are looked for to tell whether a directory is its model.
const LOOKED_FOR: usize = 64;

/// The names that a file has in a manifest: by its place below the bundle, or below what lies beside that under its name,
/// where that is the model. Else every name with which the path ends.
fn names_of(file: &Path, bundle: &Path, manifest: &Manifest) -> Vec<String> {
    let whole = |path: &Path| std::fs::canonicalize(or_here(path)).ok();
    let above = |path: &Path| path.parent().map_or_else(|| whole(Path::new("")), whole);
    let (Some(folder), Some(name), Some(lies_in)) = (above(file), file.file_name(), above(bundle)) else {
        return Vec::new();
    };
    let file = folder.join(name);
    let beside = bundle.file_stem().map(|stem| lies_in.join(stem)).filter(|beside| beside.is_dir());
    let is_model = |base: &&PathBuf| manifest.entries.keys().take(LOOKED_FOR).any(|name| base.join(name).exists());
    let bases = [beside, Some(lies_in)];
    if let Some(below) = bases.iter().flatten().filter(is_model).find_map(|base| file.strip_prefix(base).ok()) {
        return below.to_str().map(str::to_owned).into_iter().collect();
    }
    manifest.entries.keys().filter(|name| file.ends_with(name)).cloned().collect()
}

/// What a manifest says of one file.
fn claim(manifest: &Manifest, expected: &Expected, links: bool) -> Claim {
    let digests = match expected {
        Expected::Whole(digest) => vec![Claimed::Whole(vec![manifest.algorithm], *digest)],
        Expected::Shards(shards) => {
            let sharding = manifest.sharding(expected).into_iter();
            sharding.map(|sharding| Claimed::Shards(sharding, Arc::new(shards.clone()))).collect()
        }
    };
    Claim { digests, no_link: !links, ..Claim::default() }
}
