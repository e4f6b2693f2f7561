use super::*;
use crate::digest::{Digest, Hasher, Sharding};
use crate::loader::Mode;
use crate::manifest::discover::Signers;
use crate::manifest::oms::{Expected, Shard};
use crate::trust::{Anchor, Curve, How, PrivateKey, Statement, sign};
use crate::verifier::Builder;
use crate::{Proof, Verdict};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// Bytes of a shard.
const SHARD: u64 = 64 << 10;
/// Bytes of each of the tensors a, b and c.
const TENSOR: usize = 2 << 20;

fn model() -> Vec<u8> {
    let entry = |n: usize| {
        format!(r#"{{"dtype":"U8","shape":[{TENSOR}],"data_offsets":[{},{}]}}"#, n * TENSOR, (n + 1) * TENSOR)
    };
    let header = format!(r#"{{"a":{},"b":{},"c":{}}}"#, entry(0), entry(1), entry(2));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([7_u8, 8, 9].into_iter().flat_map(|fill| std::iter::repeat_n(fill, TENSOR)));
    bytes
}

fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(&[Algorithm::Sha256], None).unwrap();
    hasher.update(bytes);
    hasher.finish().get(Algorithm::Sha256).unwrap()
}

/// A model in a directory, with the bundle that was signed over it in shards.
struct Place {
    directory: tempfile::TempDir,
    key: PrivateKey,
}

impl Place {
    fn new(sharded: bool) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap(), key: PrivateKey::generate(Curve::P256).unwrap() };
        let bytes = model();
        let shards = bytes.chunks(SHARD as usize).enumerate().map(|(n, part)| {
            let start = n as u64 * SHARD;
            Shard { range: start..start + part.len() as u64, digest: digest(part) }
        });
        let expected = if sharded { Expected::Shards(shards.collect()) } else { Expected::Whole(digest(&bytes)) };
        let statement = Statement {
            subject: "model".to_owned(),
            algorithm: Algorithm::Sha256,
            files: BTreeMap::from([("model.safetensors".to_owned(), expected)]),
            shard_size: sharded.then_some(SHARD),
            ignored: Vec::new(),
            allow_symlinks: false,
            compat_python: false,
        };
        let payload = statement.payload().unwrap();
        std::fs::write(place.bundle(), sign(&payload, &place.key, &[]).unwrap()).unwrap();
        std::fs::write(place.model(), bytes).unwrap();
        place
    }
    fn model(&self) -> PathBuf {
        self.directory.path().join("model.safetensors")
    }
    fn bundle(&self) -> PathBuf {
        self.directory.path().join("model.sig")
    }
    fn trusting(&self, key: &PrivateKey) -> Builder {
        Verifier::builder().require(Proof::Signature).signers(Signers {
            bundle: Some(self.bundle()),
            anchor: Ok(Some(Anchor::Key(key.public().clone()))),
            how: How { allow_legacy: false, now: 0 },
            allow_symlinks: false,
        })
    }
    fn open(&self, builder: Builder) -> Result<VerifiedTensors, LoadError> {
        builder.build().unwrap().open_tensors(self.model(), &Options::default())
    }
    /// Changes a byte of the model.
    fn change(&self, at: usize) {
        let mut bytes = std::fs::read(self.model()).unwrap();
        bytes[at] ^= 1;
        std::fs::write(self.model(), bytes).unwrap();
    }
}

#[test]
fn a_tensor_costs_its_shards() {
    let place = Place::new(true);
    let tensors = place.open(place.trusting(&place.key)).unwrap();
    assert!(tensors.file().is_none() && tensors.report().unwrap().ok());
    let covered = |tensors: &VerifiedTensors| tensors.proven().iter().map(|range| range.end - range.start).sum::<u64>();
    let before = covered(&tensors);
    assert!(before <= (1 << 20) + 4 * SHARD, "the header, and where other formats would be: {before}");
    assert_eq!(&*tensors.bytes("b").unwrap(), vec![8; TENSOR]);
    let after = covered(&tensors);
    assert!(after > before && after <= before + TENSOR as u64 + 2 * SHARD, "{after}");
    let artifact = &tensors.report().unwrap().artifacts[0];
    assert_eq!((artifact.outcome.verdict(), artifact.format), (Verdict::Ok, "safetensors"));
    assert!(artifact.integrity.iter().any(|one| one.signer.is_some() && one.note.is_some()));
}

#[test]
fn what_was_changed_is_refused_when_it_is_asked_for() {
    let place = Place::new(true);
    place.change(model().len() - TENSOR - TENSOR / 2); // in b
    let tensors = place.open(place.trusting(&place.key)).unwrap();
    assert_eq!(&*tensors.bytes("a").unwrap(), vec![7; TENSOR]);
    assert!(matches!(tensors.bytes("b"), Err(LoadError::Rejected(_))));
    assert!(matches!(tensors.sealed("b", &Options::default()), Err(LoadError::Rejected(_))));
    assert!(matches!(tensors.sealed("d", &Options::default()), Err(LoadError::Error(Error::Usage(_)))));
    place.change(20); // in the header
    assert!(matches!(place.open(place.trusting(&place.key)), Err(LoadError::Rejected(_))));
}

#[test]
fn another_length_or_another_signer_is_refused() {
    let place = Place::new(true);
    let stranger = PrivateKey::generate(Curve::P256).unwrap();
    assert!(place.open(place.trusting(&stranger)).is_err());
    let longer = [model(), vec![0; 10]].concat();
    std::fs::write(place.model(), longer).unwrap();
    assert!(matches!(place.open(place.trusting(&place.key)), Err(LoadError::Rejected(_))));
}

#[test]
fn where_parts_cannot_prove_what_is_demanded_all_of_it_is_verified() {
    let whole = Place::new(false);
    let tensors = whole.open(whole.trusting(&whole.key)).unwrap();
    assert!(tensors.file().is_some(), "signed as a whole");
    let place = Place::new(true);
    let pinned = place.open(place.trusting(&place.key).sha256(digest(&model()))).unwrap();
    assert!(pinned.file().is_some(), "a pinned digest is that of all bytes");
    assert!(place.open(place.trusting(&place.key).sha256(digest(b"another"))).is_err());
    // nobody is trusted: a bundle that lies there proves nothing
    let unsigned = place.open(Verifier::builder()).unwrap();
    assert!(unsigned.file().is_some());
    assert!(place.open(Verifier::builder().require(Proof::Signature)).is_err());
    let sharding = Sharding { algorithm: Algorithm::Sha256, size: SHARD, end: u64::MAX };
    assert!(place.open(place.trusting(&place.key).shards(sharding)).unwrap().file().is_none());
}

#[test]
fn a_demand_holds_for_parts_as_for_all() {
    let place = Place::new(true);
    let trusting = || place.trusting(&place.key);
    assert!(place.open(trusting().formats(vec!["gguf".to_owned()])).is_err());
    assert!(place.open(trusting().require(Proof::Manifest)).is_ok());
    assert!(place.open(trusting().require(Proof::WeightsOnly).torch("2.15")).is_ok());
    assert!(
        place.open(trusting().require(Proof::WeightsOnly).torch("2.6")).is_err(),
        "torch.load takes none before 2.13"
    );
}

#[test]
fn a_tensor_by_itself_is_a_safetensors_file() {
    let place = Place::new(true);
    for builder in [place.trusting(&place.key), Verifier::builder()] {
        let tensors = place.open(builder).unwrap();
        let mut bytes = Vec::new();
        tensors.sealed("c", &Options::default()).unwrap().read_to_end(&mut bytes).unwrap();
        let alone = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(alone.names(), ["c"]);
        assert_eq!(alone.tensor("c").unwrap().data(), vec![9; TENSOR]);
        let short = Options::new(Mode::Sealed).memory(TENSOR as u64);
        assert!(matches!(tensors.sealed("c", &short), Err(LoadError::Unavailable { .. })));
    }
}
