//! The machine's GPUs.

use std::{collections::BTreeSet, fs};

/// How many NVIDIA GPUs this machine shows: device files `/dev/nvidia0`, `/dev/nvidia1`, …
#[must_use]
pub fn gpu_count() -> u32 {
    let names = fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let count = names.filter(|name| name.to_str().is_some_and(is_gpu)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn is_gpu(name: &str) -> bool {
    name.strip_prefix("nvidia").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// The first `wanted` of `all` GPUs that nobody uses; `None` where there are not enough.
pub(super) fn choose(all: u32, used: &BTreeSet<u32>, wanted: u32) -> Option<Vec<u32>> {
    let free: Vec<_> = (0..all).filter(|gpu| !used.contains(gpu)).take(wanted as usize).collect();
    (free.len() == wanted as usize).then_some(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_devices_are_gpus() {
        assert!(is_gpu("nvidia0") && is_gpu("nvidia15"));
        assert!(!is_gpu("nvidia") && !is_gpu("nvidiactl") && !is_gpu("nvidia-uvm"));
    }

    #[test]
    fn each_gpu_is_given_once() {
        assert_eq!(choose(4, &[1].into(), 2), Some(vec![0, 2]));
        assert_eq!(choose(4, &[1].into(), 4), None);
        assert_eq!(choose(0, &[].into(), 0), Some(vec![]));
    }
}
