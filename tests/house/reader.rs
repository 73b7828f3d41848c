//! A small reader of Rust text. It knows comments, literals, inline modules and `use` trees, and nothing of macros or of
//! names that were imported before: it catches what happens by accident.

/// A path as it is written, `use` trees spelled out.
pub(crate) struct Found<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    /// How many modules deep it stands.
    depth: usize,
    in_use: bool,
}

impl<'a> Found<'a> {
    /// What it names at the root of the crate, where it goes by that root; `own` is the name of the crate there.
    pub(crate) fn below_root(&self, own: Option<&str>) -> Option<&'a str> {
        let selves = self.segments.iter().take_while(|s| **s == "self").count();
        let ups = self.segments[selves..].iter().take_while(|s| **s == "super").count();
        let next = match self.segments[0] {
            "crate" => 1,
            first if Some(first) == own => 1,
            _ if ups > 0 && ups == self.depth => selves + ups,
            _ => return None,
        };
        self.segments.get(next).copied()
    }

    /// Whether it names something elsewhere, not a variable or a field.
    pub(crate) fn is_path(&self) -> bool {
        self.in_use || self.segments.len() > 1
    }
}

pub(crate) type Token<'a> = (usize, &'a str);

pub(crate) fn paths<'a>(tokens: &[Token<'a>], file_depth: usize) -> Vec<Found<'a>> {
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
pub(crate) fn allowed_lints(tokens: &[Token]) -> Vec<usize> {
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
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
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
pub(crate) fn without_comments_and_literals(text: &str) -> String {
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
