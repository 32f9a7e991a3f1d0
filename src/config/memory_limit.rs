//! The default of `query.memory_bytes`: it depends on what the system allows this process.
//!
//! A failed allocation aborts the process, and the kernel kills a process that exceeds the limit of its cgroup. So the
//! default is a part of the lowest limit.

use std::fmt;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// The default, if the system allows at least four times as much.
const DEFAULT_BYTES: u64 = 384 << 20;

/// The part of a limit of the system that queries may use: the rest is for the program, for threads' stacks, and for
/// what operators do not count.
const PART_OF_A_LIMIT: u64 = 4;

/// How much memory queries may use, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The limit, in bytes.
    pub bytes: usize,
    /// The limit of the system that it is a part of.
    pub system: Option<SystemLimit>,
}

/// A limit that the system sets for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemLimit {
    /// The limit, in bytes.
    pub bytes: u64,
    /// What sets it.
    pub source: &'static str,
}

impl MemoryLimit {
    /// The limit that a setting gives, or the default.
    pub(super) fn new(setting: Option<usize>) -> Self {
        match setting {
            Some(bytes) => Self { bytes, system: None },
            None => Self::within(system_limits().into_iter().flatten().min()),
        }
    }

    fn within(lowest: Option<SystemLimit>) -> Self {
        match lowest.filter(|limit| limit.bytes / PART_OF_A_LIMIT < DEFAULT_BYTES) {
            Some(limit) => Self { bytes: to_usize(limit.bytes / PART_OF_A_LIMIT), system: Some(limit) },
            None => Self { bytes: to_usize(DEFAULT_BYTES), system: None },
        }
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = Mebibytes(self.bytes as u64);
        match self.system {
            None => write!(f, "{size} for queries"),
            Some(SystemLimit { bytes, source }) => {
                write!(f, "{size} for queries, a quarter of the {} that {source} allows", Mebibytes(bytes))
            }
        }
    }
}

struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0 >> 20)
    }
}

/// The limits that the system sets, as far as it tells them.
fn system_limits() -> [Option<SystemLimit>; 3] {
    let of = |source: &'static str, bytes: Option<u64>| bytes.map(|bytes| SystemLimit { bytes, source });
    [
        of("`ulimit -v`", resource_limit(Resource::As)),
        of("`ulimit -d`", resource_limit(Resource::Data)),
        of("the cgroup", cgroup_limit(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"))),
    ]
}

fn resource_limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

/// The lowest limit of the process's cgroup and of those above it. Linux shows them as files: `memory.max` in version 2,
/// `memory.limit_in_bytes` in version 1. Inside a container the own cgroup is often the root of what is mounted.
fn cgroup_limit(membership: &Path, root: &Path) -> Option<u64> {
    let membership = std::fs::read_to_string(membership).ok()?;
    let limits = membership.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ => (root.join("memory"), "memory.limit_in_bytes"),
        };
        let is_of_memory = controllers.is_empty() || controllers.split(',').any(|name| name == "memory");
        let groups = Path::new(path.trim_start_matches('/')).ancestors().map(move |group| root.join(group).join(file));
        groups.filter(move |_| is_of_memory).filter_map(|file| read_limit(&file)).collect::<Vec<_>>()
    });
    limits.min()
}

/// A limit in a file. Without a limit, version 2 has `max`, and version 1 a number above all memory.
fn read_limit(file: &Path) -> Option<u64> {
    const ABOVE_ALL_MEMORY: u64 = 1 << 60;
    std::fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < ABOVE_ALL_MEMORY)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_default_is_a_quarter_of_a_low_limit() {
        let within = |bytes: u64| MemoryLimit::within(Some(SystemLimit { bytes, source: "the cgroup" }));

        assert_eq!(MemoryLimit::within(None).bytes, 384 << 20);
        assert_eq!(within(8 * GIB), MemoryLimit::within(None), "a high limit changes nothing");
        assert_eq!(within(GIB).bytes, 256 << 20);
        assert_eq!(within(GIB).to_string(), "256 MiB for queries, a quarter of the 1024 MiB that the cgroup allows");
        assert_eq!(MemoryLimit::new(Some(7 << 20)).to_string(), "7 MiB for queries");
    }

    #[test]
    fn the_limit_of_a_cgroup_is_the_lowest_on_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path().join("system.slice/oceanflight.service");
        fs::create_dir_all(&group).unwrap();
        let membership = dir.path().join("membership");
        fs::write(&membership, "1:cpu,cpuacct:/other\n0::/system.slice/oceanflight.service\n").unwrap();
        let limit = || cgroup_limit(&membership, dir.path());

        assert_eq!(limit(), None);
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(), None);
        fs::write(dir.path().join("system.slice/memory.max"), "3000\n").unwrap();
        assert_eq!(limit(), Some(3_000));
        fs::write(group.join("memory.max"), "2000\n").unwrap();
        assert_eq!(limit(), Some(2_000));
        assert_eq!(cgroup_limit(Path::new("/no/such/file"), dir.path()), None);
    }

    #[test]
    fn version_one_of_cgroups_has_a_tree_for_memory() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("memory/docker/7")).unwrap();
        let membership = dir.path().join("membership");
        fs::write(&membership, "4:memory:/docker/7\n3:pids:/docker/7\n").unwrap();
        fs::write(dir.path().join("memory/memory.limit_in_bytes"), "9223372036854771712").unwrap();
        fs::write(dir.path().join("memory/docker/7/memory.limit_in_bytes"), "1000").unwrap();

        assert_eq!(cgroup_limit(&membership, dir.path()), Some(1_000));
    }
}
