//! What must be maps and lists in an object, so that something can be put into it. The API server would say so too, of what it
//! knows; an object that is rendered here must not depend on that.

use super::{pod_templates, shapes};
use crate::template::{Fault, pointer::below};
use serde_json::Value;

/// Every place that has another form; the pointers lead into the object.
pub(super) fn faults(object: &Value) -> Vec<Fault> {
    let mut form = Form { object, found: Vec::new() };
    form.metadata("");
    for at in ["/spec", "/spec/template", "/spec/template/spec"] {
        form.map(at);
    }
    for at in pod_templates(object) {
        form.metadata(&at);
        form.map(&format!("{at}/spec/securityContext"));
        for field in ["containers", "initContainers"] {
            let list = format!("{at}/spec/{field}");
            form.list(&list);
            let count = object.pointer(&list).and_then(Value::as_array).map_or(0, Vec::len);
            (0..count).for_each(|i| form.container(&below(&list, i)));
        }
    }
    let (parts, containers) = shapes::places(object);
    for at in &parts {
        form.map(at);
    }
    for at in &containers {
        form.container(at);
    }
    form.found
}

struct Form<'a> {
    object: &'a Value,
    found: Vec<Fault>,
}

impl Form<'_> {
    fn expect(&mut self, at: &str, is: fn(&Value) -> bool, what: &str) {
        if self.object.pointer(at).is_some_and(|value| !value.is_null() && !is(value)) {
            self.found.push(Fault::new(at, format!("a {what} belongs here")));
        }
    }

    fn map(&mut self, at: &str) {
        self.expect(at, Value::is_object, "map");
    }

    fn list(&mut self, at: &str) {
        self.expect(at, Value::is_array, "list");
    }

    fn metadata(&mut self, at: &str) {
        for part in ["metadata", "metadata/labels", "metadata/annotations"] {
            self.map(&format!("{at}/{part}"));
        }
    }

    fn container(&mut self, at: &str) {
        if self.object.pointer(at).is_some_and(Value::is_null) {
            self.found.push(Fault::new(at, "a container is a map"));
        }
        self.map(at);
        self.map(&format!("{at}/securityContext"));
        self.map(&format!("{at}/securityContext/capabilities"));
        self.list(&format!("{at}/env"));
    }
}
