//! MIG: how NVIDIA divides its GPUs, from its operator's configuration and user guide.

use std::fmt;

/// A MIG profile: `[<c>c.]<g>g.<gb>gb[+attribute | -attribute]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Profile {
    /// Compute instances, where they are fewer than the slices.
    compute: Option<u8>,
    /// Compute slices of the GPU.
    pub(crate) slices: u8,
    /// Its memory, in GB.
    pub(crate) gb: u16,
    /// `+me`, `+me.all`, `+gfx` or `-me`.
    attribute: Option<&'static str>,
}

/// The attributes as a profile writes them and as a resource does.
const ATTRIBUTES: [(&str, &str); 4] = [("+me.all", ".me.all"), ("+me", ".me"), ("+gfx", ".gfx"), ("-me", "-me")];

impl Profile {
    /// From the end of a resource's name, after `mig-`: `1g.10gb.me`.
    pub(crate) fn of_resource(text: &str) -> Option<Self> {
        Self::read(text, |(_, resource)| resource)
    }

    /// As NVIDIA's tools write it: `1g.10gb+me`.
    pub(crate) fn of_profile(text: &str) -> Option<Self> {
        Self::read(text, |(profile, _)| profile)
    }

    fn read(text: &str, form: impl Fn(&(&'static str, &'static str)) -> &'static str) -> Option<Self> {
        let found = ATTRIBUTES.iter().find_map(|forms| Some((text.strip_suffix(form(forms))?, forms.0)));
        let (plain, attribute) = found.map_or((text, None), |(plain, attribute)| (plain, Some(attribute)));
        let (compute, plain) = match plain.split_once("c.") {
            Some((compute, rest)) => (Some(slices(compute)?), rest),
            None => (None, plain),
        };
        let (count, memory) = plain.split_once("g.")?;
        let memory = memory.strip_suffix("gb").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let count = slices(count)?;
        Some(Self { compute: compute.filter(|compute| *compute != count), slices: count, gb: memory.parse().ok()?, attribute })
    }

    /// The resource that a node offers it as.
    pub(crate) fn resource(&self) -> String {
        let attribute = ATTRIBUTES.iter().find(|(profile, _)| Some(*profile) == self.attribute).map_or("", |(_, resource)| resource);
        format!("nvidia.com/mig-{}{attribute}", self.plain())
    }

    fn plain(&self) -> String {
        let compute = self.compute.map(|compute| format!("{compute}c.")).unwrap_or_default();
        format!("{compute}{}g.{}gb", self.slices, self.gb)
    }

    /// The GPU instance that it is a part of: a profile of fewer compute instances has the same.
    fn instance(&self) -> Self {
        Self { compute: None, ..self.clone() }
    }
}

/// One digit of 1 to 7.
fn slices(text: &str) -> Option<u8> {
    text.parse().ok().filter(|n| text.len() == 1 && (1..=7).contains(n))
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.plain(), self.attribute.unwrap_or_default())
    }
}

/// GPUs that are divided alike.
struct Row {
    /// Words of a product's name, all of which it has.
    products: &'static [&'static [&'static str]],
    /// Words of the name that tell the memory; none where all of these products have the same.
    memory: &'static [&'static str],
    /// The profiles, each with how many of it a GPU holds.
    profiles: &'static str,
}

const ROWS: [Row; 14] = [
    Row { products: &[&["A30"]], memory: &[], profiles: "1g.6gb:4 1g.6gb+me:1 2g.12gb:2 2g.12gb+me:1 4g.24gb:1" },
    Row {
        products: &[&["A100"], &["A800"]],
        memory: &["40GB"],
        profiles: "1g.5gb:7 1g.5gb+me:1 1g.10gb:4 2g.10gb:3 3g.20gb:2 4g.20gb:1 7g.40gb:1",
    },
    Row {
        products: &[&["A100"], &["A800"], &["H100"], &["H800"]],
        memory: &["80GB"],
        profiles: "1g.10gb:7 1g.10gb+me:1 1g.20gb:4 2g.20gb:3 3g.40gb:2 4g.40gb:1 7g.80gb:1",
    },
    Row {
        products: &[&["H100"], &["H800"]],
        memory: &["94GB", "NVL"],
        profiles: "1g.12gb:7 1g.12gb+me:1 1g.24gb:4 2g.24gb:3 3g.47gb:2 4g.47gb:1 7g.94gb:1",
    },
    Row {
        products: &[&["H100"], &["GH200"], &["H20"]],
        memory: &["96GB", "480GB"],
        profiles: "1g.12gb:7 1g.12gb+me:1 1g.24gb:4 2g.24gb:3 3g.48gb:2 4g.48gb:1 7g.96gb:1",
    },
    Row { products: &[&["H200"]], memory: &[], profiles: "1g.18gb:7 1g.18gb+me:1 1g.35gb:4 2g.35gb:3 3g.71gb:2 4g.71gb:1 7g.141gb:1" },
    Row {
        products: &[&["GH200"]],
        memory: &["144GB", "144G"],
        profiles: "1g.18gb:7 1g.18gb+me:1 1g.36gb:4 2g.36gb:3 3g.72gb:2 4g.72gb:1 7g.144gb:1",
    },
    Row { products: &[&["B200"]], memory: &[], profiles: "1g.23gb:7 1g.23gb+me:1 1g.45gb:4 2g.45gb:3 3g.90gb:2 4g.90gb:1 7g.180gb:1" },
    Row {
        products: &[&["GB200"]],
        memory: &[],
        profiles: "1g.23gb:7 1g.23gb+me:1 1g.24gb:7 1g.24gb+me:1 1g.47gb:4 2g.47gb:3 3g.93gb:2 4g.93gb:1 7g.186gb:1 \
                   3g.95gb:2 4g.95gb:1 7g.189gb:1",
    },
    Row { products: &[&["B300"]], memory: &[], profiles: "1g.34gb:7 1g.34gb+me:1 1g.67gb:4 2g.67gb:3 3g.135gb:2 4g.135gb:1 7g.269gb:1" },
    Row { products: &[&["GB300"]], memory: &[], profiles: "1g.35gb:7 1g.35gb+me:1 1g.70gb:4 2g.70gb:3 3g.139gb:2 4g.139gb:1 7g.278gb:1" },
    Row {
        products: &[&["RTX", "PRO", "6000"]],
        memory: &[],
        profiles: "1g.24gb:4 1g.24gb+gfx:4 1g.24gb+me:1 1g.24gb+me.all:1 1g.24gb-me:4 2g.48gb:2 2g.48gb+gfx:2 2g.48gb+me.all:1 \
                   2g.48gb-me:2 4g.96gb:1 4g.96gb+gfx:1",
    },
    // Of these only the node knows.
    Row { products: &[&["RTX", "PRO", "5000"]], memory: &[], profiles: "" },
    Row { products: &[&["RTX", "PRO", "4500"]], memory: &[], profiles: "" },
];

/// What is known of the profiles of a product.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The product is not in the tables, or only its nodes know.
    Nothing,
    /// It is divided into these, each with how many of it a GPU holds.
    Profiles(Vec<(Profile, u8)>),
}

impl Known {
    /// Whether the product may have a profile.
    pub(crate) fn has(&self, profile: &Profile) -> bool {
        match self {
            Self::Nothing => true,
            Self::Profiles(all) => all.iter().any(|(known, _)| *known == profile.instance()),
        }
    }
}

/// The profiles of a product, named as nodes name it in `nvidia.com/gpu.product`. Where the name leaves the memory open, those
/// of all sizes.
pub(crate) fn profiles_of(product: &str) -> Known {
    let whole = product.to_uppercase();
    let plain = whole.split(super::SLICED).next().unwrap_or_default();
    let words: Vec<&str> = plain.split('-').collect();
    let has = |word: &&str| words.contains(word);
    let rows: Vec<&Row> = ROWS.iter().filter(|row| row.products.iter().any(|product| product.iter().all(has))).collect();
    let told: Vec<&Row> = rows.iter().copied().filter(|row| row.memory.iter().any(has)).collect();
    let mut found = Vec::new();
    for row in if told.is_empty() { rows } else { told } {
        for (profile, count) in row.profiles.split_whitespace().filter_map(|one| one.split_once(':')) {
            match (Profile::of_profile(profile), count.parse()) {
                (Some(profile), Ok(count)) if !found.iter().any(|(known, _)| *known == profile) => found.push((profile, count)),
                _ => {}
            }
        }
    }
    if found.is_empty() { Known::Nothing } else { Known::Profiles(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_as_nvidia_writes_it() {
        for (profile, resource) in [
            ("1g.5gb", "nvidia.com/mig-1g.5gb"),
            ("1g.10gb+me", "nvidia.com/mig-1g.10gb.me"),
            ("1g.24gb+me.all", "nvidia.com/mig-1g.24gb.me.all"),
            ("1g.24gb-me", "nvidia.com/mig-1g.24gb-me"),
            ("2g.48gb+gfx", "nvidia.com/mig-2g.48gb.gfx"),
            ("1c.3g.20gb", "nvidia.com/mig-1c.3g.20gb"),
        ] {
            let read = Profile::of_profile(profile).unwrap();
            assert_eq!((read.to_string().as_str(), read.resource().as_str()), (profile, resource));
            assert_eq!(Profile::of_resource(resource.strip_prefix("nvidia.com/mig-").unwrap()), Some(read));
        }
        for wrong in ["", "1g", "8g.80gb", "0g.5gb", "1g.5GB", "1g.gb", "1g.5gb+x", "1g.5gb.me+me", "11g.5gb", "1g.+5gb", "g.5gb"] {
            assert_eq!(Profile::of_profile(wrong), None, "{wrong}");
        }
    }

    /// Each row holds what fits on a GPU: a profile's slices times its count are at most seven, or four on the small ones.
    #[test]
    fn the_tables_are_possible() {
        for row in &ROWS {
            for one in row.profiles.split_whitespace() {
                let (profile, count) = one.split_once(':').unwrap();
                let read = Profile::of_profile(profile).unwrap_or_else(|| panic!("{profile}"));
                assert_eq!(read.to_string(), profile);
                assert!(u32::from(read.slices) * count.parse::<u32>().unwrap() <= 7, "{one}");
            }
        }
    }

    #[test]
    fn a_product_has_its_own_profiles() {
        let has = |product: &str, profile: &str| profiles_of(product).has(&Profile::of_profile(profile).unwrap());
        for (product, profile, known) in [
            ("NVIDIA-A100-SXM4-40GB", "1g.5gb", true),
            ("A100-SXM4-40GB-MIG-1g.5gb", "1g.5gb", true),
            ("NVIDIA-A100-SXM4-40GB", "1g.20gb", false),
            ("NVIDIA-A100-SXM4-80GB", "1g.5gb", false),
            ("NVIDIA-A100-SXM4-80GB", "1c.3g.40gb", true),
            ("NVIDIA-A100-PCIE-40GB", "3g.20gb", true),
            ("NVIDIA-H100-80GB-HBM3", "1g.10gb", true),
            ("NVIDIA-H100-80GB-HBM3", "1g.12gb", false),
            ("NVIDIA-H100-NVL", "1g.12gb", true),
            ("NVIDIA-H100-NVL", "1g.10gb", false),
            ("NVIDIA-H200", "1g.18gb", true),
            ("NVIDIA-GH200-480GB", "3g.48gb", true),
            ("NVIDIA-GH200-480GB", "3g.72gb", false),
            ("NVIDIA-B200", "1g.23gb", true),
            ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "1g.24gb+gfx", true),
            ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "7g.96gb", false),
            // Where the name leaves the memory open, every size counts.
            ("NVIDIA-A100", "1g.5gb", true),
            ("NVIDIA-A100", "1g.20gb", true),
            ("NVIDIA-A100", "1g.12gb", false),
            // Of what is not in the tables, nothing is known to be wrong.
            ("NVIDIA-X900", "1g.99gb", true),
        ] {
            assert_eq!(has(product, profile), known, "{product} {profile}");
        }
    }
}
