//! The codes, their catalogue and their document are one.

use crate::domain::{
    reasons::{entry, markdown},
    state::Reason,
};
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_code_has_a_meaning_a_class_and_a_next_step_of_its_own() {
    let unknown = entry(Reason::Unknown);
    let mut meanings = BTreeSet::new();
    for code in Reason::ALL {
        let entry = entry(*code);
        assert!(entry.meaning.ends_with('.') && entry.hint.len() > 10, "{code}");
        assert!(*code == Reason::Unknown || entry.meaning != unknown.meaning, "{code} is not in the catalogue");
        assert!(meanings.insert(entry.meaning), "{code} means what another means");
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
}

#[test]
fn the_document_is_made_from_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REASONS.md");
    if fs::read_to_string(path).unwrap_or_default() != markdown() {
        let fresh = std::env::temp_dir().join("slipway-REASONS.md");
        fs::write(&fresh, markdown()).unwrap();
        panic!("docs/REASONS.md is stale; look at the difference, then: cp {} docs/REASONS.md", fresh.display());
    }
}
