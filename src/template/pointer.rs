//! JSON pointers (RFC 6901) into templates.

use super::lists::{List, list};
use serde_json::Value;

/// The pointer one step further down.
pub(super) fn below(at: &str, key: impl std::fmt::Display) -> String {
    format!("{at}/{}", key.to_string().replace('~', "~0").replace('/', "~1"))
}

/// The steps of a pointer; none where it is no pointer or points to the whole document.
pub(super) fn steps(pointer: &str) -> Option<Vec<String>> {
    let inside = pointer.strip_prefix('/')?;
    Some(inside.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// Where a step leads in a list of the field `field`: its index, or in a list of named things the name.
pub(super) fn position(items: &[Value], field: &str, step: &str) -> Option<usize> {
    let named = match list(field) {
        List::By(key) => items.iter().position(|item| item[key] == *step),
        List::Added | List::Replaced => None,
    };
    named.or_else(|| step.parse().ok().filter(|index| *index < items.len()))
}

/// Takes what stands there out of a document; what is not there is no fault.
pub(super) fn remove(document: &mut Value, steps: &[String]) {
    let Some((last, way)) = steps.split_last() else { return };
    let mut at = document;
    let mut field = "";
    for step in way {
        let next = match at {
            Value::Object(map) => map.get_mut(step),
            Value::Array(items) => position(items, field, step).and_then(|index| items.get_mut(index)),
            _ => None,
        };
        let Some(next) = next else { return };
        (at, field) = (next, step);
    }
    match at {
        Value::Object(map) => {
            map.remove(last);
        }
        Value::Array(items) => {
            if let Some(index) = position(items, field, last) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_leads_by_name_or_by_index() {
        let document = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "env": [{"name": "X"}, {"name": "Y"}], "args": ["1", "2"]}],
            "nodeSelector": {"nvidia.com/gpu.product": "A100", "zone": "a"}}});
        let left = |pointer: &str| {
            let mut copy = document.clone();
            remove(&mut copy, &steps(pointer).unwrap());
            copy
        };
        assert_eq!(left("/spec/containers/b/env/X")["spec"]["containers"][1]["env"], json!([{"name": "Y"}]));
        assert_eq!(left("/spec/containers/1/args/0")["spec"]["containers"][1]["args"], json!(["2"]));
        assert_eq!(left("/spec/containers/0")["spec"]["containers"].as_array().unwrap().len(), 1);
        assert_eq!(left("/spec/nodeSelector/nvidia.com~1gpu.product")["spec"]["nodeSelector"], json!({"zone": "a"}));
        for nothing in ["/spec/containers/c/env", "/spec/containers/7", "/spec/nodeSelector/zone/x", "/status"] {
            assert_eq!(left(nothing), document, "{nothing}");
        }
        assert_eq!(steps(""), None);
        assert_eq!(steps("spec"), None);
        assert_eq!(below("/a", "x/y~z"), "/a/x~1y~0z");
    }
}
