//! What an attempt used of its machine.

use serde::{Deserialize, Serialize};

/// What an attempt has used from its start on, set-up included, and what it uses now. What the machine does not tell is
/// absent, never 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Usage {
    /// How long it was measured, in ms.
    pub elapsed_ms: u64,
    /// CPU time in ms, of all cores together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// CPU in use at the last look, in thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u64>,
    /// The most CPU that it may use, in thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit_milli: Option<u64>,
    /// Memory in use at the last look, in bytes, without what the kernel can take back at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The most memory that was in use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// The most memory that it may use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// Bytes read from disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_read_bytes: Option<u64>,
    /// Bytes written to disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_written_bytes: Option<u64>,
    /// Bytes received by its pod; absent where it shares a machine's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_received_bytes: Option<u64>,
    /// Bytes sent by its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_sent_bytes: Option<u64>,
    /// Its GPUs, or slices of one, at most [`Usage::MAX_GPUS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuUsage>,
}

/// What an attempt uses of one GPU or MIG slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GpuUsage {
    /// Its UUID, `GPU-…` or `MIG-…`, as the driver says it.
    pub uuid: String,
    /// Its product; of a slice also its profile.
    pub name: String,
    /// How much of the time it worked at the last look, in per cent; the driver tells it of no slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<u8>,
    /// The same in the mean of all looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_busy_percent: Option<u8>,
    /// Memory in use at the last look, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The most memory that was in use at any look, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// Its memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
}

/// How the use changed with time: a row of values per figure, evenly spaced. The n-th value is the mean (of memory the most)
/// of the time from n × `stepMs` to (n + 1) × `stepMs`. As the attempt grows older the step doubles, so that there are at most
/// [`Course::MAX_POINTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Course {
    /// The time between two values, in ms.
    pub step_ms: u64,
    /// CPU in thousandths of a core.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpu_milli: Vec<u64>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memory_bytes: Vec<u64>,
    /// How much of the time the GPUs worked, in per cent, in the mean of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpu_percent: Vec<u64>,
    /// Memory of all GPUs in bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpu_memory_bytes: Vec<u64>,
}

impl Usage {
    /// The most GPUs and slices that are told of.
    pub const MAX_GPUS: usize = 64;
    /// The longest name or UUID of one, in bytes.
    pub const MAX_NAME: usize = 128;

    /// Whether an agent may say so.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        self.gpus.len() <= Self::MAX_GPUS
            && self.gpus.iter().all(|gpu| gpu.uuid.len() <= Self::MAX_NAME && gpu.name.len() <= Self::MAX_NAME)
    }
}

impl Course {
    /// The most values in a row.
    pub const MAX_POINTS: usize = 120;

    /// Whether an agent may say so.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        [&self.cpu_milli, &self.memory_bytes, &self.gpu_percent, &self.gpu_memory_bytes].iter().all(|row| row.len() <= Self::MAX_POINTS)
    }
}
