//! Rules on accelerators.

use super::{Findings, Level, containers, text};
use crate::{
    domain::did_you_mean,
    template::{
        gpu::{self, Device, Known, NVIDIA, PRODUCT, Profile, SLICED},
        pointer::below,
    },
};
use serde_json::Value;

/// What one container asks for of one accelerator.
struct Ask<'a> {
    /// Where.
    at: String,
    resource: &'a str,
    device: Device,
    amount: String,
}

pub(super) fn rules(template: &Value, found: &mut Findings<'_>) {
    let mut asks = Vec::new();
    for (at, container) in containers(template) {
        let own = in_container(&at, container, found);
        several(&own, found);
        asks.extend(own);
    }
    let products = products(template);
    for ask in &asks {
        profile(ask, &products, found);
    }
    strategies(&asks, &products, found);
    tolerations(template, &asks, found);
    shared_memory(template, &asks, found);
}

/// Names and amounts. A device needs a limit, and a request, where there is one, is the same.
fn in_container<'a>(at: &str, container: &'a Value, found: &mut Findings<'_>) -> Vec<Ask<'a>> {
    let part = |kind: &str| container["resources"][kind].as_object();
    let mut asks = Vec::new();
    for (resource, amount) in part("limits").into_iter().flatten() {
        let Some(device) = gpu::device(resource) else { continue };
        let at = below(&format!("{at}/resources/limits"), resource);
        name(&at, resource, &device, found);
        let amount = text(amount);
        if !amount.parse::<u32>().is_ok_and(|n| n > 0) {
            found.add(
                Level::Error,
                "DeviceCountInvalid",
                &at,
                &amount,
                "devices are given out whole",
                "a whole number from 1; a part of a GPU is a MIG slice",
            );
        }
        asks.push(Ask { at, resource, device, amount });
    }
    for (resource, amount) in part("requests").into_iter().flatten().filter(|(resource, _)| gpu::device(resource).is_some()) {
        let place = below(&format!("{at}/resources/requests"), resource);
        match part("limits").and_then(|limits| limits.get(resource)) {
            None => found.add(
                Level::Error,
                "DeviceLimitMissing",
                &place,
                text(amount),
                "Kubernetes refuses a device without a limit",
                "move it under limits",
            ),
            Some(limit) if text(limit) != text(amount) => {
                let message = format!("the limit is {}, and for devices both are the same", text(limit));
                found.add(Level::Error, "DeviceRequestDiffers", &place, text(amount), message, "leave the request out");
            }
            Some(_) => {}
        }
    }
    asks
}

fn name(at: &str, resource: &str, device: &Device, found: &mut Findings<'_>) {
    match device {
        Device::Slice(None) if !gpu::is_amd_partition(resource) => {
            let fix = "nvidia.com/mig-<slices>g.<memory>gb: nvidia.com/mig-1g.10gb, nvidia.com/mig-3g.40gb";
            found.add(Level::Error, "MigProfileUnknown", at, resource, "no MIG profile", fix);
        }
        Device::Strange => {
            let near = did_you_mean(resource, gpu::known()).map(|near| format!("did you mean {near}?")).unwrap_or_default();
            found.add(Level::Warning, "DeviceUnknown", at, resource, "no device plugin is known that offers this name", near);
        }
        Device::Whole | Device::Shared | Device::Slice(_) => {}
    }
}

/// One process, one slice: what a container asks for beside its first.
fn several(asks: &[Ask<'_>], found: &mut Findings<'_>) {
    let slices: Vec<&Ask<'_>> = asks.iter().filter(|ask| matches!(ask.device, Device::Slice(_))).collect();
    let many = slices.iter().find(|ask| ask.amount.parse::<u32>().is_ok_and(|n| n > 1));
    if let Some(ask) = slices.get(1).or(many) {
        let message = "a CUDA process uses one MIG slice, the others stay idle";
        found.add(
            Level::Warning,
            "SeveralSlices",
            &ask.at,
            format!("{}: {}", ask.resource, ask.amount),
            message,
            "ask for one larger slice, or for whole GPUs",
        );
    }
    let whole = asks.iter().find(|ask| ask.resource == NVIDIA);
    if let (Some(_), Some(slice)) = (whole, slices.iter().find(|ask| ask.resource.starts_with("nvidia.com/"))) {
        let message = format!("{NVIDIA} and slices in one container: no node gives both to one process");
        found.add(Level::Error, "GpuAndSlice", &slice.at, slice.resource, message, "keep one of them");
    }
    for ask in asks.iter().filter(|ask| ask.device == Device::Shared && ask.amount.parse::<u32>().is_ok_and(|n| n > 1)) {
        let message = "more shares of one GPU are no more of it, and many nodes refuse more than one (UnexpectedAdmissionError)";
        found.add(Level::Warning, "SeveralShares", &ask.at, &ask.amount, message, "ask for 1");
    }
}

/// The products that the pod's nodes may have, each with its place.
pub(super) fn products(template: &Value) -> Vec<(String, String)> {
    let spec = &template["spec"];
    let selected = spec["nodeSelector"][PRODUCT].as_str().map(|product| (below("/spec/nodeSelector", PRODUCT), product.to_owned()));
    let mut found: Vec<_> = selected.into_iter().collect();
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    for (t, term) in template.pointer(required).and_then(Value::as_array).into_iter().flatten().enumerate() {
        for (e, expression) in term["matchExpressions"].as_array().into_iter().flatten().enumerate() {
            if expression["key"] == PRODUCT && expression["operator"] == "In" {
                let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate();
                found.extend(values.map(|(v, value)| (format!("{required}/{t}/matchExpressions/{e}/values/{v}"), value.to_owned())));
            }
        }
    }
    found
}

/// A slice that the products named do not have.
fn profile(ask: &Ask<'_>, products: &[(String, String)], found: &mut Findings<'_>) {
    let Device::Slice(Some(profile)) = &ask.device else { return };
    let known: Vec<(&String, Known)> = products.iter().map(|(_, product)| (product, gpu::profiles_of(product))).collect();
    if known.iter().any(|(_, known)| known.has(profile)) {
        return;
    }
    if let Some((product, known)) = known.first() {
        let fix = "take a profile of the product, or let the node selector go";
        found.add(Level::Error, "MigProfileNotOfProduct", &ask.at, ask.resource, gpu::not_of(product, profile, known), fix);
    }
}

/// Products of divided nodes (strategy `single`) beside slices by name (strategy `mixed`), and their own profiles.
fn strategies(asks: &[Ask<'_>], products: &[(String, String)], found: &mut Findings<'_>) {
    let mixed = asks.iter().find(|ask| matches!(ask.device, Device::Slice(_)) && ask.resource.starts_with("nvidia.com/"));
    for (at, product) in products {
        let Some((base, slice)) = product.split_once(SLICED) else { continue };
        if let Some(mixed) = mixed {
            let message =
                format!("a node whose product names a slice (strategy single) offers it as {NVIDIA}, never as {}", mixed.resource);
            found.add(Level::Error, "MigStrategyMixed", at, product, message, format!("select {base}, or ask for {NVIDIA}: 1"));
        }
        let slice = slice.strip_suffix("-SHARED").unwrap_or(slice);
        match Profile::of_resource(slice) {
            None => found.add(Level::Warning, "MigProfileUnknown", at, product, format!("{slice:?} is no MIG profile"), "…-MIG-1g.5gb"),
            Some(profile) => {
                let known = gpu::profiles_of(base);
                if !known.has(&profile) {
                    found.add(
                        Level::Error,
                        "MigProfileNotOfProduct",
                        at,
                        product,
                        gpu::not_of(base, &profile, &known),
                        "no node can have this product",
                    );
                }
            }
        }
    }
}

/// The nodes with such devices are usually tainted.
fn tolerations(template: &Value, asks: &[Ask<'_>], found: &mut Findings<'_>) {
    let tolerations: Vec<&Value> = template["spec"]["tolerations"].as_array().into_iter().flatten().collect();
    let tolerates = |key: &str| {
        tolerations
            .iter()
            .any(|toleration| toleration["key"] == key || (toleration.get("key").is_none() && toleration["operator"] == "Exists"))
    };
    for ask in asks {
        if let Some(taint) = gpu::taint(ask.resource).filter(|taint| !tolerates(taint)) {
            let message = format!("most clusters taint such nodes with {taint}:NoSchedule, and nothing tolerates that");
            let fix = format!("tolerations: [{{key: {taint}, operator: Exists, effect: NoSchedule}}]");
            found.add(Level::Warning, "TolerationMissing", &ask.at, ask.resource, message, fix);
            return;
        }
    }
}

/// Several GPUs talk over shared memory, of which a container has 64 MiB.
fn shared_memory(template: &Value, asks: &[Ask<'_>], found: &mut Findings<'_>) {
    let Some(ask) = asks.iter().find(|ask| ask.device == Device::Whole && ask.amount.parse::<u32>().is_ok_and(|n| n > 1)) else { return };
    let in_memory = |name: &Value| {
        let mut volumes = template["spec"]["volumes"].as_array().into_iter().flatten();
        volumes.any(|volume| volume["name"] == *name && volume["emptyDir"]["medium"] == "Memory")
    };
    let mut mounts = containers(template).flat_map(|(_, container)| container["volumeMounts"].as_array().into_iter().flatten());
    if !mounts.any(|mount| mount["mountPath"] == "/dev/shm" && in_memory(&mount["name"])) {
        let message = "libraries for several GPUs (NCCL) and data loaders need more than the 64 MiB of /dev/shm";
        let fix = "an emptyDir with medium: Memory on /dev/shm, as templates/multi-gpu.yaml has it (in a gpu block: sharedMemory: 16Gi)";
        found.add(Level::Info, "SharedMemoryMissing", &ask.at, format!("{}: {}", ask.resource, ask.amount), message, fix);
    }
}
