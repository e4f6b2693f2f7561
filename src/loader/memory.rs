//! How much memory a sealed copy may take: what the machine has free, and what each control group above this process has
//! left, version 1 and 2. A copy that does not fit is refused before it is begun, since the system's own answer to too
//! little memory is a signal that kills.
//!
//! Bound: a few small files of `/proc` and `/sys` per call. What cannot be read does not limit.

use std::fs;
use std::path::Path;

/// Free memory, and who limits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) bytes: u64,
    pub(super) by: &'static str,
}

/// What is free now; `None` where the system does not say.
pub(super) fn free() -> Option<Free> {
    free_in(Path::new("/"))
}

fn free_in(root: &Path) -> Option<Free> {
    let mut found: Vec<Free> = Vec::new();
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    found.extend(meminfo(&text("proc/meminfo")).map(|bytes| Free { bytes, by: "the machine has free" }));
    for line in text("proc/self/cgroup").lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (mounts, names): (&[&str], _) = match controllers {
            "" => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], VERSION_2),
            some if some.split(',').any(|name| name == "memory") => (&["sys/fs/cgroup/memory"], VERSION_1),
            _ => continue,
        };
        for mount in mounts {
            // In a container the path may be that of the host, of which the mount shows the lower end: the mount itself is
            // among the ancestors.
            for group in Path::new(path.trim_start_matches('/')).ancestors() {
                let left = group_left(&root.join(mount).join(group), names);
                found.extend(left.map(|bytes| Free { bytes, by: "its control group leaves" }));
            }
        }
    }
    found.into_iter().min_by_key(|free| free.bytes)
}

/// Names of the files that hold the limit, what is used, and in `memory.stat` the part of it that is given back when asked.
type Names = [&'static str; 3];
const VERSION_1: Names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];
const VERSION_2: Names = ["memory.max", "memory.current", "inactive_file"];

fn group_left(group: &Path, [limit, used, given_back]: Names) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number(limit)?; // "max" is no number and no limit
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let given_back = stat.lines().find_map(|line| line.strip_prefix(given_back)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(number(used)?.saturating_sub(given_back.unwrap_or(0))))
}

fn meminfo(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB"))?;
    kib.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Largest file that this process may write, in bytes: a write beyond it raises a signal that kills.
pub(super) fn largest_file() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max file size")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_limit_counts() {
        let machine = ("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n");
        let root = tree(&[machine]);
        assert_eq!(free_in(root.path()).unwrap().bytes, 4000 << 10);
        let v2 = [
            machine,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a/memory.current", "400000\n"),
            ("sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 100000\nactive_file 7\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "400000\n"),
        ];
        assert_eq!(free_in(tree(&v2).path()).unwrap().bytes, 700_000, "the group above limits as well");
        let v1 = [
            machine,
            ("proc/self/cgroup", "9:name=systemd:/\n4:memory:/docker/1234\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "300000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "100000\n"),
        ];
        let free = free_in(tree(&v1).path()).unwrap();
        assert_eq!((free.bytes, free.by), (200_000, "its control group leaves"), "the mount shows only the container");
        assert_eq!(free_in(tree(&[]).path()), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_says_something() {
        assert!(free().unwrap().bytes > 1 << 20);
        assert!(largest_file() > 1 << 20);
    }
}
