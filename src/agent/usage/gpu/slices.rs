//! Slices of GPUs in the XML of `nvidia-smi -q -x`, the one place where it tells the memory of each.
//!
//! Three numbers and a UUID are wanted of a document that one program writes, without attributes, entities or mixed content in
//! those places. So it is read by its tags alone and not by a library: what is not as expected is not found, and nothing worse.

use super::lines::mebibytes;

/// The end of a document.
pub(super) const END: &str = "</nvidia_smi_log>";

/// A slice at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    /// The UUID of its GPU.
    pub(super) of: String,
    /// The product of its GPU.
    pub(super) name: String,
    /// Its number on that GPU.
    pub(super) index: u32,
    /// By which numbers the driver knows it: its GPU instance and its compute instance.
    pub(super) instance: (u32, u32),
    pub(super) memory_bytes: Option<u64>,
    pub(super) memory_total_bytes: Option<u64>,
}

/// The deepest path that is of interest, with room for more.
const DEEPEST: usize = 32;

/// All slices of a document, in its order.
pub(super) fn slices(document: &str) -> Vec<Slice> {
    let mut found = Vec::new();
    // Of the GPU that is read: where its slices begin, and its name, which may come before them; its UUID comes after.
    let (mut first, mut name) = (0, String::new());
    let mut path: Vec<&str> = Vec::new();
    let mut rest = document;
    while let Some((before, behind)) = rest.split_once('<') {
        let Some((tag, next)) = behind.split_once('>') else { break };
        rest = next;
        if tag.starts_with(['?', '!']) || tag.ends_with('/') {
            continue;
        }
        let Some(closed) = tag.strip_prefix('/') else {
            if path.len() == DEEPEST {
                break;
            }
            path.push(tag.split_ascii_whitespace().next().unwrap_or_default());
            match path.as_slice() {
                ["nvidia_smi_log", "gpu"] => (first, name) = (found.len(), String::new()),
                ["nvidia_smi_log", "gpu", "mig_devices", "mig_device"] => found.push(Slice::default()),
                _ => {}
            }
            continue;
        };
        if path.last() != Some(&closed) {
            break;
        }
        let (text, slice) = (before.trim(), found.last_mut());
        match path.as_slice() {
            ["nvidia_smi_log", "gpu", "product_name"] => text.clone_into(&mut name),
            ["nvidia_smi_log", "gpu", "uuid"] => found[first..].iter_mut().for_each(|slice| text.clone_into(&mut slice.of)),
            ["nvidia_smi_log", "gpu"] => found[first..].iter_mut().for_each(|slice| name.clone_into(&mut slice.name)),
            ["nvidia_smi_log", "gpu", "mig_devices", "mig_device", inner @ ..] => {
                if let Some(slice) = slice {
                    slice.tell(inner, text);
                }
            }
            _ => {}
        }
        path.pop();
    }
    // Of a document that breaks off, what has no owner is nobody's.
    found.retain(|slice| !slice.of.is_empty());
    found
}

impl Slice {
    fn tell(&mut self, what: &[&str], text: &str) {
        match what {
            ["index"] => self.index = text.parse().unwrap_or(self.index),
            ["gpu_instance_id"] => self.instance.0 = text.parse().unwrap_or(0),
            ["compute_instance_id"] => self.instance.1 = text.parse().unwrap_or(0),
            ["fb_memory_usage", "used"] => self.memory_bytes = mebibytes(text),
            ["fb_memory_usage", "total"] => self.memory_total_bytes = mebibytes(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
