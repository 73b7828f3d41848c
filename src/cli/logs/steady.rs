//! What a terminal is given of a log: text and colours. Pure.
//!
//! A log is foreign text. It may not move the cursor, set the window's title, make links or ask the terminal anything: of escape
//! sequences only those that colour text pass, of control characters only the ends of lines and tabs.

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};
use std::fmt::Write;

/// Takes from bytes on their way to a terminal what could steer it.
#[derive(Debug, Default)]
pub(super) struct Steady {
    parser: Parser<DefaultCharAccumulator>,
    /// Whether the terminal obeys escape codes at all.
    colours: bool,
    coloured: bool,
}

struct Page<'a> {
    text: String,
    colours: bool,
    coloured: &'a mut bool,
}

impl Steady {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours, ..Self::default() }
    }

    /// Adds to `out` what may be shown of `bytes`. A sequence or a character that they break off goes on with the next ones, but none
    /// reaches over the end of a line: what is never ended hides no more than its own line.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut page = Page { text: String::with_capacity(bytes.len()), colours: self.colours, coloured: &mut self.coloured };
        for byte in bytes {
            if *byte == b'\n' {
                self.parser = Parser::default();
                page.text.push('\n');
            } else {
                self.parser.advance(&mut page, *byte);
            }
        }
        out.extend_from_slice(page.text.as_bytes());
    }

    /// Ends a colour that the log left on.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(b"\x1b[0m");
        }
    }
}

impl Perform for Page<'_> {
    fn print(&mut self, c: char) {
        // Those of the second kind are controls in two bytes.
        if !c.is_control() {
            self.text.push(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        if matches!(byte, b'\t' | b'\r') {
            self.text.push(char::from(byte));
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action != b'm' || ignore || !intermediates.is_empty() || !self.colours {
            return;
        }
        let mut codes = String::new();
        for param in params {
            let sub: Vec<_> = param.iter().map(ToString::to_string).collect();
            let _ = write!(codes, "{}{}", if codes.is_empty() { "" } else { ";" }, sub.join(":"));
        }
        *self.coloured = !matches!(codes.as_str(), "" | "0");
        let _ = write!(self.text, "\u{1b}[{codes}m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> String {
        let (mut steady, mut out) = (Steady::new(true), Vec::new());
        for piece in pieces {
            steady.pass(piece, &mut out);
        }
        steady.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn colours_pass_and_nothing_else_that_steers() {
        for (bytes, text) in [
            (&b"a\tb\r\n"[..], "a\tb\r\n"),
            (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
            (b"\x1b[38;2;1;2;3mx\x1b[m", "\x1b[38;2;1;2;3mx\x1b[0m"),
            (b"\x1b[4:3mx\x1b[0m", "\x1b[4:3mx\x1b[0m"),
            (b"\x1b[1mleft on", "\x1b[1mleft on\x1b[0m"),
            // The cursor, the screen, scrolling, modes.
            (b"\x1b[2J\x1b[Hx\x1b[10;3Hy\x1b[A\x1b[1F\x1b[?1049h\x1b[3;7r\x1b7\x1b8z", "xyz"),
            (b"one\x1b[K\x1b[1Gtwo", "onetwo"),
            // Titles, links, the clipboard, colours of the palette; ended by BEL, by ST, or never.
            (b"\x1b]0;root@prod\x07a\x1b]2;x\x1b\\b", "ab"),
            (b"\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\", "here"),
            (b"\x1b]52;c;ZXZpbA==\x07x", "x"),
            (b"a\x1b]0;never ended\nb\n", "a\nb\n"),
            (b"a\x1bP+q544e\x1b\\b\x1b_G\x1b\\c\x1b^x\x1b\\d", "abcd"),
            // Questions that the terminal would answer by typing.
            (b"\x1b[6n\x1b[c\x1b[>q\x1b]11;?\x07\x05x", "x"),
            // Keys that send something else, and a reset.
            (b"\x1b[>4;2mx\x1bcy\x1b(0z", "xyz"),
            // Bell, backspace, delete, form feed, shift out.
            (b"a\x07b\x08c\x7fd\x0ce\x0ef\0g", "abcdefg"),
            // Controls in one byte and in two.
            ("a\u{9b}2Jb\u{9d}0;t\u{9c}c\u{85}d".as_bytes(), "a2Jb0;tcd"),
            (b"a\x9b2Jb", "a2Jb"),
        ] {
            assert_eq!(shown(&[bytes]), text, "{:?}", bytes.escape_ascii().to_string());
            let single: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(shown(&single), text, "byte by byte: {:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn broken_text_is_shown_as_far_as_it_goes() {
        for (bytes, text) in [
            ("gr\u{fc}n \u{1f680}\n".as_bytes(), "grün 🚀\n"),
            (b"a\xffb\n", "ab\n"),
            (b"a\xc3\nb\n", "a\nb\n"),
            (b"\xe2\x82x\n", "\u{fffd}\n"),
        ] {
            assert_eq!(shown(&[bytes]), text, "{bytes:?}");
        }
        assert_eq!(shown(&[b"\xf0\x9f", b"\x9a\x80"]), "\u{1f680}", "a character in two pieces");
    }

    #[test]
    fn a_terminal_that_knows_no_colours_gets_none() {
        let (mut steady, mut out) = (Steady::new(false), Vec::new());
        steady.pass(b"\x1b[31mred\x1b[0m\x1b[2J", &mut out);
        steady.finish(&mut out);
        assert_eq!(out, b"red");
    }

    #[test]
    fn whatever_comes_nothing_steers() {
        let mut state = 7_u64;
        for round in 0..2_000 {
            let bytes: Vec<u8> = (0..64)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let byte = u8::try_from(state >> 56).unwrap();
                    if byte < 90 { b"\x1b[]P;:m0123?>\x9b\xc2\\\x07\n"[usize::from(byte) % 18] } else { byte }
                })
                .collect();
            let text = shown(&[&bytes]);
            let mut rest = text.as_str();
            while let Some(at) = rest.find('\u{1b}') {
                let sequence = rest[at..].strip_prefix("\u{1b}[").unwrap_or_else(|| panic!("round {round}: {text:?}"));
                let codes = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ':');
                rest = codes.strip_prefix('m').unwrap_or_else(|| panic!("round {round}: {text:?}"));
            }
            assert!(text.chars().all(|c| !c.is_control() || "\u{1b}\n\r\t".contains(c)), "round {round}: {text:?}");
        }
    }
}
