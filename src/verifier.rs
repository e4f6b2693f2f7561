//! The way of one file through the house, top to bottom: open, identify, scan, hash, compare, judge.

use crate::budget::Limits;
use crate::capability::Capabilities;
use crate::digest::{self, Algorithm, Digest, Digests, PassError, Passed, Plan, Pool, Prepared, Sharding, Watch};
use crate::error::Error;
use crate::finding::Finding;
use crate::format::tensor::TensorInfo;
use crate::format::{self, Identity, Role};
use crate::inspect;
use crate::manifest::caches::Caches;
use crate::manifest::discover::{Access, Named, Wanted, gather};
use crate::manifest::expected::{Expectations, Found};
use crate::manifest::lock::Lock;
use crate::policy::Policy;
use crate::policy::baseline::Baseline;
use crate::profile::Profile;
use crate::report::{Artifact, Report, Status};
use crate::rule::{self, Severity};
use crate::scan::{DeferredCrc, Scan, Settings, Stop};
use crate::source::{OpenOptions, Reach, ReadAt, View};
use crate::torch::{self, Answer};
use crate::walk::{Item, walk};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod demand;
mod notes;
#[cfg(all(unix, feature = "trust"))]
mod partly;

use demand::Judged;

/// What the user demands of loadable files besides a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `torch.load(weights_only=True)` takes it, on every torch version asked for.
    WeightsOnly,
    /// A signature by a trusted signer covers it.
    Signature,
    /// A trusted or pinned expectation covers it.
    Manifest,
}

/// Verifies files. Built once, used for any number of files.
///
/// ```
/// let verifier = mverify::Verifier::builder().build()?;
/// let artifact = verifier.verify_bytes("weights.pt", b"\x80\x02cos\ngetpid\n)R.");
/// assert_eq!(artifact.outcome.verdict(), mverify::Verdict::Bad);
/// assert_eq!(artifact.findings[0].global.as_deref(), Some("os.getpid"));
/// # Ok::<(), mverify::Error>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    how: Builder,
    pool: Pool,
}

/// Says what a [`Verifier`] should do. The default: SHA-256, the newest torch, default limits, reads instead of mappings,
/// one thread.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    settings: Settings,
    algorithms: Vec<Algorithm>,
    as_needed: bool,
    sharding: Option<Sharding>,
    fail_on: Severity,
    required: Vec<Proof>,
    wanted: Wanted,
    describe: bool,
    outlines: bool,
    formats: Vec<Vec<String>>,
    policy: Arc<Policy>,
    now: i64,
    baseline: Option<Baseline>,
    map: bool,
    drop_cache: bool,
    threads: usize,
}

impl Builder {
    /// Upper bounds for each file.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }
    /// Digests to compute; none at all scans without hashing.
    pub fn digests(mut self, algorithms: &[Algorithm]) -> Self {
        self.algorithms = algorithms.to_vec();
        self
    }
    /// Computes no digest of a file but those that something expects of it (default: no). For loaders, which have no use
    /// for digests in the report.
    pub fn digests_as_needed(mut self, as_needed: bool) -> Self {
        self.as_needed = as_needed;
        self
    }
    /// Also computes digests of equal parts ([`Artifact::shards`], the last of them; default: no).
    pub fn shards(mut self, sharding: Sharding) -> Self {
        self.sharding = Some(sharding);
        self
    }
    /// Asks the weights_only question for this torch version as well.
    pub fn torch(mut self, version: impl Into<String>) -> Self {
        self.settings.torch_versions.push(version.into());
        self
    }
    /// Vouches for a global, as `module.qualname`.
    pub fn trust_global(mut self, name: impl Into<String>) -> Self {
        self.settings.trusted_globals.push(name.into());
        self
    }
    /// Asks for what this framework's loader takes: the weights_only answer is the one under its allowlist, and the globals
    /// it trusts are vouched for. Called again, each profile has its own answer.
    pub fn profile(mut self, profile: Profile) -> Self {
        if !self.settings.profiles.contains(&profile) {
            self.settings.profiles.push(profile);
            self.settings.trusted_globals.extend(profile.globals().map(str::to_owned));
        }
        self
    }
    /// Lowest severity that makes a file bad (default: high).
    pub fn fail_on(mut self, severity: Severity) -> Self {
        self.fail_on = severity;
        self
    }
    /// Demands a proof of every loadable file.
    pub fn require(mut self, proof: Proof) -> Self {
        self.required.push(proof);
        self
    }
    /// Looks for checksum lists beside the files (default: yes). They are self-asserted: they can fail a file, and a match
    /// is never more than a match.
    pub fn discover(mut self, discover: bool) -> Self {
        self.wanted.discover = discover;
        self
    }
    /// Objects to files and directories that others than this user can write to, or own (default: no).
    pub fn access(mut self, access: Access) -> Self {
        self.wanted.access = Some(access);
        self
    }
    /// Pins the SHA-256 that every file verified must have.
    pub fn sha256(mut self, digest: Digest) -> Self {
        self.wanted.sha256 = Some(digest);
        self
    }
    /// Compares everything with a lock that the user named; `path` says where it lies.
    pub fn lock(mut self, path: impl Into<PathBuf>, lock: Lock) -> Self {
        self.wanted.locks.push(Named { path: path.into(), lock: Arc::new(lock) });
        self
    }
    /// Allows loadable files of these formats only; `*` stands for any characters. Called twice, both must allow it.
    pub fn formats(mut self, formats: Vec<String>) -> Self {
        self.formats.push(formats);
        self
    }
    /// Allows files from these sources only, as in `facebook/*`. Called twice, both must allow it.
    pub fn sources(mut self, sources: Vec<String>) -> Self {
        self.wanted.sources.push(sources);
        self
    }
    /// Keeps the names, types and shapes of tensors in the artifacts (default: no).
    pub fn outlines(mut self, outlines: bool) -> Self {
        self.outlines = outlines;
        self
    }
    /// Says that the lock at this path is about to be written: what it said before does not count.
    pub fn rewrites(mut self, path: impl Into<PathBuf>) -> Self {
        self.wanted.rewritten = Some(path.into());
        self
    }
    /// Trusts these signers: a signature by them must cover what is verified.
    #[cfg(feature = "trust")]
    pub fn signers(mut self, signers: crate::manifest::discover::Signers) -> Self {
        self.wanted.signers = Some(signers);
        self
    }
    /// Holds everything against a policy; what was set before and what is set later holds too, but for limits and the
    /// severity that fails. `now`, seconds since 1970, is the time for its dates: the library has no clock.
    pub fn policy(mut self, policy: Policy, now: i64) -> Self {
        self.settings.limits = policy.limits.over(&self.settings.limits);
        self.fail_on = policy.fail_on.unwrap_or(self.fail_on);
        self.required.extend(policy.require.0.iter().filter_map(|proof| Proof::named(proof)));
        self.settings.torch_versions.extend(policy.torch.iter().cloned().chain(demand::versions(&policy)));
        self.settings.trusted_globals.extend(policy.trusted_globals.iter().cloned());
        self.formats.extend(policy.formats.iter().cloned());
        self.wanted.sources.extend(policy.sources.iter().cloned());
        self = policy.profile.iter().fold(self, |builder, profile| builder.profile(*profile));
        self.policy = Arc::new(policy);
        self.wanted.policy = Arc::clone(&self.policy);
        (self.now, self.wanted.now) = (now, now);
        self
    }
    /// Lets what an earlier report told not fail again.
    pub fn baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = Some(baseline);
        self
    }
    /// Also says in a sentence which torch versions take the file ([`Artifact::loading`]; default: no). Costs another
    /// reading of the pickle for each set of rules that it touches.
    pub fn describe(mut self, describe: bool) -> Self {
        self.describe = describe;
        self
    }
    /// Maps files instead of reading them: two to three times faster, but the process must survive SIGBUS (the binary
    /// installs a guard).
    pub fn map(mut self, map: bool) -> Self {
        self.map = map;
        self
    }
    /// Gives up the pages of the system's cache that came in by reading, as soon as they are not needed (default: no;
    /// see [`OpenOptions::drop_cache`]). Files are then read, not mapped.
    pub fn drop_cache(mut self, drop_cache: bool) -> Self {
        self.drop_cache = drop_cache;
        self
    }
    /// Threads of an own pool; 0 is one per core, 1 (the default) makes no pool.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
    /// Ends runs early when set.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.settings.stop = stop;
        self
    }
    /// The verifier.
    ///
    /// # Errors
    /// [`Error::Usage`] for a torch version that is none, and where the system gives no threads.
    pub fn build(mut self) -> Result<Verifier, Error> {
        let versions = &self.settings.torch_versions;
        if let Some(version) = versions.iter().find(|version| !torch::is_version(version)) {
            return Err(Error::Usage(format!("torch {version}: expected a version, as in 2.6")));
        }
        // what a policy says about content cannot be held against it without hashing
        if self.policy.needs_digests() && !self.algorithms.contains(&Algorithm::Sha256) {
            self.algorithms.push(Algorithm::Sha256);
        }
        let pool = Pool::new(self.threads)?;
        Ok(Verifier { how: self, pool })
    }
}

impl Verifier {
    /// Starts to build one.
    pub fn builder() -> Builder {
        Builder {
            settings: Settings::default(),
            algorithms: vec![Algorithm::Sha256],
            as_needed: false,
            sharding: None,
            fail_on: Severity::High,
            required: Vec::new(),
            wanted: Wanted { discover: true, ..Wanted::default() },
            describe: false,
            outlines: false,
            formats: Vec::new(),
            policy: Arc::default(),
            now: 0,
            baseline: None,
            map: false,
            drop_cache: false,
            threads: 1,
        }
    }

    /// Verifies a file, or every file under a directory.
    pub fn verify_path(&self, path: impl AsRef<Path>) -> Report {
        let mut report = Report::default();
        let mut items = walk(path.as_ref());
        let expected = self.gather(&[path.as_ref().to_owned()], &mut items);
        let _ = self.verify_items(items, &expected, &(), |artifact| {
            report.push(artifact);
            ControlFlow::Continue(())
        });
        report
    }

    /// Verifies bytes in memory. `name` is only used to notice a name that lies, and by torch's own dispatch.
    pub fn verify_bytes(&self, name: &str, bytes: &[u8]) -> Artifact {
        let path = Path::new(name);
        let wanted = Wanted { discover: false, ..self.how.wanted.clone() };
        let mut items = vec![Item::File(path.to_owned(), Reach::Anywhere)];
        let expected = gather(&[path.to_owned()], &mut items, &wanted, &self.how.settings.limits);
        self.verify_source(path, &bytes, &expected, &())
    }

    /// Verifies bytes that can be read at any offset, as job 0 of `watch`. `path` is the name they go by in `expected` and
    /// in the artifact; it is not opened.
    pub fn verify_source(
        &self,
        path: &Path,
        source: &dyn ReadAt,
        expected: &Expectations,
        watch: &dyn Watch,
    ) -> Artifact {
        match self.examine(path, source, expected) {
            Err(artifact) => *artifact,
            Ok((parsed, plan)) => {
                let passed = digest::pass(source, &plan, &self.pool, watch);
                self.conclude(path, source, parsed, plan, passed, expected)
            }
        }
    }

    /// Gathers what is expected of items that were found under `roots`: what was pinned, and what lies beside the files.
    /// Files that are expected and not there become items. Nothing is gathered where nothing is hashed.
    pub fn gather(&self, roots: &[PathBuf], items: &mut Vec<Item>) -> Expectations {
        if self.how.algorithms.is_empty() {
            Expectations::default()
        } else {
            gather(roots, items, &self.how.wanted, &self.how.settings.limits)
        }
    }

    /// Verifies items and hands the artifacts to `sink` on this thread, in the order of the items. Memory is bounded by
    /// the items under way, not by their number. Ends early, with `Break`, when `sink` breaks or the run is stopped.
    pub fn verify_items(
        &self,
        items: Vec<Item>,
        expected: &Expectations,
        watch: &dyn Watch,
        sink: impl FnMut(Artifact) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        digest::many(
            &self.pool,
            items.into_iter(),
            |item| self.prepare(item, expected),
            |(path, parsed, plan), source: Source, passed| {
                self.conclude(&path, &source, parsed, plan, passed, expected)
            },
            watch,
            sink,
        )
    }

    fn prepare(&self, item: Item, expected: &Expectations) -> Prepared<Source, (PathBuf, Parsed, Plan), Artifact> {
        let (path, source) = match item {
            Item::Problem(path, finding) => return Prepared::Done(self.refused(&path, finding, expected)),
            Item::File(path, reach) => {
                let source = self.open(&path, &reach);
                (path, source)
            }
            Item::Stdin(spool) if spool.is_empty() => {
                // what was piped in failed before it wrote anything: `curl … | mverify -`
                let finding = Finding::new(&rule::format::NOT_WEIGHTS, "nothing came through standard input");
                return Prepared::Done(self.refused(Path::new("-"), finding, expected));
            }
            Item::Stdin(spool) => (PathBuf::from("-"), Ok(Box::new(spool) as Source)),
        };
        let source = match source {
            Ok(source) => source,
            Err(finding) => return Prepared::Done(self.refused(&path, finding, expected)),
        };
        match self.examine(&path, &source, expected) {
            Ok((parsed, plan)) => Prepared::Hash { source, plan: plan.clone(), carry: (path, parsed, plan) },
            Err(artifact) => Prepared::Done(*artifact),
        }
    }

    /// Parses, and says what is to be hashed. A parser that panics is our defect, and must not become a green result or
    /// take the other files down with it: then the artifact is the result.
    fn examine(
        &self,
        path: &Path,
        source: &dyn ReadAt,
        expected: &Expectations,
    ) -> Result<(Parsed, Plan), Box<Artifact>> {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let tensors = expected.wants_tensors(path);
        match catch_unwind(AssertUnwindSafe(|| self.parse(&View::new(source), &name, tensors))) {
            Ok(mut parsed) => {
                let plan = self.plan(path, &mut parsed, expected);
                Ok((parsed, plan))
            }
            Err(_) => {
                let finding = Finding::new(&rule::run::INTERNAL, "a check of mverify itself failed");
                Err(Box::new(self.refused(path, finding, expected)))
            }
        }
    }

    fn open(&self, path: &Path, reach: &Reach) -> Result<Source, Finding> {
        reach.open(path, &self.reading()).map(|file| Box::new(file) as Source).map_err(|error| Finding::from(&error))
    }

    /// How files are opened to be read as a whole.
    pub(crate) fn reading(&self) -> OpenOptions {
        OpenOptions { map: self.how.map, lease: true, drop_cache: self.how.drop_cache, ..self.opening(true) }
    }

    /// The threads that hashing may use.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How files are opened for reading, links followed or not.
    pub(crate) fn opening(&self, follow: bool) -> OpenOptions {
        let max_file_bytes = self.how.settings.limits.max_file_bytes;
        OpenOptions { follow, max_file_bytes, ..OpenOptions::default() }
    }

    /// Upper bounds for each file.
    pub(crate) fn limits(&self) -> &Limits {
        &self.how.settings.limits
    }

    /// The artifact with more findings, which can only lower it.
    #[cfg(unix)]
    pub(crate) fn with_findings(&self, mut artifact: Artifact, findings: Vec<Finding>, caches: &Caches) -> Artifact {
        let fail_on = self.how.policy.scope(&artifact.path, self.how.fail_on, caches).fail_on;
        artifact.outcome = artifact.outcome.and(crate::outcome::Outcome::judge(&findings, fail_on));
        artifact.findings.extend(findings);
        artifact.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        artifact
    }

    fn plan(&self, path: &Path, parsed: &mut Parsed, expected: &Expectations) -> Plan {
        let spare = self.how.as_needed && !self.how.policy.needs_digests() && self.how.baseline.is_none();
        let mut algorithms = if spare { Vec::new() } else { self.how.algorithms.clone() };
        algorithms.extend(expected.algorithms(path));
        let mut shards = expected.shardings(path);
        shards.extend(self.how.sharding);
        Plan { algorithms, crcs: std::mem::take(&mut parsed.deferred).into(), shards }
    }

    fn parse(&self, view: &View<'_>, name: &str, tensors: bool) -> Parsed {
        let mut scan = Scan::new(&self.how.settings);
        let identity = format::examine(view, name, &mut scan);
        let mut oracle = torch::Oracle::new(view, name, &self.how.settings);
        let weights_only = oracle.weights_only();
        if identity.format.starts_with("torch") {
            notes::notes(&weights_only, &self.how.settings).into_iter().for_each(|note| scan.find(note));
            oracle.findings().into_iter().for_each(|finding| scan.find(finding));
        }
        let about_torch = identity.role == Role::Loadable && self.how.describe;
        let loading = if about_torch { oracle.summary() } else { String::new() };
        let capabilities = std::mem::take(&mut scan.capabilities);
        let (findings, deferred) = scan.finish();
        let tensors = tensors || self.how.outlines;
        let tensors = tensors.then(|| inspect::tensors(view, identity.format, &self.how.settings.limits)).flatten();
        Parsed { identity, weights_only, loading, findings, deferred, tensors, capabilities }
    }

    fn conclude(
        &self,
        path: &Path,
        source: &dyn ReadAt,
        parsed: Parsed,
        plan: Plan,
        passed: Result<Passed, PassError>,
        expected: &Expectations,
    ) -> Artifact {
        let Parsed { identity, weights_only, loading, mut findings, tensors, capabilities, .. } = parsed;
        let size = source.len();
        let compared = |passed: &Passed| {
            expected.compare(&Found {
                path,
                role: Some(identity.role),
                format: identity.format,
                size,
                tensors: tensors.as_deref(),
                digests: &passed.digests,
                shards: &passed.shards,
            })
        };
        let differs = |passed: &Passed| compared(passed).0.iter().any(|one| one.status == Status::Mismatch);
        let passed = passed.and_then(|passed| digest::confirmed(source, &plan, passed, differs));
        let passed = passed.unwrap_or_else(|error| {
            findings.push(Finding::from(error));
            Passed::default()
        });
        for (indices, what) in [
            (&passed.crc_mismatches, "does not have the CRC-32 that the archive records"),
            (&passed.crc_unchecked, "overlaps other bytes, so its CRC-32 was not checked"),
        ] {
            for crc in indices.iter().filter_map(|index| plan.crcs.get(*index)) {
                let mut finding = Finding::new(&rule::container::ZIP_CHECKSUM, format!("this member {what}"));
                finding.member = Some(crc.member.clone());
                findings.push(finding);
            }
        }
        let (integrity, mismatches) = compared(&passed);
        findings.extend(mismatches);
        expected.review(path, &capabilities, passed.digests.get(Algorithm::Sha256), &mut findings);
        let fail_on = self.demand(
            &Judged {
                path,
                role: Some(identity.role),
                format: identity.format,
                answers: &weights_only,
                integrity: &integrity,
                digests: &passed.digests,
                caches: expected.caches(),
                tolerated: expected.tolerates(path),
                spared: expected.spares(path, Some(identity.role)),
            },
            &mut findings,
        );
        Artifact {
            format: identity.format,
            role: identity.role,
            digests: passed.digests,
            shards: if self.how.sharding.is_some() { passed.shards } else { Vec::new() },
            weights_only,
            loading,
            integrity,
            tensors: if self.how.outlines { tensors } else { None },
            capabilities,
            ..Artifact::not_scanned(path, size, findings, fail_on)
        }
    }

    /// An artifact whose content was not looked at.
    pub(crate) fn refused(&self, path: &Path, finding: Finding, expected: &Expectations) -> Artifact {
        let (integrity, mut findings) = expected.compare(&Found {
            path,
            role: None,
            format: "unknown",
            size: 0,
            tensors: None,
            digests: &Digests::default(),
            shards: &[],
        });
        findings.push(finding);
        let fail_on = self.demand(
            &Judged {
                path,
                role: None,
                format: "unknown",
                answers: &[],
                integrity: &integrity,
                digests: &Digests::default(),
                caches: expected.caches(),
                tolerated: expected.tolerates(path),
                spared: expected.spares(path, None),
            },
            &mut findings,
        );
        Artifact {
            format: "unknown",
            weights_only: torch::unread(&self.how.settings),
            integrity,
            ..Artifact::not_scanned(path, 0, findings, fail_on)
        }
    }
}

/// What an artifact is read from.
type Source = Box<dyn ReadAt>;

/// What parsing one artifact gave.
struct Parsed {
    identity: Identity,
    weights_only: Vec<Answer>,
    loading: String,
    findings: Vec<Finding>,
    deferred: Vec<DeferredCrc>,
    tensors: Option<Vec<TensorInfo>>,
    capabilities: Capabilities,
}
