//! `sources` of a policy: repositories of the hub by pattern.

use super::glob::matches;

/// True if a pattern of `sources` allows a revision: `*` stands for any characters but `/`, and `@COMMIT` pins one.
pub fn allows(pattern: &str, repo: &str, commit: Option<&str>) -> bool {
    let pattern = pattern.strip_prefix("hf:").or(pattern.strip_prefix("https://huggingface.co/")).unwrap_or(pattern);
    let (name, pinned) = match pattern.split_once('@') {
        Some((name, pinned)) => (name, Some(pinned)),
        None => (pattern, None),
    };
    pinned.is_none_or(|pinned| commit == Some(pinned))
        && name.split('/').count() == repo.split('/').count()
        && name.split('/').zip(repo.split('/')).all(|(pattern, part)| matches(pattern, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_by_pattern() {
        let commit = "0123456789012345678901234567890123456789";
        assert!(allows("facebook/*", "facebook/VGGT-1B", None));
        assert!(allows("hf:facebook/VGGT-1B", "facebook/VGGT-1B", Some(commit)));
        assert!(allows(&format!("a/b@{commit}"), "a/b", Some(commit)));
        assert!(!allows(&format!("a/b@{commit}"), "a/b", None));
        assert!(allows("a/x*y*z", "a/x-y-y-z", None));
        for pattern in ["facebook", "facebook/", "*", "face/*", "facebook/V", "facebook/*/*", "*/x*"] {
            assert!(!allows(pattern, "facebook/VGGT-1B", None), "{pattern}");
        }
        assert!(!allows("a/ab*ba", "a/aba", None));
    }
}
