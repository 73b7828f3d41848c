//! Meters of the agent's own cgroup, where it is the attempt's alone.
//!
//! The agent itself is in it, and counts: the limits hold for both together.

use super::sheet::Look;
use crate::agent::cgroup::Home;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A number from here on stands for none: version 1 rounds the largest there is down to whole pages.
const NO_LIMIT: u64 = 1 << 62;

/// The files of one cgroup. In version 1 each controller has a hierarchy of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Cgroup {
    processor: Option<Home>,
    quota: Option<Home>,
    memory: Option<Home>,
    disk: Option<Home>,
    /// What the kernel's own peak was at the last look, and what could be taken back then.
    peak: Option<(u64, u64)>,
    /// Whether a device is made of others, by its number.
    stacked: BTreeMap<String, bool>,
}

impl Cgroup {
    /// That of this process. What counts for the whole machine is left out.
    pub(super) fn own() -> Self {
        let home = |controller| Home::own(controller).filter(|home| !home.is_machines());
        Self { processor: home("cpuacct"), quota: home("cpu"), memory: home("memory"), disk: home("blkio"), ..Self::default() }
    }

    /// Reads what there is.
    pub(super) fn look(&mut self) -> Look {
        let (disk_read_bytes, disk_written_bytes) = self.disks().unzip();
        let (memory_bytes, memory_peak_bytes) = self.memory().unzip();
        Look {
            cpu_us: self.processor.as_ref().and_then(processor),
            cpu_limit_milli: self.quota.as_ref().and_then(|home| home.and_above().filter_map(|dir| quota(home.unified, dir)).min()),
            memory_bytes,
            memory_peak_bytes: memory_peak_bytes.flatten(),
            memory_limit_bytes: self.memory.as_ref().and_then(|home| home.and_above().filter_map(|dir| limit(home.unified, dir)).min()),
            disk_read_bytes,
            disk_written_bytes,
            ..Look::default()
        }
    }

    /// What is in use now, and the most since the last look where the kernel saw more.
    fn memory(&mut self) -> Option<(u64, Option<u64>)> {
        let home = self.memory.as_ref()?;
        let files = if home.unified { ["memory.current", "inactive_file", "memory.peak"] } else { VERSION_1 };
        let number = |name: &str| text(&home.dir, name)?.trim().parse::<u64>().ok();
        let used = number(files[0])?;
        let back = text(&home.dir, "memory.stat").and_then(|stat| keyed(&stat, files[1])).unwrap_or(0);
        let highest = number(files[2]);
        let between = highest.and_then(|highest| between(self.peak, highest, back));
        self.peak = highest.map(|highest| (highest, back));
        Some((used.saturating_sub(back), between))
    }

    fn disks(&mut self) -> Option<(u64, u64)> {
        let home = self.disk.as_ref()?;
        if home.unified {
            let stat = text(&home.dir, "io.stat")?;
            let known = &mut self.stacked;
            return Some(disks(&stat, |device| *known.entry(device.to_owned()).or_insert_with(|| is_stacked(device))));
        }
        let files = ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"];
        files.iter().find_map(|file| text(&home.dir, file)).map(|stat| disks_1(&stat))
    }
}

const VERSION_1: [&str; 3] = ["memory.usage_in_bytes", "total_inactive_file", "memory.max_usage_in_bytes"];

fn text(dir: &Path, file: &str) -> Option<String> {
    fs::read_to_string(dir.join(file)).ok()
}

fn processor(home: &Home) -> Option<u64> {
    if home.unified {
        return keyed(&text(&home.dir, "cpu.stat")?, "usage_usec");
    }
    Some(text(&home.dir, "cpuacct.usage")?.trim().parse::<u64>().ok()? / 1_000)
}

fn quota(unified: bool, dir: &Path) -> Option<u64> {
    if unified {
        return share(&text(dir, "cpu.max")?);
    }
    share(&format!("{} {}", text(dir, "cpu.cfs_quota_us")?.trim(), text(dir, "cpu.cfs_period_us")?))
}

fn limit(unified: bool, dir: &Path) -> Option<u64> {
    let number = text(dir, if unified { "memory.max" } else { "memory.limit_in_bytes" })?.trim().parse().ok()?;
    (number < NO_LIMIT).then_some(number)
}

/// Whether a device is made of others, whose files count the same bytes again.
fn is_stacked(device: &str) -> bool {
    let slaves = PathBuf::from("/sys/dev/block").join(device).join("slaves");
    fs::read_dir(slaves).is_ok_and(|mut slaves| slaves.next().is_some())
}

/// The number behind a word at the beginning of a line.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `cpu.max`: so many µs of so many, in thousandths of a core. `max` and -1 are no limit.
fn share(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    quota.checked_mul(1_000)?.checked_div(period)
}

/// The most that was in use since the last look, where the kernel's own peak has grown since then. That counts also what could
/// have been taken back at once; the larger of what that was at either look is not counted.
fn between(before: Option<(u64, u64)>, highest: u64, back: u64) -> Option<u64> {
    let (was, could) = before.unwrap_or_default();
    (highest > was).then(|| highest.saturating_sub(back.max(could)))
}

/// Bytes read and written by `io.stat`, without devices that are made of others.
fn disks(stat: &str, mut stacked: impl FnMut(&str) -> bool) -> (u64, u64) {
    let mut sums = (0_u64, 0_u64);
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next().is_none_or(|device| !device.contains(':') || stacked(device)) {
            continue;
        }
        for word in words {
            let number = |name| word.strip_prefix(name).and_then(|number: &str| number.parse::<u64>().ok()).unwrap_or(0);
            sums = (sums.0.saturating_add(number("rbytes=")), sums.1.saturating_add(number("wbytes=")));
        }
    }
    sums
}

/// The same by `blkio.throttle.io_service_bytes`: `8:0 Read 4096`. What passes through the kernel's cache on its way to a disk is
/// not among what this version counts as written.
fn disks_1(stat: &str) -> (u64, u64) {
    let sum = |kind: &str| {
        let numbers = stat.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            words.next().filter(|word| *word == kind)?;
            words.next()?.parse::<u64>().ok()
        });
        numbers.fold(0, u64::saturating_add)
    };
    (sum("Read"), sum("Write"))
}

#[cfg(test)]
mod tests;
