//! `gpu:` of a queue: what it takes to get a GPU, in one line.

use super::{NVIDIA, PRODUCT, Profile, SLICED, mig::profiles_of, taint};
use crate::{domain::did_you_mean, template::Fault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    #[serde(default, skip_serializing_if = "Vendor::is_default")]
    pub vendor: Vendor,
    /// The product as nodes name it (`nvidia.com/gpu.product`, without `-MIG-…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The MIG profile of which there are so many: `1g.10gb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mig: Option<String>,
    /// How the nodes offer slices; default `mixed`.
    #[serde(default, skip_serializing_if = "Strategy::is_default")]
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

impl Vendor {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn resource(self) -> &'static str {
        match self {
            Self::Nvidia => NVIDIA,
            Self::Amd => "amd.com/gpu",
            Self::Intel => "gpu.intel.com/i915",
        }
    }
}

impl Strategy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The most GPUs of one pod.
const MOST: u32 = 1_024;

impl Gpu {
    /// The `podTemplate` document that it stands for.
    ///
    /// # Errors
    /// What cannot be; the pointers lead into this object.
    pub fn template(&self) -> Result<Value, Vec<Fault>> {
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let profile = self.mig.as_deref().and_then(Profile::of_profile);
        let (resource, product) = match (&profile, self.strategy) {
            (Some(profile), Strategy::Mixed) => (profile.resource(), self.product.clone()),
            (Some(profile), Strategy::Single) => (
                NVIDIA.to_owned(),
                self.product.as_ref().map(|product| format!("{product}{SLICED}{}", profile.to_string().replace('+', "."))),
            ),
            (None, _) if self.shared => (format!("{NVIDIA}.shared"), self.product.clone()),
            (None, _) => (self.vendor.resource().to_owned(), self.product.clone()),
        };
        let mut container = json!({"resources": {"limits": {&resource: self.count.to_string()}}});
        let mut spec = json!({});
        if let Some(guard) = taint(&resource) {
            spec["tolerations"] = json!([{"key": guard, "operator": "Exists", "effect": "NoSchedule"}]);
        }
        if let Some(product) = product {
            let label = if self.vendor == Vendor::Amd { "amd.com/gpu.product-name" } else { PRODUCT };
            spec["nodeSelector"] = json!({label: product});
        }
        if let Some(size) = &self.shared_memory {
            spec["volumes"] = json!([{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}]);
            container["volumeMounts"] = json!([{"name": "shm", "mountPath": "/dev/shm"}]);
        }
        spec["containers"] = json!([container]);
        Ok(json!({"spec": spec}))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        let mut rule = |fine: bool, at: &str, message: String| {
            if !fine {
                found.push(Fault::new(at, message));
            }
        };
        rule((1..=MOST).contains(&self.count), "/count", format!("between 1 and {MOST}"));
        let is_nvidia = self.vendor == Vendor::Nvidia;
        rule(is_nvidia || (self.mig.is_none() && !self.shared), "/vendor", "mig and shared are for NVIDIA's GPUs".into());
        rule(is_nvidia || self.vendor == Vendor::Amd || self.product.is_none(), "/product", "Intel's nodes do not name a product".into());
        rule(!(self.shared && self.mig.is_some()), "/shared", "a slice is not shared: leave out mig or shared".into());
        rule(!self.shared || self.count == 1, "/count", "of shared GPUs a task gets one share: nodes may refuse more".into());
        let is_single = self.strategy == Strategy::Single;
        rule(!is_single || self.mig.is_some(), "/strategy", "only with mig".into());
        rule(
            !is_single || self.product.is_some(),
            "/product",
            "with the strategy single, name the product: only its label tells the slice".into(),
        );
        if let Some(text) = &self.product {
            let fine = !text.contains(SLICED) && crate::domain::valid_label_value(text) && !text.is_empty();
            rule(fine, "/product", "as nodes name it, without -MIG-…: A100-SXM4-40GB".into());
        }
        if let Some(size) = &self.shared_memory {
            rule(super::super::quantity::thousandths(size).is_some_and(|n| n > 0), "/sharedMemory", "a quantity: 16Gi".into());
        }
        if let Some(text) = &self.mig {
            match Profile::of_profile(text) {
                None => rule(false, "/mig", format!("{text:?} is no MIG profile: 1g.10gb, 3g.40gb, 1g.10gb+me")),
                Some(profile) => {
                    let known = self.product.as_deref().map(profiles_of);
                    if let Some(known) = known.filter(|known| !known.has(&profile)) {
                        rule(false, "/mig", not_of(self.product.as_deref().unwrap_or_default(), &profile, &known));
                    }
                }
            }
        }
        found
    }
}

/// What to say of a profile that a product does not have.
pub(crate) fn not_of(product: &str, profile: &Profile, known: &super::Known) -> String {
    let super::Known::Profiles(all) = known else { return format!("{product} has no profile {profile}") };
    let names: Vec<String> = all.iter().map(|(known, _)| known.to_string()).collect();
    let near = did_you_mean(&profile.to_string(), names.iter().map(String::as_str)).map(|near| format!("; did you mean {near}?"));
    format!("{product} has no profile {profile}; it has {}{}", names.join(", "), near.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(gpu: Value) -> Result<Value, Vec<String>> {
        let gpu: Gpu = serde_json::from_value(gpu).unwrap();
        gpu.template().map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_line_is_a_template() {
        let all: Vec<Value> = [
            json!({}),
            json!({"mig": "1g.10gb", "count": 1}),
            json!({"mig": "1g.5gb", "strategy": "single", "product": "A100-SXM4-40GB"}),
            json!({"product": "NVIDIA-H100-80GB-HBM3", "count": 8, "sharedMemory": "64Gi"}),
            json!({"shared": true}),
            json!({"vendor": "amd", "count": 4}),
        ]
        .into_iter()
        .map(|gpu| of(gpu).unwrap())
        .collect();
        for template in &all {
            assert_eq!(crate::template::check(template), []);
        }
        insta::assert_json_snapshot!(all);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let all: Vec<String> = [
            json!({"count": 0}),
            json!({"mig": "1g.10"}),
            json!({"mig": "1g.20gb", "product": "A100-SXM4-40GB"}),
            json!({"mig": "1g.10gb", "strategy": "single"}),
            json!({"strategy": "single", "product": "A100-SXM4-40GB-MIG-1g.5gb"}),
            json!({"vendor": "intel", "product": "Max-1550"}),
            json!({"vendor": "amd", "mig": "1g.10gb"}),
            json!({"shared": true, "count": 2, "mig": "1g.10gb"}),
            json!({"sharedMemory": "lots"}),
        ]
        .into_iter()
        .map(|gpu| of(gpu).unwrap_err().join("\n"))
        .collect();
        insta::assert_snapshot!(all.join("\n"));
    }
}
