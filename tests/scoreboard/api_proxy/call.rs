//! What a call asks of the API server, as far as faults and counts go by it.

use axum::http::{Method, Uri};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Patch,
    Delete,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Secrets,
    Jobs,
    Pods,
    Events,
    /// Whatever else, such as the version and what the caller may do.
    Other,
}

/// A call, classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) class: Class,
    /// Whether it is a list in pages, which only watches begin with.
    pub(crate) paged: bool,
}

impl Call {
    pub(crate) fn of(method: &Method, uri: &Uri) -> Self {
        let parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let rest = parts.iter().position(|part| *part == "namespaces").map_or(&parts[..0], |at| parts.get(at + 2..).unwrap_or_default());
        let class = match rest.first().copied() {
            Some("secrets") => Class::Secrets,
            Some("jobs") => Class::Jobs,
            Some("pods") => Class::Pods,
            Some("events") => Class::Events,
            _ => Class::Other,
        };
        let query = |wanted: &str| uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with(wanted)));
        let verb = match *method {
            Method::POST => Verb::Create,
            Method::DELETE => Verb::Delete,
            Method::PATCH | Method::PUT => Verb::Patch,
            _ if query("watch=") => Verb::Watch,
            _ if rest.len() > 1 => Verb::Get,
            _ => Verb::List,
        };
        Self { verb, class, paged: verb == Verb::List && query("limit=") }
    }

    /// Whether it changes something. To ask what one may do is a request to create, of which nothing is stored.
    pub(crate) fn writes(self) -> bool {
        self.class != Class::Other && matches!(self.verb, Verb::Create | Verb::Patch | Verb::Delete)
    }
}
