//! Digests that files carry in their own names: torch.hub, Ollama, OCI image layouts, git-lfs.
//!
//! A name is part of what an attacker controls, so it is self-asserted like any list. Names look alike by chance, too:
//! what counts as a digest is as narrow as the tools that write such names.

use super::expected::{Claim, Claimed};
use crate::digest::{Algorithm, Digest};
use std::path::Path;

/// What the name of a file says about its content, and which tool writes such names. `path` is canonical but for its last
/// part.
pub fn claim(path: &Path) -> Option<(&'static str, Claim)> {
    let name = path.file_name()?.to_str()?;
    let mut above = path.ancestors().skip(1).filter_map(|directory| directory.file_name()?.to_str());
    let (parent, grandparent) = (above.next().unwrap_or_default(), above.next().unwrap_or_default());
    let whole = |algorithm, hex| Some(Claim::digest(Claimed::Whole(vec![algorithm], full(algorithm, hex)?)));
    match (grandparent, parent) {
        (_, "blobs") => {
            let hex = name.strip_prefix("sha256-")?;
            Some(("name of the Ollama blob", whole(Algorithm::Sha256, hex)?))
        }
        ("blobs", "sha256") => Some(("name of the OCI blob", whole(Algorithm::Sha256, name)?)),
        ("blobs", "sha512") => Some(("name of the OCI blob", whole(Algorithm::Sha512, name)?)),
        (first, second)
            if first.len() == 2
                && second.len() == 2
                && name.get(..2) == Some(first)
                && name.get(2..4) == Some(second)
                && above.next() == Some("objects")
                && above.next() == Some("lfs") =>
        {
            Some(("name of the git-lfs object", whole(Algorithm::Sha256, name)?))
        }
        (grandparent, parent) => {
            let hub = parent == "checkpoints" && grandparent == "hub";
            Some(("name of the torch.hub file", Claim::digest(Claimed::Start(start(name, hub)?.to_owned()))))
        }
    }
}

/// A digest of full length in lower-case hex.
fn full(algorithm: Algorithm, hex: &str) -> Option<Digest> {
    let digest = Digest::from_hex(hex.as_bytes())?;
    (digest.as_bytes().len() == algorithm.size() && digest.to_string() == hex).then_some(digest)
}

/// The digits in `resnet50-0676ba61.pth`: torch.hub and timm write the first eight of the SHA-256. Eight decimal digits
/// are more often a date, and eight hex digits in other names one of git's, so elsewhere than in torch.hub's own folder
/// they say nothing there.
fn start(name: &str, in_hub: bool) -> Option<&str> {
    let stem = [".pth", ".pt", ".pkl", ".bin", ".ckpt", ".safetensors", ".tar", ".zip"]
        .iter()
        .find_map(|end| name.strip_suffix(end))?;
    if !in_hub && ![".pth", ".pt", ".pth.tar"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let stem = stem.strip_suffix(".pth").unwrap_or(stem);
    let digits = stem.rsplit_once('-')?.1;
    let hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let date = digits.bytes().all(|byte| byte.is_ascii_digit());
    let usual = digits.len() == 8 || digits.len() == 64 || (in_hub && (8..64).contains(&digits.len()));
    (hex && usual && (in_hub || !date)).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str) -> Option<(&'static str, String)> {
        let (by, mut claim) = claim(Path::new(path))?;
        let digest = match claim.digests.pop()? {
            Claimed::Whole(_, digest) => digest.to_string(),
            Claimed::Start(start) => start,
            Claimed::Git(blob) => blob.to_string(),
            Claimed::Shards(..) | Claimed::Attested(_) => return None,
        };
        Some((by.rsplit_once("the ").map_or(by, |(_, tool)| tool), digest))
    }

    #[test]
    fn names_that_carry_digests() {
        let hex = "0123456789abcdef".repeat(4);
        for (path, tool, digest) in [
            (format!("/m/blobs/sha256-{hex}"), "Ollama blob", hex.as_str()),
            (format!("/m/blobs/sha256/{hex}"), "OCI blob", &hex),
            (format!("/r/.git/lfs/objects/01/23/{hex}"), "git-lfs object", &hex),
            ("/c/hub/checkpoints/resnet18-f37072fd.pth".into(), "torch.hub file", "f37072fd"),
            ("/c/hub/checkpoints/x-20240101.pth".into(), "torch.hub file", "20240101"),
            ("/d/alexnet-owt-7be5be79.pth".into(), "torch.hub file", "7be5be79"),
        ] {
            assert_eq!(said(&path), Some((tool, digest.to_owned())), "{path}");
        }
    }

    #[test]
    fn names_that_only_look_like_it() {
        let hex = "0123456789abcdef".repeat(4);
        for path in [
            "/d/model-20240101.pth".to_owned(),
            "/d/model-00001-of-00002.bin".into(),
            "/d/model-deadbee.pt".into(),
            "/d/model-DEADBEEF.pt".into(),
            "/d/model-1b4e28ba-2fa1-11d2-883f-0016d3cca427.pt".into(),
            "/d/notes-deadbeef.txt".into(),
            format!("/m/blobs/sha256-{}", &hex[1..]),
            format!("/m/blobs/sha256/{}", hex.to_uppercase()),
            format!("/r/.git/lfs/objects/01/24/{hex}"),
            format!("/d/{hex}"),
        ] {
            assert_eq!(said(&path), None, "{path}");
        }
    }
}
