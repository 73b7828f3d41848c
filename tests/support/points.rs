//! The crash points that the sources name.

use std::{collections::BTreeSet, fs, path::Path};

/// Every name in a `crash_point!` of the sources.
pub(crate) fn crash_points() -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(dir).expect("the sources").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("readable text");
            named.extend(text.split("crash_point!(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    named
}
