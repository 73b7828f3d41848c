//! What becomes of an act that the API server did not let pass.

use super::{Done, Failed, Hopeless};
use crate::wire::{AttemptRef, FailureClass, Reason};

pub(super) fn foreign(kind: &str, namespace: &str, name: &str) -> Hopeless {
    let message = format!("a {kind} {namespace}/{name} of somebody else stands in its place; delete it, then rerun the task");
    tracing::error!(kind, namespace, name, "an object of somebody else stands in the place of ours");
    Hopeless::Ended(FailureClass::Config, Reason::ObjectInvalid, message)
}

pub(super) fn uncreated(of: AttemptRef, failed: Failed) -> Done {
    match failed {
        Failed::Refused(refusal) => {
            tracing::warn!(attempt = %of, resource = refusal.resource, status = refusal.status, message = refusal.message, "the API server refuses its Job");
            Done::Uncreated(Some(refusal))
        }
        Failed::Later(what) => {
            tracing::warn!(attempt = %of, what, "its Job cannot be created now; trying on");
            Done::Uncreated(None)
        }
    }
}

pub(super) fn vain(of: AttemptRef, what: &str, failed: &Failed) -> Done {
    tracing::warn!(attempt = %of, %failed, "{what}");
    Done::Vain
}
