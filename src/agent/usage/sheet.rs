//! From single looks to what is told of the attempt.

use super::course::{Chart, Stretch};
use crate::wire::{Course, GpuUsage, Usage};

/// How long the rate of CPU is taken over, in ms, and in the first second at least: the kernel counts a process's time in
/// hundredths of a second.
const RATE_MS: u64 = 1_000;
const LEAST_RATE_MS: u64 = 100;

/// What one look found. Sums may have begun at any time before; what is not told is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) cpu_us: Option<u64>,
    pub(super) cpu_limit_milli: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    /// The most that was in use between this look and the one before, where somebody else saw it.
    pub(super) memory_peak_bytes: Option<u64>,
    pub(super) memory_limit_bytes: Option<u64>,
    pub(super) disk_read_bytes: Option<u64>,
    pub(super) disk_written_bytes: Option<u64>,
    pub(super) network_received_bytes: Option<u64>,
    pub(super) network_sent_bytes: Option<u64>,
}

impl Look {
    /// What another way of looking found, where this one found nothing.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.or(other.cpu_us),
            cpu_limit_milli: self.cpu_limit_milli.or(other.cpu_limit_milli),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            memory_peak_bytes: self.memory_peak_bytes.or(other.memory_peak_bytes),
            memory_limit_bytes: self.memory_limit_bytes.or(other.memory_limit_bytes),
            disk_read_bytes: self.disk_read_bytes.or(other.disk_read_bytes),
            disk_written_bytes: self.disk_written_bytes.or(other.disk_written_bytes),
            network_received_bytes: self.network_received_bytes.or(other.network_received_bytes),
            network_sent_bytes: self.network_sent_bytes.or(other.network_sent_bytes),
        }
    }
}

/// All looks together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    usage: Usage,
    chart: Chart,
    /// The first look, at the attempt's start: what was used before is not its own, but of its pod's network.
    start: Option<Look>,
    cpu_us: u64,
    /// When the rate of CPU was last made anew, and the CPU time until then.
    rated: (u64, u64),
}

impl Sheet {
    /// Adds a look made `elapsed_ms` after the start, and what the GPUs did last. A total that becomes less is one that
    /// could not be counted whole, and stays as it was.
    pub(super) fn add(&mut self, elapsed_ms: u64, look: &Look, gpus: &[GpuUsage]) {
        let start = *self.start.get_or_insert(*look);
        let since = |now: Option<u64>, then: Option<u64>| now.map(|now| now.saturating_sub(then.unwrap_or(0)));
        let usage = &mut self.usage;
        usage.elapsed_ms = elapsed_ms.max(usage.elapsed_ms);
        let before = self.cpu_us;
        if let Some(us) = since(look.cpu_us, start.cpu_us) {
            self.cpu_us = us.max(before);
            usage.cpu_ms = Some(self.cpu_us / 1_000);
            let (then, used) = self.rated;
            let ms = usage.elapsed_ms - then;
            if ms >= LEAST_RATE_MS {
                usage.cpu_milli = Some((self.cpu_us - used) / ms);
            }
            if ms >= RATE_MS {
                self.rated = (usage.elapsed_ms, self.cpu_us);
            }
        }
        usage.cpu_limit_milli = look.cpu_limit_milli.or(usage.cpu_limit_milli);
        usage.memory_bytes = look.memory_bytes.or(usage.memory_bytes);
        usage.memory_peak_bytes = usage.memory_peak_bytes.max(look.memory_bytes).max(look.memory_peak_bytes);
        usage.memory_limit_bytes = look.memory_limit_bytes.or(usage.memory_limit_bytes);
        usage.disk_read_bytes = usage.disk_read_bytes.max(since(look.disk_read_bytes, start.disk_read_bytes));
        usage.disk_written_bytes = usage.disk_written_bytes.max(since(look.disk_written_bytes, start.disk_written_bytes));
        usage.network_received_bytes = usage.network_received_bytes.max(look.network_received_bytes);
        usage.network_sent_bytes = usage.network_sent_bytes.max(look.network_sent_bytes);
        usage.gpus = gpus.to_vec();
        let stretch = Stretch {
            cpu_us: look.cpu_us.map(|_| self.cpu_us - before),
            memory_bytes: look.memory_bytes.max(look.memory_peak_bytes),
            gpu_percent: mean(gpus.iter().filter_map(|gpu| gpu.busy_percent)),
            gpu_memory_bytes: sum(gpus.iter().filter_map(|gpu| gpu.memory_bytes)),
        };
        self.chart.add(usage.elapsed_ms, stretch);
    }

    /// What was used so far.
    pub(super) fn usage(&self) -> Usage {
        self.usage.clone()
    }

    /// How it changed with time.
    pub(super) fn course(&self) -> Course {
        self.chart.course()
    }
}

fn mean(values: impl Iterator<Item = u8>) -> Option<u64> {
    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + u64::from(value), count + 1));
    sum.checked_div(count)
}

fn sum(values: impl Iterator<Item = u64>) -> Option<u64> {
    values.fold(None, |sum, value| Some(sum.unwrap_or(0_u64).saturating_add(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cpu_us: u64, memory: u64) -> Look {
        Look { cpu_us: Some(cpu_us), memory_bytes: Some(memory), ..Look::default() }
    }

    #[test]
    fn looks_add_up() {
        let mut sheet = Sheet::default();
        let network = |bytes| Look { network_sent_bytes: Some(bytes), ..at(70_000, 10) };
        sheet.add(0, &Look { disk_read_bytes: Some(100), cpu_limit_milli: Some(1_500), ..network(7) }, &[]);
        sheet.add(50, &network(8), &[]);
        let usage = sheet.usage();
        assert_eq!((usage.cpu_ms, usage.cpu_milli), (Some(0), None), "what was before is not counted, and the time is too short");
        sheet.add(500, &Look { disk_read_bytes: Some(300), ..at(570_000, 50) }, &[]);
        assert_eq!(sheet.usage().cpu_milli, Some(1_000));
        sheet.add(1_000, &at(1_570_000, 20), &[]);
        sheet.add(6_000, &Look { memory_peak_bytes: Some(70), ..at(3_070_000, 30) }, &[]);
        let usage = sheet.usage();
        assert_eq!((usage.elapsed_ms, usage.cpu_ms, usage.cpu_milli, usage.cpu_limit_milli), (6_000, Some(3_000), Some(300), Some(1_500)));
        assert_eq!((usage.memory_bytes, usage.memory_peak_bytes), (Some(30), Some(70)));
        assert_eq!((usage.disk_read_bytes, usage.disk_written_bytes, usage.network_sent_bytes), (Some(200), None, Some(8)));
        assert_eq!(sheet.course().cpu_milli, [1_500, 300, 300, 300, 300, 300]);
    }

    #[test]
    fn what_becomes_less_or_is_not_told_stays() {
        let mut sheet = Sheet::default();
        sheet.add(0, &at(0, 10), &[]);
        sheet.add(1_000, &at(2_000_000, 10), &[]);
        sheet.add(2_000, &at(1_000_000, 10), &[]);
        sheet.add(3_000, &Look::default(), &[]);
        let usage = sheet.usage();
        assert_eq!((usage.cpu_ms, usage.memory_bytes, usage.elapsed_ms), (Some(2_000), Some(10), 3_000));
        assert_eq!(sheet.course().cpu_milli, [2_000, 0]);
        let mut nothing = Sheet::default();
        nothing.add(9, &Look::default(), &[]);
        assert_eq!(nothing.usage(), Usage { elapsed_ms: 9, ..Usage::default() });
    }

    #[test]
    fn gpus_are_one_in_the_course() {
        let gpu = |busy: Option<u8>, memory: u64| GpuUsage { busy_percent: busy, memory_bytes: Some(memory), ..GpuUsage::default() };
        let mut sheet = Sheet::default();
        sheet.add(1_000, &Look::default(), &[gpu(Some(100), 4), gpu(Some(50), 5), gpu(None, 6)]);
        assert_eq!((sheet.course().gpu_percent, sheet.course().gpu_memory_bytes), (vec![75], vec![15]));
        assert_eq!(sheet.usage().gpus.len(), 3);
    }
}
