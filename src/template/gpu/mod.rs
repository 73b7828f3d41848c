//! Accelerators: the names that their vendors' device plugins give them, and how NVIDIA's GPUs are divided.

mod mig;
mod sugar;

pub(super) use mig::{Known, Profile, profiles_of};
pub use sugar::gpu_template;
pub(super) use sugar::not_of;

/// What a resource's name says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Whole devices, or whatever a node offers under the plain name.
    Whole,
    /// Devices that several pods share under a name of its own.
    Shared,
    /// A MIG slice; none where the name is no profile.
    Slice(Option<Profile>),
    /// A vendor's, of no known name.
    Strange,
}

/// NVIDIA's plain name.
pub(super) const NVIDIA: &str = "nvidia.com/gpu";
/// The label of a node with its GPUs' product.
pub(super) const PRODUCT: &str = "nvidia.com/gpu.product";
/// What a product's name has before its profile where a node is divided by the strategy `single`.
pub(super) const SLICED: &str = "-MIG-";

/// The vendors whose devices are known: the domain of their resources and the taint that usually guards their nodes.
const VENDORS: [(&str, &str); 6] = [
    ("nvidia.com/", "nvidia.com/gpu"),
    ("amd.com/", "amd.com/gpu"),
    ("gpu.intel.com/", "gpu.intel.com/i915"),
    ("habana.ai/", "habana.ai/gaudi"),
    ("google.com/tpu", "google.com/tpu"),
    ("aws.amazon.com/neuron", "aws.amazon.com/neuron"),
];

/// The names without slices.
const KNOWN: [&str; 11] = [
    NVIDIA,
    "nvidia.com/gpu.shared",
    "amd.com/gpu",
    "gpu.intel.com/i915",
    "gpu.intel.com/xe",
    "gpu.intel.com/monitoring",
    "habana.ai/gaudi",
    "google.com/tpu",
    "aws.amazon.com/neuron",
    "aws.amazon.com/neuroncore",
    "aws.amazon.com/neurondevice",
];

/// What a resource is; none where it is no accelerator of a known vendor.
pub(super) fn device(resource: &str) -> Option<Device> {
    VENDORS.iter().find(|(domain, _)| resource.starts_with(domain))?;
    if let Some(slice) = resource.strip_prefix("nvidia.com/mig-") {
        let slice = slice.strip_suffix(".shared").unwrap_or(slice);
        return Some(Device::Slice(Profile::of_resource(slice)));
    }
    // AMD names the partitions of a divided GPU by their mode: cpx_nps4.
    let is_partition = resource.strip_prefix("amd.com/").is_some_and(|mode| mode.contains("_nps"));
    Some(match KNOWN.iter().find(|known| **known == resource) {
        Some(known) if known.ends_with(".shared") => Device::Shared,
        Some(_) => Device::Whole,
        None if is_partition => Device::Slice(None),
        None => Device::Strange,
    })
}

/// Whether slices of this name are told from others only by their vendor.
pub(super) fn is_amd_partition(resource: &str) -> bool {
    resource.starts_with("amd.com/") && resource.contains("_nps")
}

/// The names to suggest for one that is not known.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter()
}

/// The taint that usually guards the nodes with a device.
pub(super) fn taint(resource: &str) -> Option<&'static str> {
    VENDORS.iter().find(|(domain, _)| resource.starts_with(domain)).map(|(_, taint)| *taint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_known_by_its_name() {
        let slice = |text: &str| Some(Device::Slice(Profile::of_resource(text)));
        for (name, known) in [
            ("cpu", None),
            ("rdma/hca", None),
            ("nvidia.com/gpu", Some(Device::Whole)),
            ("nvidia.com/gpu.shared", Some(Device::Shared)),
            ("nvidia.com/mig-1g.5gb", slice("1g.5gb")),
            ("nvidia.com/mig-1g.10gb.me", slice("1g.10gb.me")),
            ("nvidia.com/mig-1g.10gb.shared", slice("1g.10gb")),
            ("nvidia.com/mig-small", Some(Device::Slice(None))),
            ("nvidia.com/gpus", Some(Device::Strange)),
            ("amd.com/cpx_nps4", Some(Device::Slice(None))),
            ("amd.com/gpu", Some(Device::Whole)),
            ("google.com/tpu", Some(Device::Whole)),
        ] {
            assert_eq!(device(name), known, "{name}");
        }
        assert_eq!((taint("nvidia.com/mig-1g.5gb"), taint("cpu")), (Some("nvidia.com/gpu"), None));
    }
}
