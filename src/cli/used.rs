//! What attempts used, in one line each.

use super::{get::size, span::span};
use crate::wire::{Attempt, GpuUsage, Usage};
use std::time::Duration;

/// `2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, GPU 87 % busy, 31.0 GiB of 80.0 GiB`: sums, means and peaks of the
/// attempt so far. Nothing where nothing is known.
pub(super) fn summary(usage: &Usage) -> Option<String> {
    let parts = [usage.cpu_ms.map(|ms| cpu(usage, ms)), memory(usage), gpus(&usage.gpus)];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

/// The same of all attempts that know; where there are several, each by its number.
pub(super) fn of_attempts(attempts: &[Attempt]) -> Vec<String> {
    let known = attempts.iter().filter_map(|attempt| Some((attempt.attempt, summary(attempt.notes.as_ref()?.usage.as_ref()?)?)));
    known.map(|(number, text)| if attempts.len() > 1 { format!("{number}: {text}") } else { text }).collect()
}

fn cpu(usage: &Usage, ms: u64) -> String {
    let mean = (u128::from(ms) * 1_000).checked_div(u128::from(usage.elapsed_ms));
    let of = usage.cpu_limit_milli.map(|milli| format!(" of {}", limit(milli))).unwrap_or_default();
    let tenths = mean.map(|milli| (milli + 50) / 100);
    let mean = tenths.map(|tenths| format!(" ({}.{} cores{of})", tenths / 10, tenths % 10)).unwrap_or_default();
    format!("{} CPU{mean}", span(Duration::from_millis(ms)))
}

/// `4`, `1.5`, `0.25`.
fn limit(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1_000, milli % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn memory(usage: &Usage) -> Option<String> {
    let of = usage.memory_limit_bytes.map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
    Some(format!("memory peak {}{of}", size(usage.memory_peak_bytes?)))
}

/// All GPUs together: how busy they were in the mean, and the sum of their peaks.
fn gpus(all: &[GpuUsage]) -> Option<String> {
    let slices = all.iter().all(|gpu| gpu.uuid.starts_with("MIG-"));
    let what = match (all.len(), slices) {
        (0, _) => return None,
        (1, false) => "GPU".to_owned(),
        (1, true) => "MIG slice".to_owned(),
        (n, false) => format!("{n} GPUs"),
        (n, true) => format!("{n} MIG slices"),
    };
    let busy: Vec<_> = all.iter().filter_map(|gpu| gpu.mean_busy_percent).map(u64::from).collect();
    let busy = busy.iter().sum::<u64>().checked_div(busy.len() as u64).map(|percent| format!(" {percent} % busy"));
    let sum = |bytes: fn(&GpuUsage) -> Option<u64>| all.iter().filter_map(bytes).reduce(u64::saturating_add);
    let of = sum(|gpu| gpu.memory_total_bytes).map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
    let held = sum(|gpu| gpu.memory_peak_bytes).map(|bytes| format!("{}{of}", size(bytes)));
    match (busy, held) {
        (Some(busy), held) => Some(format!("{what}{busy}{}", held.map(|held| format!(", {held}")).unwrap_or_default())),
        (None, held) => held.map(|held| format!("{what} {held}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::testing::attempt, wire::Notes};

    const GIB: u64 = 1 << 30;

    fn gpu(uuid: &str, busy: Option<u8>, peak: Option<u64>) -> GpuUsage {
        let (uuid, memory_total_bytes) = (uuid.to_owned(), Some(80 * GIB));
        GpuUsage { uuid, mean_busy_percent: busy, memory_peak_bytes: peak, memory_total_bytes, ..GpuUsage::default() }
    }

    fn usage() -> Usage {
        Usage {
            elapsed_ms: 92_000,
            cpu_ms: Some(131_000),
            cpu_limit_milli: Some(4_000),
            memory_peak_bytes: Some(3_435_973_837),
            memory_limit_bytes: Some(8 * GIB),
            gpus: vec![gpu("GPU-1", Some(87), Some(31 * GIB))],
            ..Usage::default()
        }
    }

    #[test]
    fn an_attempt_is_a_line() {
        let of = |gpus: Vec<GpuUsage>| Usage { gpus, ..usage() };
        let slice = gpu("MIG-1", None, Some(3 * GIB));
        let lines = [
            usage(),
            of(vec![gpu("GPU-1", Some(87), Some(31 * GIB)), gpu("GPU-2", Some(90), Some(GIB))]),
            of(vec![slice.clone()]),
            of(vec![slice.clone(), slice]),
            of(vec![gpu("GPU-1", Some(5), None)]),
            of(vec![gpu("GPU-1", None, None)]),
            Usage { cpu_limit_milli: Some(1_500), memory_limit_bytes: None, ..of(vec![]) },
            Usage { elapsed_ms: 0, cpu_ms: Some(0), ..Usage::default() },
            Usage { memory_peak_bytes: Some(5), ..Usage::default() },
        ];
        let shown: Vec<_> = lines.iter().map(|usage| summary(usage).unwrap_or_default()).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, GPU 87 % busy, 31.0 GiB of 80.0 GiB
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, 2 GPUs 88 % busy, 32.0 GiB of 160.0 GiB
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, MIG slice 3.0 GiB of 80.0 GiB
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, 2 MIG slices 6.0 GiB of 160.0 GiB
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB, GPU 5 % busy
        2m11s CPU (1.4 cores of 4), memory peak 3.2 GiB of 8.0 GiB
        2m11s CPU (1.4 cores of 1.5), memory peak 3.2 GiB
        0.0s CPU
        memory peak 5 B
        ");
        assert_eq!(summary(&Usage { elapsed_ms: 5, ..Usage::default() }), None);
    }

    #[test]
    fn of_several_attempts_each_has_its_number() {
        let with = |number, usage: Option<Usage>| Attempt {
            notes: usage.map(|usage| Notes { usage: Some(usage), ..Notes::default() }),
            ..attempt(number, None)
        };
        let small = Usage { memory_peak_bytes: Some(2_048), ..Usage::default() };
        assert_eq!(of_attempts(&[with(1, Some(small.clone()))]), ["memory peak 2.0 KiB"]);
        assert_eq!(of_attempts(&[with(1, None), with(2, Some(small)), with(3, Some(Usage::default()))]), ["2: memory peak 2.0 KiB"]);
        assert_eq!(of_attempts(&[with(1, None)]), Vec::<String>::new());
    }
}
