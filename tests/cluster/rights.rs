//! The glue has exactly the rights that it uses. Stands last: it reads what all the others made glues do.

use crate::kit::{Scene, audit, identity, tests};
use std::{collections::BTreeSet, sync::Arc};

tests!(Exclusive: every_right_is_used_and_none_is_missing);

async fn every_right_is_used_and_none_is_missing(_: Arc<Scene>) {
    let requests = audit::of_glues();
    let refused: Vec<_> = requests.iter().filter(|request| request.response_status.code == 403 && !request.is_to_be_refused()).collect();
    let used: BTreeSet<_> = requests.iter().map(|request| (request.resource(), request.verb.clone())).collect();
    let rules = identity::rights().await;
    let given: BTreeSet<_> = rules
        .iter()
        .flat_map(|rule| rule.resources.iter().flatten().map(|resource| (resource.clone(), &rule.verbs)))
        .flat_map(|(resource, verbs)| verbs.iter().map(move |verb| (resource.clone(), verb.clone())))
        .collect();
    // A namespace that is being deleted refuses new objects with the same status; that is no right.
    let refused: Vec<_> = refused.iter().filter(|request| !given.contains(&(request.resource(), request.verb.clone()))).collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    if used.is_empty() {
        return;
    }
    let unused: Vec<_> = given.difference(&used).collect();
    assert!(unused.is_empty(), "rights that nothing uses: {unused:?}");
}
