//! The memory that the process may use: the limit of its cgroup, or what the machine has.

use std::fs;
use std::path::Path;

/// The most that Cambio uses unless `runtime.memory` says more. A sidecar that needs more is under attack, whatever its host
/// has.
const MOST: u64 = 256 << 20;

/// A limit from here on is none: cgroup v1 writes "no limit" as the highest multiple of a page.
const NO_LIMIT: u64 = 1 << 60;

/// The bytes that Cambio may use: what `runtime.memory` says, or what the system allows.
pub fn usable(configured: Option<usize>) -> usize {
    let allowed = || allowed(Path::new("/")).map_or(MOST, |allowed| allowed.min(MOST));
    configured.unwrap_or_else(|| usize::try_from(allowed()).unwrap_or(usize::MAX))
}

/// The share of the usable memory that callers may make Cambio hold. The other two thirds are for the process at rest,
/// idle connections, and what an allocator keeps.
pub fn budget(usable: usize) -> usize {
    usable / 3
}

/// The memory that the system allows, by the files under `root`: the least limit of the process's cgroup and its parents, or
/// the machine's memory.
fn allowed(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_limit(root, line));
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| machine_memory(&text));
    limits.chain(machine).min()
}

/// The limit of one line of `/proc/self/cgroup`: `0::PATH` (v2), or `N:CONTROLLERS:PATH` (v1).
fn group_limit(root: &Path, line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (mount, file) = match controllers {
        "" => (root.join("sys/fs/cgroup"), "memory.max"),
        all if all.split(',').any(|one| one == "memory") => {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = mount.join(path.trim_start_matches('/'));
    // In a container, the path may be the host's, and the container's own limit stands at the mount.
    let folders = group.ancestors().take_while(|folder| folder.starts_with(&mount));
    folders.filter_map(|folder| limit(&fs::read_to_string(folder.join(file)).ok()?)).min()
}

/// A limit as a cgroup writes it; `None` if there is none.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|limit| *limit < NO_LIMIT)
}

/// The machine's memory, from `/proc/meminfo`.
fn machine_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_cgroups_counts() {
        const MIB: u64 = 1 << 20;
        let meminfo = ("proc/meminfo", "MemTotal:       24683520 kB\nMemFree:         7125000 kB\n");
        let machine = 24_683_520 * 1024;
        for (name, files, expected) in [
            ("nothing is known", &[][..], None),
            ("no cgroups", &[meminfo], Some(machine)),
            (
                "v2, in a container",
                &[meminfo, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n")],
                Some(256 * MIB),
            ),
            (
                "v2 without a limit",
                &[meminfo, ("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "max\n")],
                Some(machine),
            ),
            (
                "v2, a parent's limit is lower",
                &[
                    meminfo,
                    ("proc/self/cgroup", "0::/pods/a\n"),
                    ("sys/fs/cgroup/pods/a/memory.max", "536870912\n"),
                    ("sys/fs/cgroup/pods/memory.max", "134217728\n"),
                ],
                Some(128 * MIB),
            ),
            (
                "v1",
                &[
                    meminfo,
                    ("proc/self/cgroup", "9:name=systemd:/\n4:memory:/a/b\n0::/\n"),
                    ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "67108864\n"),
                    ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(64 * MIB),
            ),
            (
                "v1, a controller beside memory, and no limit",
                &[
                    meminfo,
                    ("proc/self/cgroup", "4:cpu,memory:/\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(machine),
            ),
            (
                "v1 in a container: the path is the host's, the limit stands at the mount",
                &[
                    meminfo,
                    ("proc/self/cgroup", "4:memory:/kubepods/pod1/abc\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
                ],
                Some(256 * MIB),
            ),
            (
                "a limit above the machine's memory",
                &[meminfo, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "1099511627776\n")],
                Some(machine),
            ),
            (
                "lines that say nothing",
                &[meminfo, ("proc/self/cgroup", "\n0\nx:y\n0::/\n"), ("sys/fs/cgroup/memory.max", "many\n")],
                Some(machine),
            ),
        ] {
            let root = std::env::temp_dir().join(format!("cambio-memory-{}", uuid::Uuid::new_v4()));
            fs::create_dir_all(&root).unwrap();
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(allowed(&root), expected, "{name}");
            fs::remove_dir_all(root).unwrap();
        }
    }

    #[test]
    fn the_configuration_may_say_more_than_the_default() {
        assert_eq!(usable(Some(1 << 30)), 1 << 30);
        assert!(usable(None) <= 256 << 20);
        assert_eq!(budget(48 << 20), 16 << 20);
    }
}
