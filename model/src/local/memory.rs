//! How much memory is left, so that a model that does not fit is refused before the system has to choose what to end.

use std::fs;
use std::path::Path;

use crate::{Error, Kind, Result};

/// Makes sure that so many bytes can be had. Where the system does not tell, it is tried.
pub(super) fn needs(bytes: u64) -> Result<()> {
    match available() {
        Some(free) if free < bytes => {
            let message = format!(
                "the model needs {} of memory and {} are free; end other programs, or take a smaller quantisation or window",
                mebibytes(bytes),
                mebibytes(free)
            );
            Err(Error::new(Kind::Limit, message))
        }
        _ => Ok(()),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// Returns how many bytes can be had: what the machine has left, and no more than what this process, or the group of
/// processes that it belongs to, may have. Nothing where the system does not tell.
pub(super) fn available() -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = groups.lines().filter_map(|line| Group::of(line)?.free());
    of_machine().into_iter().chain(of_groups).chain(of_process()).min()
}

/// What the machine could give without swapping.
fn of_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What is left of the address space that the process may have.
fn of_process() -> Option<u64> {
    #[cfg(unix)]
    {
        let most = rustix::process::getrlimit(rustix::process::Resource::As).current?;
        let pages = fs::read_to_string("/proc/self/statm").ok()?.split(' ').next()?.parse::<u64>().ok()?;
        Some(most.saturating_sub(pages * rustix::param::page_size() as u64))
    }
    #[cfg(not(unix))]
    None
}

/// A group of processes with a limit, of the first or of the second version.
#[derive(Debug, PartialEq)]
struct Group {
    folder: String,
    root: &'static str,
    most: &'static str,
    used: &'static str,
    /// What of it are pages of files, which give way.
    files: &'static str,
}

impl Group {
    fn of(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ':');
        let (_, kinds, folder) = (parts.next()?, parts.next()?, parts.next()?);
        let folder = folder.trim_end_matches('/').to_owned();
        if kinds.is_empty() {
            let root = "/sys/fs/cgroup";
            return Some(Self { folder, root, most: "memory.max", used: "memory.current", files: "file " });
        }
        let (root, most, used) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes");
        kinds.split(',').any(|kind| kind == "memory").then_some(Self {
            folder,
            root,
            most,
            used,
            files: "total_cache ",
        })
    }

    fn free(&self) -> Option<u64> {
        // Inside a container its own group is the root.
        let inside = Path::new(self.root).join(self.folder.trim_start_matches('/'));
        let folder = Some(inside).filter(|folder| folder.join(self.most).exists());
        let folder = folder.unwrap_or_else(|| self.root.into());
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        // A group without a limit says `max`, or a number that no machine has.
        let most = number(self.most)?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let files = stat.lines().find_map(|line| line.strip_prefix(self.files)?.parse::<u64>().ok());
        Some(most.saturating_sub(number(self.used)?.saturating_sub(files.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machine_tells_what_it_has() {
        let free = available().expect("Linux tells");
        assert!(free > 1 << 20 && free < 1 << 50, "{free}");
        let error = needs(1 << 60).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit);
        assert!(error.to_string().starts_with("the model needs 1099511627776 MiB of memory and "), "{error}");
        needs(1).unwrap();
    }

    #[test]
    fn groups_of_both_versions_are_known() {
        let second = Group::of("0::/user.slice/a:b").unwrap();
        assert_eq!((second.folder.as_str(), second.most), ("/user.slice/a:b", "memory.max"));
        let first = Group::of("4:cpu,memory:/box").unwrap();
        assert_eq!((first.folder.as_str(), first.most), ("/box", "memory.limit_in_bytes"));
        assert_eq!(Group::of("3:cpuset:/"), None);
        assert_eq!(Group::of("nonsense"), None);
    }
}
