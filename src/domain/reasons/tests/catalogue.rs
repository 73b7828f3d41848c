//! The codes and their catalogue are one; `cli/why.rs` compares the document.

use crate::domain::{reasons::entry, state::Reason};
use std::collections::BTreeSet;

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
