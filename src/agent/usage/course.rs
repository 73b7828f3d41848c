//! How the use changed with time, in a bounded number of values.

use crate::wire::Course;

/// The step that every attempt begins with, in ms.
const FIRST_STEP_MS: u64 = 1_000;

/// What is known of the time since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// CPU time used in it, in µs.
    pub(super) cpu_us: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    /// How much of it the GPUs worked, in per cent.
    pub(super) gpu_percent: Option<u64>,
    pub(super) gpu_memory_bytes: Option<u64>,
}

/// A course in the making.
///
/// No CPU time is lost or counted twice and no highest value forgotten, however often the step doubles: a step's values are
/// kept as sums and maxima, and two of them make one.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    step_ms: u64,
    until_ms: u64,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    cpu_us: Option<u64>,
    memory_bytes: Option<u64>,
    gpu: Option<Busy>,
    gpu_memory_bytes: Option<u64>,
}

/// Per cent, weighed by how long they were so.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    percent_ms: u64,
    ms: u64,
}

impl Default for Chart {
    fn default() -> Self {
        Self { step_ms: FIRST_STEP_MS, until_ms: 0, steps: Vec::new() }
    }
}

impl Chart {
    /// Adds what a look found that was made `until_ms` after the start. Time that goes backwards counts as none.
    pub(super) fn add(&mut self, until_ms: u64, found: Stretch) {
        let from_ms = self.until_ms;
        self.until_ms = until_ms.max(from_ms);
        let last = loop {
            // The very end of a step still belongs to it.
            let last = usize::try_from(self.until_ms.max(1).div_ceil(self.step_ms) - 1).unwrap_or(usize::MAX);
            if last < Course::MAX_POINTS {
                break last;
            }
            self.halve();
        };
        self.steps.resize(self.steps.len().max(last + 1), Step::default());
        let (whole, mut done, mut given) = (self.until_ms - from_ms, 0, 0);
        let first = if whole == 0 { last } else { usize::try_from(from_ms / self.step_ms).unwrap_or(last) };
        let mut begin = first as u64 * self.step_ms;
        for (n, step) in self.steps.iter_mut().enumerate().take(last + 1).skip(first) {
            let end = begin + self.step_ms;
            let ms = self.until_ms.min(end) - from_ms.max(begin).min(self.until_ms);
            begin = end;
            done += ms;
            // What the last one gets is what is left, so that the sum is exact.
            let share = found.cpu_us.map(|all| if n == last { all - given } else { part(all, done, whole) - given });
            given += share.unwrap_or(0);
            step.take(&Step {
                cpu_us: share,
                memory_bytes: found.memory_bytes,
                gpu: found.gpu_percent.map(|percent| Busy { percent_ms: percent * ms.max(1), ms: ms.max(1) }),
                gpu_memory_bytes: found.gpu_memory_bytes,
            });
        }
    }

    /// Doubles the step.
    fn halve(&mut self) {
        self.step_ms *= 2;
        let pairs = self.steps.chunks(2).map(|pair| {
            let mut one = pair[0];
            pair[1..].iter().for_each(|other| one.take(other));
            one
        });
        self.steps = pairs.collect();
    }

    /// The course so far. What was never told has no row; a row ends where it was told last.
    pub(super) fn course(&self) -> Course {
        let mut begin = 0;
        let cpu = self.steps.iter().map(|step| {
            let ms = self.until_ms.min(begin + self.step_ms).saturating_sub(begin).max(1);
            begin += self.step_ms;
            step.cpu_us.map(|us| us / ms)
        });
        Course {
            step_ms: self.step_ms,
            cpu_milli: row(cpu),
            memory_bytes: row(self.steps.iter().map(|step| step.memory_bytes)),
            gpu_percent: row(self.steps.iter().map(|step| step.gpu.map(|busy| busy.percent_ms / busy.ms.max(1)))),
            gpu_memory_bytes: row(self.steps.iter().map(|step| step.gpu_memory_bytes)),
        }
    }
}

impl Step {
    /// Makes one of two.
    fn take(&mut self, other: &Self) {
        self.cpu_us = both(self.cpu_us, other.cpu_us, |a, b| a + b);
        self.memory_bytes = both(self.memory_bytes, other.memory_bytes, u64::max);
        self.gpu = both(self.gpu, other.gpu, |a, b| Busy { percent_ms: a.percent_ms + b.percent_ms, ms: a.ms + b.ms });
        self.gpu_memory_bytes = both(self.gpu_memory_bytes, other.gpu_memory_bytes, u64::max);
    }
}

fn both<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (a, b) => a.or(b),
    }
}

/// `done` of `whole` parts of `all`, rounded down.
fn part(all: u64, done: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(all) * u128::from(done) / u128::from(whole.max(1))).unwrap_or(all)
}

/// Up to the last that is told; what is not told before it is 0.
fn row(values: impl Iterator<Item = Option<u64>>) -> Vec<u64> {
    let values: Vec<_> = values.collect();
    let told = values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    values[..told].iter().map(|value| value.unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cpu(us: u64) -> Stretch {
        Stretch { cpu_us: Some(us), ..Stretch::default() }
    }

    #[test]
    fn a_stretch_counts_in_each_step_by_its_time() {
        let mut chart = Chart::default();
        chart.add(0, Stretch { memory_bytes: Some(5), ..cpu(0) });
        chart.add(500, Stretch { memory_bytes: Some(9), ..cpu(500_000) });
        assert_eq!(chart.course(), Course { step_ms: 1_000, cpu_milli: vec![1_000], memory_bytes: vec![9], ..Course::default() });
        // From 0.5 s to 3.5 s at two cores.
        chart.add(3_500, Stretch { memory_bytes: Some(7), gpu_percent: Some(80), ..cpu(6_000_000) });
        let course = chart.course();
        assert_eq!(course.cpu_milli, [1_500, 2_000, 2_000, 2_000]);
        assert_eq!(course.memory_bytes, [9, 7, 7, 7]);
        assert_eq!((course.gpu_percent, course.gpu_memory_bytes), (vec![80; 4], vec![]));
        chart.add(4_000, Stretch { gpu_percent: Some(20), ..Stretch::default() });
        assert_eq!(chart.course().gpu_percent, [80, 80, 80, 50]);
        assert_eq!(chart.course().cpu_milli.len(), 4);
    }

    #[test]
    fn a_row_ends_where_it_was_told_last() {
        let mut chart = Chart::default();
        chart.add(1_000, cpu(1));
        chart.add(2_000, Stretch { gpu_percent: Some(40), ..cpu(1) });
        chart.add(3_000, cpu(1));
        assert_eq!(chart.course().gpu_percent, [0, 40]);
    }

    #[test]
    fn a_year_asleep_is_no_trouble() {
        let mut chart = Chart::default();
        chart.add(1_000, cpu(1_000_000));
        chart.add(u64::MAX / 4, cpu(10));
        chart.add(7, cpu(1));
        let course = chart.course();
        assert!(course.is_fit() && course.cpu_milli.len() > Course::MAX_POINTS / 2 - 1, "{course:?}");
        assert_eq!(chart.steps.iter().filter_map(|step| step.cpu_us).sum::<u64>(), 1_000_011);
    }

    proptest! {
        #[test]
        fn sums_and_peaks_are_kept(
            looks in prop::collection::vec((0_u64..40_000, 0_u64..64_000_000, 0_u64..1 << 40, 0_u64..=100), 1..400),
        ) {
            let mut chart = Chart::default();
            let (mut now, mut used, mut peak, mut busy) = (0, 0, 0, 0);
            for (pause, us, bytes, percent) in looks {
                now += pause;
                used += us;
                peak = peak.max(bytes);
                busy += percent * pause;
                chart.add(now, Stretch { cpu_us: Some(us), memory_bytes: Some(bytes), gpu_percent: Some(percent), gpu_memory_bytes: Some(bytes) });
                let course = chart.course();
                prop_assert!(course.is_fit());
                prop_assert_eq!(chart.steps.iter().filter_map(|step| step.cpu_us).sum::<u64>(), used);
                prop_assert_eq!(course.memory_bytes.iter().max(), Some(&peak));
                prop_assert_eq!(course.gpu_memory_bytes.iter().max(), Some(&peak));
                // As it is shown: of each step less than a thousandth of a core and its last bit is rounded away.
                let shown: u64 = course.cpu_milli.iter().zip(0_u64..).map(|(milli, n)| milli * (now - n * course.step_ms).clamp(1, course.step_ms)).sum();
                prop_assert!(shown <= used && used - shown <= now + course.cpu_milli.len() as u64, "{shown} of {used} in {now}");
                // The last step is reached and no step is empty, so a picture of it is whole.
                prop_assert_eq!(course.cpu_milli.len() as u64, now.max(1).div_ceil(course.step_ms));
                if now > FIRST_STEP_MS * Course::MAX_POINTS as u64 {
                    prop_assert!(course.cpu_milli.len() > Course::MAX_POINTS / 2);
                }
            }
            let told: u64 = chart.steps.iter().filter_map(|step| step.gpu).map(|gpu| gpu.percent_ms).sum();
            // A look without any time since the one before counts as a millisecond.
            prop_assert!(told >= busy && told <= busy + 100 * 400, "{told} {busy}");
        }
    }
}
