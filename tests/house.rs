//! The rules of the house, read from the source: which room may use which, what belongs to one room alone, how long a
//! file may be, which environment variables there are.

#[path = "house/reader.rs"]
mod reader;

use reader::{allowed_lints, paths, tokens, without_comments_and_literals};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Which room may use which (`docs/ARCHITECTURE.md`). `app` composes the programs and may use all.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain"]),
    ("template", &["domain"]),
    ("store", &["domain"]),
    ("blob", &["domain"]),
    ("server", &["wire", "domain", "template", "store", "blob"]),
    ("client", &["wire", "domain"]),
    ("runner", &["wire", "domain", "template", "client"]),
    ("agent", &["wire", "domain", "client"]),
    ("cli", &["wire", "domain", "template", "client"]),
    ("tools", &["wire", "domain", "template"]),
    ("app", &["domain", "wire", "template", "store", "blob", "server", "client", "runner", "agent", "cli", "tools"]),
];

/// Paths that only some places may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store/"]),
    ("rusqlite", &["src/store/sql/"]),
    ("object_store", &["src/blob/"]),
    ("kube", &["src/runner/kubernetes/"]),
    ("k8s_openapi", &["src/runner/kubernetes/", "src/template/"]),
];

/// What the rules of the product must not touch.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "std::fs", "std::net", "reqwest", "axum"];

/// Macros that `#[macro_export]` puts at the root of the crate, and the rooms that they belong to.
const ROOT_MACROS: &[(&str, &str)] = &[("crash_point", "domain")];

const MAX_LINES: usize = 400;

#[test]
fn every_source_file_keeps_the_rules() {
    let files = sources(&["src", "tests"]);
    assert!(files.len() > 20, "the sources were not found");
    let broken: Vec<_> = files.iter().flat_map(|(path, text)| check(path, text)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_environment_variable_is_documented() {
    // What people set, and what tasks find.
    let documents = ["docs/CONFIGURATION.md", "docs/INSIDE.md"].map(|name| fs::read_to_string(root().join(name)).expect(name));
    let documented = variables(&documents.concat());
    let named = sources(&["src"]).iter().flat_map(|(_, text)| variables(text)).collect::<BTreeSet<_>>();
    let missing: Vec<_> = named.difference(&documented).collect();
    assert!(missing.is_empty(), "neither docs/CONFIGURATION.md nor docs/INSIDE.md names {missing:?}");
}

/// Says what breaks the rules in one file: size and lints everywhere, edges and homes below `src`.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if text.lines().count() > MAX_LINES {
        broken.push(format!("{path}: more than {MAX_LINES} lines"));
    }
    let code = without_comments_and_literals(text);
    let tokens = tokens(&code);
    for line in allowed_lints(&tokens) {
        broken.push(format!("{path}:{line}: `allow`; use `expect` with a reason"));
    }
    if !path.starts_with("src/") {
        return broken;
    }
    let Some(room) = room_of(path) else {
        broken.push(format!("{path}: belongs to no room of the table"));
        return broken;
    };
    for found in paths(&tokens, depth_of(path)) {
        let name = found.segments.join("::");
        let line = found.line;
        if let Some(other) = leads_to(&found, room).filter(|other| *other != room) {
            let known = EDGES.iter().find(|(from, _)| *from == room).map_or(&[][..], |(_, to)| *to);
            if !known.contains(&other) {
                broken.push(format!("{path}:{line}: {room} → {other} is no edge of the house (`{name}`)"));
            }
        }
        for (crate_name, homes) in RESERVED {
            if found.segments[0] == *crate_name && found.is_path() && !homes.iter().any(|home| path.starts_with(home)) {
                broken.push(format!("{path}:{line}: `{name}` belongs to {}", homes.join(" and ")));
            }
        }
        if room == "domain" && found.is_path() {
            for never in NOT_IN_DOMAIN.iter().filter(|never| name == **never || name.starts_with(&format!("{never}::"))) {
                broken.push(format!("{path}:{line}: `{never}` in domain, which is pure"));
            }
        }
    }
    broken
}

/// The room of a file; the root of the library and the programs count as `app`.
fn room_of(path: &str) -> Option<&'static str> {
    let inside = path.strip_prefix("src/")?;
    if inside == "lib.rs" || inside.starts_with("bin/") {
        return Some("app");
    }
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    EDGES.iter().map(|(room, _)| *room).find(|room| *room == first)
}

/// How many modules deep a file is: 1 for `src/wire/mod.rs`, 2 for `src/wire/task.rs`.
fn depth_of(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if inside == "lib" { 0 } else { inside.split('/').count() }
}

/// The room that a path leads to from `room`.
fn leads_to<'a>(found: &reader::Found<'a>, room: &str) -> Option<&'a str> {
    let name = found.below_root((room == "app").then_some("slipway"))?;
    let of_macro = ROOT_MACROS.iter().find(|(name_of, _)| *name_of == name).map(|(_, room)| *room);
    // A glob of the root would bring every room.
    let is_room = name == "*" || EDGES.iter().any(|(room, _)| *room == name);
    of_macro.or(is_room.then_some(name))
}

/// The environment variables of ours that a text names.
fn variables(text: &str) -> BTreeSet<String> {
    let names = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    names.filter(|name| name.starts_with("SLIPWAY_") && !name.ends_with('_')).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below the directories: path from the root of the project, text.
fn sources(dirs: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut left: Vec<PathBuf> = dirs.iter().map(|dir| root().join(dir)).collect();
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                let text = fs::read_to_string(&path).expect("readable text");
                files.push((relative(&path), text));
            }
        }
    }
    files.sort();
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The checker is itself checked: what it must catch, and what it must let pass.
#[test]
fn the_checker_catches_each_kind_of_break() {
    for (path, text, expected) in [
        ("src/blob/x.rs", "\nuse crate::wire::Task;", "src/blob/x.rs:2: blob → wire"),
        ("src/wire/x.rs", "use crate::{domain::TaskId, store};", "wire → store"),
        ("src/wire/x.rs", "use crate::{\n domain::{A, b::{C as D, E}},\n store::{X as Y},\n};", "src/wire/x.rs:3: wire → store"),
        ("src/cli/x.rs", "fn f() { crate::server::start(); }", "cli → server"),
        ("src/client/x.rs", "pub(in crate::agent) fn f() {}", "client → agent"),
        ("src/client/x.rs", "use crate::store::Store;", "client → store"),
        ("src/blob/mod.rs", "use super::wire::TaskId;", "blob → wire"),
        ("src/blob/x.rs", "use super::super::{domain, wire};", "blob → wire"),
        ("src/blob/x.rs", "mod tests { use super::super::super::wire; }", "blob → wire"),
        ("src/blob/x.rs", "mod a {} use super::{super::wire};", "blob → wire"),
        ("src/agent/x.rs", "use crate::*;", "agent → *"),
        ("src/server/x.rs", "use sqlx::Row;", "`sqlx::Row` belongs to src/store/"),
        ("src/server/x.rs", "use ::sqlx;", "belongs to src/store/"),
        ("src/runner/claim.rs", "use kube::Api;", "belongs to src/runner/kubernetes/"),
        ("src/runner/claim.rs", "fn f(_: k8s_openapi::api::Pod) {}", "belongs to"),
        ("src/domain/x.rs", "use std::{fs, time::Duration};", "`std::fs` in domain"),
        ("src/domain/x.rs", "async fn f() { tokio::task::yield_now().await }", "`tokio` in domain"),
        ("src/wire/x.rs", "#[allow(dead_code)] fn f() {}", "`allow`"),
        ("src/wire/x.rs", "#![cfg_attr(test, allow(dead_code))]", "`allow`"),
        ("tests/x.rs", "#[allow(dead_code)] fn f() {}", "`allow`"),
        ("src/attic/x.rs", "", "no room"),
    ] {
        let broken = check(path, text);
        assert!(broken.len() == 1 && broken[0].contains(expected), "{text}: {broken:?}");
    }
    assert_eq!(check("src/wire/x.rs", &"\n".repeat(MAX_LINES + 1)), ["src/wire/x.rs: more than 400 lines"]);
    assert_eq!(variables("SLIPWAY_A_B SLIPWAY_ `SLIPWAY_C9`"), ["SLIPWAY_A_B", "SLIPWAY_C9"].map(str::to_owned).into());
}

#[test]
fn the_checker_lets_pass_what_is_right() {
    for (path, text) in [
        ("src/wire/x.rs", "use crate::{domain::{TaskId, Times}, wire::task}; // crate::store\n/* crate::store /* */ sqlx::x */"),
        ("src/wire/x.rs", "const A: &str = \"crate::store\"; const B: &str = r#\"\"crate::store\"#; const C: char = '\"';"),
        ("src/wire/x.rs", "fn f<'a>(x: &'a str) -> &'a str { let store = '\\''; x } // '"),
        ("src/wire/x.rs", "use super::task; mod tests { use super::super::store; use super::*; }"),
        ("src/wire/x.rs", "pub(crate) fn allow(x: u8) { allow(x) } #[expect(dead_code, reason = \"x\")] struct kube { kube: u8 }"),
        ("tests/x.rs", "use sqlx::Row; use slipway::{store, cli};"),
        ("src/store/x.rs", "use sqlx::Row; crate::crash_point!(\"x\");"),
        ("src/template/x.rs", "use k8s_openapi::DeepMerge;"),
        ("src/runner/kubernetes/x.rs", "use kube::Api; use k8s_openapi::api;"),
        ("src/bin/slipway.rs", "fn main() { slipway::app::main() }"),
        ("src/app/x.rs", "use crate::{store, server};"),
        ("src/domain/x.rs", "macro_rules! m { () => { $crate::domain::f() } } use std::time::Duration;"),
    ] {
        assert_eq!(check(path, text), Vec::<String>::new(), "{text}");
    }
}
