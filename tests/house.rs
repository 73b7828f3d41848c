//! The rules of the house, read from the source: which room may use which, what belongs to one room alone, how long a
//! file may be, which environment variables there are.
//!
//! The reader is small: it knows comments, literals, inline modules and `use` trees, and nothing of macros or of names
//! that were imported before. It catches what happens by accident.

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
    ("client", &["wire"]),
    ("runner", &["wire", "domain", "template", "client"]),
    ("agent", &["wire", "domain", "client"]),
    ("cli", &["wire", "domain", "template", "client"]),
    ("tools", &["wire", "domain", "template"]),
    ("app", &["domain", "wire", "template", "store", "blob", "server", "client", "runner", "agent", "cli", "tools"]),
];

/// Paths that only some places may name.
const RESERVED: &[(&str, &[&str])] =
    &[("sqlx", &["src/store/"]), ("kube", &["src/runner/kubernetes/"]), ("k8s_openapi", &["src/runner/kubernetes/", "src/template/"])];

/// What the rules of the product must not touch.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "std::fs", "std::net", "reqwest", "axum"];

/// Macros that `#[macro_export]` puts at the root of the crate, and the rooms that they belong to.
const ROOT_MACROS: &[(&str, &str)] = &[("crash_point", "domain")];

const MAX_LINES: usize = 400;

#[test]
fn every_source_file_keeps_the_rules() {
    let files = sources(&["src"]);
    assert!(files.len() > 20, "the sources were not found");
    let broken: Vec<_> = files.iter().flat_map(|(path, text)| check(path, text)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_environment_variable_is_documented() {
    let document = fs::read_to_string(root().join("docs/CONFIGURATION.md")).expect("docs/CONFIGURATION.md");
    let documented = variables(&document);
    let named = sources(&["src"]).iter().flat_map(|(_, text)| variables(text)).collect::<BTreeSet<_>>();
    let missing: Vec<_> = named.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/CONFIGURATION.md does not name {missing:?}");
}

/// The sentences about what breaks the rules in one file.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if text.lines().count() > MAX_LINES {
        broken.push(format!("{path}: more than {MAX_LINES} lines"));
    }
    let Some(room) = room_of(path) else {
        broken.push(format!("{path}: belongs to no room of the table"));
        return broken;
    };
    let code = without_comments_and_literals(text);
    let tokens = tokens(&code);
    for line in allowed_lints(&tokens) {
        broken.push(format!("{path}:{line}: `allow`; use `expect` with a reason"));
    }
    for found in paths(&tokens, depth_of(path)) {
        let name = found.segments.join("::");
        let line = found.line;
        if let Some(other) = found.room(room).filter(|other| *other != room) {
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

/// A path as it is written, `use` trees spelled out.
struct Found<'a> {
    line: usize,
    segments: Vec<&'a str>,
    /// How many modules deep it stands.
    depth: usize,
    in_use: bool,
}

impl<'a> Found<'a> {
    /// The room that it leads to, where it goes by the root of the crate.
    fn room(&self, from: &str) -> Option<&'a str> {
        let ups = self.segments.iter().skip_while(|s| **s == "self").take_while(|s| **s == "super").count();
        let skipped = self.segments.iter().take_while(|s| **s == "self").count();
        let next = match self.segments[0] {
            "crate" => 1,
            "slipway" if from == "app" => 1,
            _ if ups > 0 && ups == self.depth => skipped + ups,
            _ => return None,
        };
        let name = *self.segments.get(next)?;
        let macro_room = ROOT_MACROS.iter().find(|(name_of, _)| *name_of == name).map(|(_, room)| *room);
        let known = EDGES.iter().map(|(room, _)| *room).find(|room| *room == name);
        // A glob of the root would bring every room.
        macro_room.or(known).or((name == "*").then_some("*"))
    }

    /// Whether it names something elsewhere, not a variable or a field.
    fn is_path(&self) -> bool {
        self.in_use || self.segments.len() > 1
    }
}

type Token<'a> = (usize, &'a str);

fn paths<'a>(tokens: &[Token<'a>], file_depth: usize) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let (mut braces, mut modules) = (0_usize, Vec::new());
    let mut at = 0;
    while let Some((_, token)) = tokens.get(at) {
        match *token {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2].1 == "mod" {
                    modules.push(braces);
                }
            }
            "}" => {
                modules.pop_if(|opened| *opened == braces);
                braces = braces.saturating_sub(1);
            }
            // Words that a `::path` may follow.
            "use" | "return" | "as" | "in" | "dyn" | "impl" | "mut" | "else" | "match" => {}
            word if is_word(word) => {
                let in_use = at > 0 && matches!(tokens[at - 1].1, "use") || at > 1 && tokens[at - 2].1 == "use" && tokens[at - 1].1 == "::";
                let mut written = Vec::new();
                at = tree(tokens, at, &[], &mut written);
                let depth = file_depth + modules.len();
                found.extend(written.into_iter().map(|(line, segments)| Found { line, segments, depth, in_use }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a path or a `use` tree from `at` on; returns where it ends.
fn tree<'a>(tokens: &[Token<'a>], mut at: usize, before: &[&'a str], out: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let mut segments = before.to_vec();
    let mut line = tokens.get(at).map_or(0, |token| token.0);
    while let Some((here, token)) = tokens.get(at) {
        if *token == "{" && !segments.is_empty() {
            at += 1;
            while tokens.get(at).is_some_and(|(_, token)| *token != "}") {
                let next = tree(tokens, at, &segments, out);
                // What a path does not take: commas, `as name`.
                at = next.max(at + 1);
                while tokens.get(at).is_some_and(|(_, token)| *token == "," || *token == "as") {
                    at += if tokens[at].1 == "as" { 2 } else { 1 };
                }
            }
            return at + 1;
        }
        if !is_word(token) && *token != "*" {
            break;
        }
        line = *here;
        segments.push(token);
        at += 1;
        if tokens.get(at).is_none_or(|(_, token)| *token != "::") {
            break;
        }
        at += 1;
    }
    out.push((line, segments));
    at
}

/// The lines of attributes that allow a lint.
fn allowed_lints(tokens: &[Token]) -> Vec<usize> {
    let mut lines = Vec::new();
    let (mut attribute, mut nesting) = (false, 0);
    for (at, (line, token)) in tokens.iter().enumerate() {
        match *token {
            "#" if !attribute => attribute = tokens.get(at + 1).is_some_and(|(_, next)| *next == "[" || *next == "!"),
            "[" if attribute => nesting += 1,
            "]" if attribute => {
                nesting -= 1;
                attribute = nesting > 0;
            }
            "allow" if attribute && tokens.get(at + 1).is_some_and(|(_, next)| *next == "(") => lines.push(*line),
            _ => {}
        }
    }
    lines
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, each with its line.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let len = match first {
                _ if rest.starts_with("::") => 2,
                c if c.is_alphanumeric() || c == '_' => rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            tokens.push((index + 1, &rest[..len]));
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

/// The same text with comments and the insides of literals blanked, lines kept.
fn without_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let word_before = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let len = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest, '"'),
            ['r', '"' | '#', ..] if !word_before || chars[at - 1] == 'b' => raw_string(rest),
            // 'a' and '\n' are literals, 'a of a lifetime is not.
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
            _ => 0,
        };
        if len == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(rest[..len].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at += len;
        }
    }
    out
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a raw string; 0 where there is none (`r#type` is a name).
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let start = 2 + hashes;
    rest[start..].windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| start + at + end.len())
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
        ("src/client/x.rs", "crate::crash_point!(\"a\");", "client → domain"),
        ("src/client/mod.rs", "use super::domain::TaskId;", "client → domain"),
        ("src/client/x.rs", "use super::super::{wire, domain};", "client → domain"),
        ("src/client/x.rs", "mod tests { use super::super::super::domain; }", "client → domain"),
        ("src/client/x.rs", "mod a {} use super::{super::domain};", "client → domain"),
        ("src/agent/x.rs", "use crate::*;", "agent → *"),
        ("src/server/x.rs", "use sqlx::Row;", "`sqlx::Row` belongs to src/store/"),
        ("src/server/x.rs", "use ::sqlx;", "belongs to src/store/"),
        ("src/runner/claim.rs", "use kube::Api;", "belongs to src/runner/kubernetes/"),
        ("src/runner/claim.rs", "fn f(_: k8s_openapi::api::Pod) {}", "belongs to"),
        ("src/domain/x.rs", "use std::{fs, time::Duration};", "`std::fs` in domain"),
        ("src/domain/x.rs", "async fn f() { tokio::task::yield_now().await }", "`tokio` in domain"),
        ("src/wire/x.rs", "#[allow(dead_code)] fn f() {}", "`allow`"),
        ("src/wire/x.rs", "#![cfg_attr(test, allow(dead_code))]", "`allow`"),
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
