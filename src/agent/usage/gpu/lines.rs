//! What `nvidia-smi` says in lines.

/// What is asked of each GPU; [`gpu`] reads the answer.
pub(super) const QUERY: &str = "--query-gpu=index,uuid,name,utilization.gpu,memory.used,memory.total,mig.mode.current";

/// A GPU at one moment. What the driver does not tell is absent: in a container with a slice, nearly everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gpu {
    pub(super) index: u32,
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) busy_percent: Option<u8>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) memory_total_bytes: Option<u64>,
    /// Whether it is divided into slices.
    pub(super) divided: bool,
}

/// A slice as `nvidia-smi -L` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// The UUID of its GPU.
    pub(super) of: String,
    /// Its number on that GPU.
    pub(super) index: u32,
    pub(super) uuid: String,
    /// Such as `1g.10gb`.
    pub(super) profile: String,
}

/// Reads a line of `--format=csv,noheader,nounits`; none where it is anything else.
pub(super) fn gpu(line: &str) -> Option<Gpu> {
    let (index, rest) = line.split_once(", ")?;
    let (uuid, rest) = rest.split_once(", ")?;
    // A name may hold commas; nothing behind it does.
    let mut back = rest.rsplitn(5, ", ");
    let (mig, total, used, busy, name) = (back.next()?, back.next()?, back.next()?, back.next()?, back.next()?);
    uuid.starts_with("GPU-").then_some(())?;
    Some(Gpu {
        index: index.trim().parse().ok()?,
        uuid: uuid.to_owned(),
        name: name.to_owned(),
        busy_percent: busy.parse().ok().filter(|percent| *percent <= 100),
        memory_bytes: mebibytes(used),
        memory_total_bytes: mebibytes(total),
        divided: mig.trim() == "Enabled",
    })
}

/// `31234` or `31234 MiB` in bytes.
pub(super) fn mebibytes(text: &str) -> Option<u64> {
    let text = text.trim();
    text.strip_suffix(" MiB").unwrap_or(text).parse::<u64>().ok()?.checked_mul(1 << 20)
}

/// Reads what `nvidia-smi -L` prints: GPUs, and indented below each its slices.
pub(super) fn listed(text: &str) -> Vec<Listed> {
    let mut of = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((words, uuid)) =
            line.rsplit_once("(UUID: ").and_then(|(words, rest)| Some((words.trim(), rest.trim().strip_suffix(')')?)))
        else {
            continue;
        };
        if words.starts_with("GPU ") {
            of = Some(uuid.to_owned());
        } else if let (Some(slice), Some(of)) = (words.strip_prefix("MIG "), &of)
            && let Some((profile, device)) = slice.split_once("Device")
            && let Ok(index) = device.trim().trim_end_matches(':').parse()
        {
            found.push(Listed { of: of.clone(), index, uuid: uuid.to_owned(), profile: profile.trim().to_owned() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_a_line() {
        let gpu_of = |line| gpu(line).unwrap();
        let plain = gpu_of("0, GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, NVIDIA A100-SXM4-40GB, 87, 31234, 40960, Disabled");
        assert_eq!(
            (plain.index, plain.uuid.as_str(), plain.name.as_str()),
            (0, "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "NVIDIA A100-SXM4-40GB")
        );
        assert_eq!((plain.busy_percent, plain.memory_bytes, plain.memory_total_bytes), (Some(87), Some(31_234 << 20), Some(40_960 << 20)));
        assert!(!plain.divided);
        let old = gpu_of("12, GPU-1, Tesla V100-SXM2-16GB, 0, 0, 16160, [N/A]");
        assert_eq!((old.index, old.busy_percent, old.divided), (12, Some(0), false));
        let shut = gpu_of("0, GPU-2, NVIDIA H100, 80GB, [N/A], [Insufficient Permissions], [Insufficient Permissions], Enabled");
        assert_eq!(
            (shut.name.as_str(), shut.busy_percent, shut.memory_bytes, shut.memory_total_bytes),
            ("NVIDIA H100, 80GB", None, None, None)
        );
        assert!(shut.divided);
    }

    #[test]
    fn nonsense_is_no_gpu() {
        for line in [
            "",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that it is running.",
            "No devices were found",
            "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error",
            "x, GPU-1, name, 1, 2, 3, Disabled",
            "0, MIG-1, name, 1, 2, 3, Disabled",
            "0, GPU-1, 1, 2, 3",
            &", ".repeat(1 << 12),
        ] {
            assert_eq!(gpu(line), None, "{line}");
        }
        let odd = gpu("0, GPU-1, name, 101, 99999999999999999999, -3, Disabled").unwrap();
        assert_eq!((odd.busy_percent, odd.memory_bytes, odd.memory_total_bytes), (None, None, None));
        assert_eq!(mebibytes("18446744073709551615"), None);
    }

    #[test]
    fn slices_stand_below_their_gpu() {
        let text = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa)\n  MIG 3g.20gb     Device  0: (UUID: MIG-11)\n  MIG 1g.5gb+me Device 1: (UUID: MIG-22)\n\
            GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bb)\n  MIG 1g.10gb     Device  0: (UUID: MIG-33)\nGPU 2: NVIDIA L4 (UUID: GPU-cc)\n";
        let slice =
            |of: &str, index, uuid: &str, profile: &str| Listed { of: of.into(), index, uuid: uuid.into(), profile: profile.into() };
        let expected =
            [slice("GPU-aa", 0, "MIG-11", "3g.20gb"), slice("GPU-aa", 1, "MIG-22", "1g.5gb+me"), slice("GPU-bb", 0, "MIG-33", "1g.10gb")];
        assert_eq!(listed(text), expected);
        assert_eq!(listed("  MIG 1g.5gb Device 0: (UUID: MIG-1)\nGPU 0: x (UUID: GPU-1\n (UUID: )\n  MIG Device x: (UUID: MIG-2)\n"), []);
    }
}
