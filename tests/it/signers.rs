//! Signers of a policy: who must sign what, how many of them, and how a hostile directory fails to name them itself.

use super::model::{model, safetensors};
use super::tool::{Run, mverify, mverify_in};
use std::fs;
use std::path::Path;

/// A directory with two keys and a policy that is written anew for each run.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        for name in ["a", "b", "c"] {
            assert_eq!(mverify_in(home.0.path(), &["keygen", "-o", &format!("{name}.key")], b"").code, 0);
        }
        home
    }
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
    fn sign(&self, model: &Path, key: &str, bundle: &str, more: &[&str]) {
        let bundle = model.join(bundle);
        let key = self.path(&format!("{key}.key"));
        let mut args = vec!["sign", model.to_str().unwrap(), "--key", &key, "-o", bundle.to_str().unwrap()];
        args.extend(more);
        let run = mverify(&args);
        assert_eq!(run.code, 0, "{} {}", run.out, run.err);
    }
    fn hint(&self, key: &str) -> String {
        let pem = fs::read(self.path(&format!("{key}.key.pub"))).unwrap();
        let run = mverify_in(self.0.path(), &["hash", "-"], &pem);
        run.out[..64].to_owned()
    }
    fn run(&self, policy: &str, args: &[&str]) -> Run {
        fs::write(self.path("p.toml"), format!("{SIGNERS}{policy}")).unwrap();
        let config = self.path("p.toml");
        let mut all = args.to_vec();
        all.extend(["--config", &config]);
        mverify(&all)
    }
    /// The codes of `check` and `verify`.
    fn both(&self, policy: &str, model: &Path) -> (i32, i32) {
        let path = model.to_str().unwrap();
        (self.run(policy, &["check", path]).code, self.run(policy, &["verify", path]).code)
    }
}

const SIGNERS: &str = "[signer.a]\nkey = \"a.key.pub\"\n[signer.b]\nkey = \"b.key.pub\"\n";

fn rule(more: &str) -> String {
    format!("[[model]]\npath = \"**\"\n{more}\n")
}

#[test]
fn who_must_sign_and_how_many() {
    let home = Home::new();
    let dir = model();
    let model = dir.path();
    let any = rule("signers = [\"a\", \"b\"]");
    let both = rule("signers = [\"a\", \"b\"]\nthreshold = 2");
    assert_eq!(home.both(&any, model), (3, 3), "nobody signed");
    home.sign(model, "a", "model.sig", &[]);
    assert_eq!(home.both(&any, model), (0, 0));
    assert_eq!(home.both(&rule("signers = [\"b\"]"), model), (3, 3), "somebody else signed");
    assert_eq!(home.both(&both, model), (3, 3), "one of two");
    home.sign(model, "a", "again.sig", &[]);
    assert_eq!(home.both(&both, model), (3, 3), "one of two, twice");
    home.sign(model, "b", "other.sig", &[]);
    assert_eq!(home.both(&both, model), (0, 0));
    assert_eq!(home.both(&rule("signers = [\"a\", \"b\"]\nthreshold = \"all\""), model), (0, 0));
    // the report says who
    let run = home.run(&both, &["check", model.to_str().unwrap(), "--format=json", "--require=signature"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert_eq!(run.out.matches("\"trust\": \"signed\"").count() % 2, 0);
    assert!(run.out.contains(&home.hint("a")) && run.out.contains(&home.hint("b")));
    // what nobody listed, and what changed
    fs::write(model.join("more.safetensors"), safetensors("x")).unwrap();
    assert_eq!(home.both(&any, model), (1, 1));
    fs::remove_file(model.join("more.safetensors")).unwrap();
    fs::write(model.join("model.safetensors"), safetensors("z")).unwrap();
    assert_eq!(home.both(&any, model), (1, 1));
}

#[test]
fn two_signatures_over_two_contents_are_not_two() {
    let home = Home::new();
    let dir = model();
    let path = dir.path();
    home.sign(path, "a", "a.sig", &[]);
    fs::rename(path.join("model.safetensors"), path.join("kept")).unwrap();
    home.sign(path, "b", "b.sig", &[]);
    fs::rename(path.join("kept"), path.join("model.safetensors")).unwrap();
    let both = rule("signers = [\"a\", \"b\"]\nthreshold = 2");
    assert_ne!(home.both(&both, path).0, 0);
}

#[test]
fn rules_by_path_the_first_counts() {
    let home = Home::new();
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    for path in [&one, &two] {
        fs::create_dir(path).unwrap();
        fs::write(path.join("model.safetensors"), safetensors("w")).unwrap();
    }
    home.sign(&one, "a", "model.sig", &[]);
    home.sign(&two, "b", "model.sig", &[]);
    let policy = "[[model]]\npath = \"**/one\"\nsigners = [\"a\"]\n[[model]]\npath = \"**\"\nsigners = [\"b\"]\n";
    assert_eq!(home.both(policy, &one), (0, 0));
    assert_eq!(home.both(policy, &two), (0, 0));
    assert_eq!(home.run(policy, &[root.path().to_str().unwrap()]).code, 0);
    // each signer vouches for its own
    fs::copy(two.join("model.sig"), one.join("model.sig")).unwrap();
    assert_eq!(home.both(policy, &one), (3, 3));
}

#[test]
fn hashes_dates_extras_and_denials() {
    let home = Home::new();
    let dir = model();
    let path = dir.path();
    home.sign(path, "a", "model.sig", &[]);
    let a = "signers = [\"a\"]\n";
    assert_eq!(home.both(&rule(&format!("{a}minimum-hash = \"sha256\"")), path), (0, 0));
    let run = home.run(&rule(&format!("{a}minimum-hash = \"blake2b-512\"")), &[path.to_str().unwrap()]);
    assert!(run.code == 3 && run.out.contains("POL-010"), "{}", run.out);
    assert_eq!(home.both(&rule(&format!("{a}not-after = 2999-01-01")), path), (0, 0));
    assert_eq!(home.both(&rule(&format!("{a}not-after = 2020-01-01")), path), (3, 3));
    assert_eq!(home.both(&rule(&format!("{a}not-before = 2999-01-01")), path), (3, 3));
    let timed = format!("[signer.late]\nkey = \"a.key.pub\"\nnot-after = 2020-01-01\n{}", rule("signers = [\"late\"]"));
    let run = home.run(&timed, &[path.to_str().unwrap()]);
    assert!(run.code == 3 && run.out.contains("counted until 2020-01-01"), "{}", run.out);
    // extras
    fs::create_dir(path.join("extra")).unwrap();
    fs::write(path.join("extra/x.safetensors"), safetensors("x")).unwrap();
    assert_eq!(home.both(&rule(a), path).0, 1);
    let run = home.run(&rule(&format!("{a}allow-extras = [\"extra/*.safetensors\"]")), &[path.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.out);
    let ignores = rule(&format!("{a}allow-ignores = [\"extra\"]"));
    assert_eq!(home.run(&ignores, &[path.to_str().unwrap()]).code, 1, "the signer did not leave it out");
    home.sign(path, "a", "model.sig", &["--ignore", "extra", "--force"]);
    assert_eq!(home.run(&ignores, &[path.to_str().unwrap()]).code, 0);
    assert_eq!(home.run(&rule(a), &[path.to_str().unwrap()]).code, 1, "only the user decides");
    fs::remove_dir_all(path.join("extra")).unwrap();
    // denials, whoever speaks them
    let deny = format!("{}[deny]\nsigners = [\"{}\"]\n", rule(a), home.hint("a"));
    let run = home.run(&deny, &[path.to_str().unwrap()]);
    assert!(run.code == 1 && run.out.contains("POL-005"), "{}", run.out);
    let deny = format!("[deny]\nsigners = [\"{}\"]\n", home.hint("a"));
    assert_eq!(home.both(&deny, path), (1, 1));
    let key = home.path("a.key.pub");
    assert_eq!(home.run(&deny, &["check", path.to_str().unwrap(), "--key", &key]).code, 1);
}

#[test]
fn a_key_by_its_sha256() {
    let home = Home::new();
    let dir = model();
    home.sign(dir.path(), "c", "model.sig", &[]);
    let policy = format!("[signer.c]\nkey-sha256 = \"{}\"\n{}", home.hint("c"), rule("signers = [\"c\"]"));
    assert_eq!(home.both(&policy, dir.path()), (3, 3), "nobody brought the key");
    fs::copy(home.path("c.key.pub"), dir.path().join("c.pub")).unwrap();
    let allowed = policy.replace("signers = [\"c\"]", "signers = [\"c\"]\nallow-extras = [\"*.pub\"]");
    assert_eq!(home.both(&allowed, dir.path()), (0, 0));
    fs::copy(home.path("a.key.pub"), dir.path().join("c.pub")).unwrap();
    assert_eq!(home.both(&allowed, dir.path()), (3, 3), "another key under its name");
}

#[test]
fn a_directory_cannot_name_its_own_signers() {
    let home = Home::new();
    let dir = model();
    let path = dir.path();
    // signed by the one who ships it, with a policy and a key that say so
    home.sign(path, "c", "model.sig", &[]);
    fs::copy(home.path("c.key.pub"), path.join("c.pub")).unwrap();
    let own = "[signer.c]\nkey = \"c.pub\"\n[[model]]\npath = \"**\"\nsigners = [\"c\"]\nallow-extras = [\"**\"]\n";
    fs::write(path.join("mverify.toml"), own).unwrap();
    let args = [path.to_str().unwrap(), "--require=signature"];
    let run = mverify(&args);
    assert!(run.code != 0 && run.err.contains("passed over signer, allow-*"), "{} {}", run.out, run.err);
    assert!(!run.out.contains("signed by key"), "{}", run.out);
    // it even demands a signature that only the user can make count
    assert_ne!(mverify(&args[..1]).code, 0);
    // in the working directory
    let run = mverify_in(path, &["check", ".", "--require=signature"], b"");
    assert_ne!(run.code, 0, "{}", run.out);
    // through a link that leads to a policy elsewhere
    #[cfg(unix)]
    {
        fs::write(home.path("theirs.toml"), own).unwrap();
        fs::remove_file(path.join("mverify.toml")).unwrap();
        std::os::unix::fs::symlink(home.path("theirs.toml"), path.join("mverify.toml")).unwrap();
        assert_ne!(mverify(&args).code, 0);
    }
    // the user's own policy is not changed by it: neither its signers nor its rules
    let mine = rule("signers = [\"a\"]");
    fs::remove_file(path.join("mverify.toml")).unwrap();
    fs::write(path.join("mverify.toml"), own.replace("signer.c", "signer.a").replace("\"c\"", "\"a\"")).unwrap();
    assert_ne!(home.both(&mine, path).0, 0);
    // a key file that is named is not even opened
    fs::write(path.join("mverify.toml"), "[signer.c]\nkey = \"/no/such/key\"\n").unwrap();
    assert_ne!(mverify(&args).code, 2);
}

#[test]
fn signers_that_mean_nothing_are_errors_with_a_place() {
    let home = Home::new();
    let dir = model();
    fs::write(home.path("bad.pub"), "no key").unwrap();
    let before = SIGNERS.lines().count();
    for (policy, line, column) in [
        ("[signer.c]\nkey = \"no-such.pub\"\n", 2, 7),
        ("[signer.c]\nkey = \"bad.pub\"\n", 2, 7),
        ("[signer.c]\nkey = \"a.key.pub\"\nkey-sha256 = \"00\"\n", 2, 7),
        ("[signer.c]\nkey-sha256 = \"00\"\n", 2, 14),
        ("[signer.c]\nca = [\"a.key.pub\"]\nsubject = \"x\"\n", 2, 7),
        ("[signer.c]\nca = [\"a.key.pub\"]\n", 2, 7),
        ("[signer.c]\nidentity = \"x\"\n", 2, 12),
        ("[[model]]\npath = \"**\"\nsigners = [\"a\", \"d\"]\n", 3, 17),
        ("[[model]]\npath = \"**\"\nsigners = [\"a\", \"a\"]\n", 3, 17),
        ("[[model]]\npath = \"**\"\nsigners = [\"a\"]\nthreshold = 2\n", 4, 13),
        ("[[model]]\npath = \"**\"\nsigners = [\"a\"]\nthreshold = 0\n", 4, 13),
        ("[[model]]\npath = \"**\"\nminimum-hash = \"md5\"\n", 3, 16),
        ("[[model]]\nsigners = [\"a\"]\n", 1, 1),
        ("[[model]]\npath = \"**\"\nnot-before = 2027-01-02\nnot-after = 2027-01-01\n", 1, 1),
        ("[signer.c]\nkey = \"a.key.pub\"\nnot-before = 2027-01-02\nnot-after = 2027-01-01\n", 2, 7),
        ("[[model]]\npath = \"**\"\nsigner = [\"a\"]\n", 3, 1),
        ("[deny]\nsha256 = [\"xy\"]\n", 2, 10),
    ] {
        let run = home.run(policy, &[dir.path().to_str().unwrap()]);
        let place = format!("p.toml:{}:{column}: ", before + line);
        assert!(run.code == 2 && run.err.contains(&place), "{policy} {place}: {} {}", run.code, run.err);
    }
}

#[test]
fn the_library_does_the_same() {
    use mverify::policy::Policy;
    let home = Home::new();
    let dir = model();
    home.sign(dir.path(), "a", "model.sig", &[]);
    let verify = |policy: &str, now| {
        let policy = Policy::read(&format!("{SIGNERS}{policy}"), home.0.path()).unwrap();
        mverify::Verifier::builder().policy(policy, now).build().unwrap().verify_path(dir.path()).ok()
    };
    assert!(verify(&rule("signers = [\"a\"]"), 0));
    assert!(!verify(&rule("signers = [\"b\"]"), 0));
    let until = rule("signers = [\"a\"]\nnot-after = 1970-01-02");
    assert!(verify(&until, 100_000) && !verify(&until, 200_000), "the time is the caller's");
    // without hashing there is no proof either
    let policy = Policy::read(&format!("{SIGNERS}{}", rule("signers = [\"b\"]")), home.0.path()).unwrap();
    let verifier = mverify::Verifier::builder().digests(&[]).policy(policy, 0).build().unwrap();
    assert!(!verifier.verify_path(dir.path()).ok());
    // a policy that was only parsed has read no keys, so it trusts nobody
    let parsed = Policy::parse(&format!("{SIGNERS}{}", rule("signers = [\"a\"]"))).unwrap();
    assert!(!mverify::Verifier::builder().policy(parsed, 0).build().unwrap().verify_path(dir.path()).ok());
}
