//! What GPUs the tasks of a queue get, said in one line.

use serde::{Deserialize, Serialize};

/// What GPUs a task of a queue gets: `{count: 2}`, `{mig: 1g.10gb}`, `{product: NVIDIA-H100-80GB-HBM3, count: 8}`.
///
/// It stands for limits, the toleration of the taint that guards such nodes, a node selector where a product is named, and a
/// memory file system on `/dev/shm` where its size is given. What the queue's `podTemplate` says besides lies over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// How many; default 1.
    #[serde(default = "one")]
    pub count: u32,
    /// Whose; default NVIDIA's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vendor: Vendor,
    /// The product as nodes name it (`nvidia.com/gpu.product`, without `-MIG-…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The MIG profile of which there are so many: `1g.10gb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<String>,
    /// How the nodes offer slices; default `mixed`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// Takes a share of a GPU that several tasks use at once, where nodes offer shares under a name of its own
    /// (`nvidia.com/gpu.shared`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The size of `/dev/shm`, a Kubernetes quantity; it counts as memory. By default it is the runtime's 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_memory: Option<String>,
}

/// Who made the GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// `nvidia.com/gpu`
    #[default]
    Nvidia,
    /// `amd.com/gpu`
    Amd,
    /// `gpu.intel.com/i915`
    Intel,
}

/// How nodes with MIG name their slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Each profile is a resource of its own: `nvidia.com/mig-1g.10gb`.
    #[default]
    Mixed,
    /// A slice counts as a GPU, and the node's product tells which: `…-MIG-1g.10gb`.
    Single,
}

fn one() -> u32 {
    1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
