use super::*;
use serde_json::json;

#[test]
fn the_chart_is_as_it_would_be_made() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in made(project).unwrap() {
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{}: make chart", path.display());
    }
}

const TEXT: &str = "\
# The head.

a:
  # -- What b means,
  # and more | of it.
  # @schema {\"minimum\": 1}
  b: 3
  # -- A map.
  c:
    inside: {}
# -- Nothing.
# @schema {\"type\": [\"integer\", \"null\"]}
d: null
";

#[test]
fn comments_make_a_schema_and_a_table() {
    let keys = values::read(TEXT).unwrap();
    let paths: Vec<String> = keys.iter().map(|key| key.path.join(".")).collect();
    assert_eq!(paths, ["a", "a.b", "a.c", "d"]);
    let schema = schema::of(&keys, &json!({}), &json!({"components": {"schemas": {"NewQueue": {}}}}), &json!({})).unwrap();
    assert_eq!(schema["properties"]["a"]["additionalProperties"], json!(false));
    let b = json!({"description": "What b means, and more | of it.", "minimum": 1, "type": "integer"});
    assert_eq!(schema["properties"]["a"]["properties"]["b"], b);
    assert_eq!(schema["properties"]["d"]["type"], json!(["integer", "null"]));
    let text = "before\n<!-- values: made by `make chart` -->\nold\n<!-- end of values -->\nafter\n";
    let made = readme::with_table(text, &keys).unwrap();
    assert!(made.starts_with("before\n<!--") && made.ends_with("<!-- end of values -->\nafter\n") && !made.contains("old"), "{made}");
    assert!(made.contains("| `a.b` | `3` | What b means, and more \\| of it. |\n| `a.c` | `{\"inside\":{}}` | A map. |\n"), "{made}");
}

#[test]
fn what_is_not_said_is_a_fault() {
    for (text, said) in [("a: 1\n", "a has no comment"), ("# -- A.\n# @schema {\na: 1\n", "line 2"), ("# -- A.\n- 1\n", "no key")] {
        let error = format!("{:#}", values::read(text).unwrap_err());
        assert!(error.contains(said), "{text}: {error}");
    }
    let keys = values::read("# -- Nothing.\na: null\n").unwrap();
    assert!(schema::of(&keys, &json!({}), &json!({}), &json!({})).is_err());
}

#[test]
fn fields_of_kubernetes_are_those_of_the_newest_minor() {
    let table = json!({"types": {
        "Pod": {"fields": {"n": "integer", "list": "[Part]", "map": {"not": "read"}, "new": ["string 28-29", "{Quantity} 30-36"]}},
        "Part": {"fields": {"self": "Part", "any": "object"}},
    }});
    let made = kubernetes::definitions(&table, ["Pod".to_owned()].into());
    assert_eq!(made.keys().collect::<Vec<_>>(), ["Part", "Pod"]);
    let properties = &made["Pod"]["properties"];
    assert_eq!(properties["n"]["type"], json!(["integer", "string", "null"]));
    assert_eq!(properties["list"]["items"], json!({"$ref": "#/$defs/kubernetes/Part"}));
    assert_eq!(properties["new"]["additionalProperties"]["type"], json!(["number", "string", "null"]));
    assert_eq!(made["Part"]["properties"]["any"], json!(true));
}
