//! What is known of the GPUs, gathered from what the driver's program says.

use super::{
    lines::{Gpu, Listed},
    slices::Slice,
};
use crate::wire::{GpuUsage, Usage};

/// All GPUs and slices of the attempt, in the order in which they were first told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Board {
    gpus: Vec<Row>,
    slices: Vec<Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    told: GpuUsage,
    divided: bool,
    busy_sum: u64,
    looks: u64,
}

impl Board {
    /// Takes what is told of a GPU; whether it is divided into slices.
    pub(super) fn gpu(&mut self, gpu: &Gpu) -> bool {
        let row = row(&mut self.gpus, &gpu.uuid, || gpu.name.clone());
        let Some(row) = row else { return false };
        row.divided = gpu.divided;
        row.tell(gpu.busy_percent, gpu.memory_bytes, gpu.memory_total_bytes);
        gpu.divided
    }

    /// Takes what is told of slices. Those of other GPUs are somebody else's.
    pub(super) fn slices(&mut self, slices: &[Slice], listed: &[Listed]) {
        for slice in slices.iter().filter(|slice| self.gpus.iter().any(|gpu| gpu.divided && gpu.told.uuid == slice.of)) {
            let known = listed.iter().find(|known| known.of == slice.of && known.index == slice.index);
            // By this name old drivers knew them all.
            let uuid =
                known.map_or_else(|| format!("MIG-{}/{}/{}", slice.of, slice.instance.0, slice.instance.1), |known| known.uuid.clone());
            let name = || [slice.name.as_str(), "MIG", known.map_or("", |known| &known.profile)].join(" ").trim().to_owned();
            if let Some(row) = row(&mut self.slices, &uuid, name) {
                row.tell(None, slice.memory_bytes, slice.memory_total_bytes);
            }
        }
    }

    /// Nobody tells what GPUs, or slices, do now.
    pub(super) fn quiet(&mut self, slices: bool) {
        for row in if slices { &mut self.slices } else { &mut self.gpus } {
            (row.told.busy_percent, row.told.memory_bytes) = (None, None);
        }
    }

    /// What is known. In place of a GPU that is divided stand its slices, where any are known.
    pub(super) fn told(&self) -> Vec<GpuUsage> {
        let whole = self.gpus.iter().filter(|gpu| !gpu.divided || self.slices.is_empty());
        whole.chain(&self.slices).take(Usage::MAX_GPUS).map(|row| row.told.clone()).collect()
    }
}

/// The row of a UUID, made where there is room for another.
fn row<'a>(rows: &'a mut Vec<Row>, uuid: &str, name: impl FnOnce() -> String) -> Option<&'a mut Row> {
    let uuid = &uuid[..uuid.floor_char_boundary(Usage::MAX_NAME)];
    let at = match rows.iter().position(|row| row.told.uuid == uuid) {
        Some(at) => at,
        None if rows.len() == Usage::MAX_GPUS => return None,
        None => {
            let mut name = name();
            name.truncate(name.floor_char_boundary(Usage::MAX_NAME));
            rows.push(Row { told: GpuUsage { uuid: uuid.to_owned(), name, ..GpuUsage::default() }, ..Row::default() });
            rows.len() - 1
        }
    };
    rows.get_mut(at)
}

impl Row {
    fn tell(&mut self, busy_percent: Option<u8>, memory_bytes: Option<u64>, memory_total_bytes: Option<u64>) {
        let told = &mut self.told;
        told.busy_percent = busy_percent;
        told.memory_bytes = memory_bytes;
        told.memory_peak_bytes = told.memory_peak_bytes.max(memory_bytes);
        told.memory_total_bytes = memory_total_bytes.or(told.memory_total_bytes);
        if let Some(percent) = busy_percent {
            self.busy_sum += u64::from(percent);
            self.looks += 1;
            told.mean_busy_percent = u8::try_from((self.busy_sum + self.looks / 2) / self.looks).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(uuid: &str, busy: Option<u8>, memory: u64, divided: bool) -> Gpu {
        let memory_total_bytes = Some(80);
        Gpu {
            index: 0,
            uuid: uuid.into(),
            name: "H100".into(),
            busy_percent: busy,
            memory_bytes: Some(memory),
            memory_total_bytes,
            divided,
        }
    }

    fn slice(of: &str, index: u32, memory: u64) -> Slice {
        Slice {
            of: of.into(),
            name: "H100".into(),
            index,
            instance: (index + 7, 0),
            memory_bytes: Some(memory),
            memory_total_bytes: Some(20),
        }
    }

    #[test]
    fn the_last_the_mean_and_the_most_are_kept() {
        let mut board = Board::default();
        board.gpu(&gpu("GPU-1", Some(100), 30, false));
        board.gpu(&gpu("GPU-2", None, 5, false));
        board.gpu(&gpu("GPU-1", Some(51), 10, false));
        let told = board.told();
        let first = &told[0];
        assert_eq!(
            (first.busy_percent, first.mean_busy_percent, first.memory_bytes, first.memory_peak_bytes),
            (Some(51), Some(76), Some(10), Some(30))
        );
        assert_eq!((told.len(), told[1].mean_busy_percent, told[1].memory_total_bytes), (2, None, Some(80)));
        board.quiet(false);
        let first = &board.told()[0];
        assert_eq!(
            (first.busy_percent, first.memory_bytes, first.mean_busy_percent, first.memory_peak_bytes),
            (None, None, Some(76), Some(30))
        );
    }

    #[test]
    fn slices_stand_in_place_of_their_gpu() {
        let mut board = Board::default();
        assert!(!board.gpu(&gpu("GPU-1", Some(5), 1, false)) && board.gpu(&gpu("GPU-2", None, 40, true)));
        assert_eq!(board.told().len(), 2, "nothing is known of its slices yet");
        let listed = [Listed { of: "GPU-2".into(), index: 0, uuid: "MIG-a".into(), profile: "1g.20gb".into() }];
        board.slices(&[slice("GPU-2", 0, 9), slice("GPU-2", 1, 8), slice("GPU-1", 0, 1), slice("GPU-9", 0, 1)], &listed);
        board.slices(&[slice("GPU-2", 0, 3)], &listed);
        let told = board.told();
        let names: Vec<_> = told.iter().map(|gpu| (gpu.uuid.as_str(), gpu.name.as_str())).collect();
        assert_eq!(names, [("GPU-1", "H100"), ("MIG-a", "H100 MIG 1g.20gb"), ("MIG-GPU-2/8/0", "H100 MIG")]);
        assert_eq!((told[1].memory_bytes, told[1].memory_peak_bytes, told[1].busy_percent), (Some(3), Some(9), None));
    }

    #[test]
    fn it_never_tells_more_than_may_be_told() {
        let mut board = Board::default();
        for n in 0..200 {
            let uuid = format!("GPU-{n}{}", "x".repeat(n % 2 * 300));
            board.gpu(&Gpu { name: "é".repeat(200), ..gpu(&uuid, Some(1), 1, n % 2 == 0) });
            let many: Vec<_> = (0..200).map(|index| slice(&board.gpus[0].told.uuid, index, 1)).collect();
            board.slices(&many, &[]);
        }
        let usage = Usage { gpus: board.told(), ..Usage::default() };
        assert!(usage.is_fit() && usage.gpus.len() == Usage::MAX_GPUS);
    }
}
