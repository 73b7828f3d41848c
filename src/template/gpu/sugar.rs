//! `gpu:` of a queue: what it takes to get a GPU, in one line.

use super::{NVIDIA, PRODUCT, Profile, SLICED, mig::profiles_of, taint};
use crate::{
    domain::{Gpu, Strategy, Vendor, did_you_mean, thousandths, valid_label_value},
    template::Fault,
};
use serde_json::{Value, json};

/// The most GPUs of one pod.
const MOST: u32 = 1_024;

/// The `podTemplate` document that a queue's `gpu` stands for.
///
/// # Errors
/// What cannot be; the pointers lead into `gpu`.
pub fn gpu_template(gpu: &Gpu) -> Result<Value, Vec<Fault>> {
    let faults = faults(gpu);
    if !faults.is_empty() {
        return Err(faults);
    }
    let profile = gpu.mig.as_deref().and_then(Profile::of_profile);
    let (resource, product) = match (&profile, gpu.strategy) {
        (Some(profile), Strategy::Mixed) => (profile.resource(), gpu.product.clone()),
        (Some(profile), Strategy::Single) => {
            (NVIDIA.to_owned(), gpu.product.as_ref().map(|product| format!("{product}{SLICED}{}", profile.to_string().replace('+', "."))))
        }
        (None, _) if gpu.shared => (format!("{NVIDIA}.shared"), gpu.product.clone()),
        (None, _) => (resource(gpu.vendor).to_owned(), gpu.product.clone()),
    };
    let mut container = json!({"resources": {"limits": {&resource: gpu.count.to_string()}}});
    let mut spec = json!({});
    if let Some(guard) = taint(&resource) {
        spec["tolerations"] = json!([{"key": guard, "operator": "Exists", "effect": "NoSchedule"}]);
    }
    if let Some(product) = product {
        let label = if gpu.vendor == Vendor::Amd { "amd.com/gpu.product-name" } else { PRODUCT };
        spec["nodeSelector"] = json!({label: product});
    }
    if let Some(size) = &gpu.shared_memory {
        spec["volumes"] = json!([{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}]);
        container["volumeMounts"] = json!([{"name": "shm", "mountPath": "/dev/shm"}]);
    }
    spec["containers"] = json!([container]);
    Ok(json!({"spec": spec}))
}

fn faults(gpu: &Gpu) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut rule = |fine: bool, at: &str, message: String| {
        if !fine {
            found.push(Fault::new(at, message));
        }
    };
    rule((1..=MOST).contains(&gpu.count), "/count", format!("between 1 and {MOST}"));
    let is_nvidia = gpu.vendor == Vendor::Nvidia;
    rule(is_nvidia || (gpu.mig.is_none() && !gpu.shared), "/vendor", "mig and shared are for NVIDIA's GPUs".into());
    rule(is_nvidia || gpu.vendor == Vendor::Amd || gpu.product.is_none(), "/product", "Intel's nodes do not name a product".into());
    rule(!(gpu.shared && gpu.mig.is_some()), "/shared", "a slice is not shared: leave out mig or shared".into());
    rule(!gpu.shared || gpu.count == 1, "/count", "of shared GPUs a task gets one share: nodes may refuse more".into());
    let is_single = gpu.strategy == Strategy::Single;
    rule(!is_single || gpu.mig.is_some(), "/strategy", "only with mig".into());
    rule(
        !is_single || gpu.product.is_some(),
        "/product",
        "with the strategy single, name the product: only its label tells the slice".into(),
    );
    if let Some(text) = &gpu.product {
        let fine = !text.contains(SLICED) && valid_label_value(text) && !text.is_empty();
        rule(fine, "/product", "as nodes name it, without -MIG-…: A100-SXM4-40GB".into());
    }
    if let Some(size) = &gpu.shared_memory {
        rule(thousandths(size).is_some_and(|n| n > 0), "/sharedMemory", "a quantity: 16Gi".into());
    }
    if let Some(text) = &gpu.mig {
        match Profile::of_profile(text) {
            None => rule(false, "/mig", format!("{text:?} is no MIG profile: 1g.10gb, 3g.40gb, 1g.10gb+me")),
            Some(profile) => {
                let known = gpu.product.as_deref().map(profiles_of);
                if let Some(known) = known.filter(|known| !known.has(&profile)) {
                    rule(false, "/mig", not_of(gpu.product.as_deref().unwrap_or_default(), &profile, &known));
                }
            }
        }
    }
    found
}

fn resource(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Nvidia => NVIDIA,
        Vendor::Amd => "amd.com/gpu",
        Vendor::Intel => "gpu.intel.com/i915",
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
        gpu_template(&gpu).map_err(|faults| faults.iter().map(ToString::to_string).collect())
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
