//! The machine: its clock, how busy others keep it, what a sync of its disk takes, what processes cost.

use crate::Failure;
use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time, for the names of results.
#[expect(clippy::disallowed_methods, reason = "a result says when it was measured")]
pub(crate) fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H%MZ").to_string()
}

/// The share of a moment of ours in which somebody waited for a CPU, though we did nothing: PSI, 0 to 1. Where the kernel does not
/// tell, 0.
pub(crate) async fn pressure() -> f64 {
    let total = || {
        let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        text.split("total=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let (before, began) = (total(), now());
    tokio::time::sleep(Duration::from_millis(500)).await;
    Duration::from_micros(total() - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// F: the median time of `fdatasync` after a write of 4 KiB at a file's end, in ms.
pub(crate) fn sync(dir: &Path) -> Result<f64, Failure> {
    let path = dir.join("sync");
    let mut file = fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..150 {
        file.write_all(&[7; 4096])?;
        let began = now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e3)
}

/// The CPU time of processes and all that they started, in seconds.
pub(crate) fn cpu(pids: &[u32]) -> f64 {
    let stats: Vec<(u32, u32, f64)> =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| stat(&entry.path())).collect();
    let mut family: Vec<u32> = pids.to_vec();
    let mut nth = 0;
    while let Some(parent) = family.get(nth).copied() {
        family.extend(stats.iter().filter(|(pid, of, _)| *of == parent && !pids.contains(pid)).map(|(pid, ..)| *pid));
        nth += 1;
    }
    stats.iter().filter(|(pid, ..)| family.contains(pid)).map(|(.., seconds)| seconds).sum()
}

/// A process: its id, its parent's, its CPU time and that of its ended children in seconds. Linux shows hundredths, whatever its clock.
fn stat(dir: &Path) -> Option<(u32, u32, f64)> {
    let pid = dir.file_name()?.to_str()?.parse().ok()?;
    let text = fs::read_to_string(dir.join("stat")).ok()?;
    // The name of the program, in brackets, may hold anything; what follows it are single words.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u32>().ok()).map(f64::from).sum::<f64>();
    Some((pid, fields.get(1)?.parse().ok()?, ticks / 100.0))
}

/// Memory of a process that is resident, its own and shared, in MB.
pub(crate) fn resident(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

/// Processor, cores and memory in one line.
pub(crate) fn hardware() -> String {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = line("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, {memory}, Linux {}", kernel.trim())
}
