//! A log as somebody reads it: line by line, chosen and cleaned. Pure: bytes in, bytes out.

use regex::bytes::Regex;
use std::borrow::Cow;

/// A line that has no end by then is taken for one.
const LONGEST: usize = 256 << 10;

/// What is done to lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    /// Of what a carriage return overwrites, as progress bars do, only the last stays, and escape codes are taken away: nobody's
    /// terminal does it.
    pub(super) plain: bool,
    /// Only lines in which this is found, escape codes apart.
    pub(super) grep: Option<Regex>,
}

/// Bytes of a log on their way to somebody who reads them.
#[derive(Debug)]
pub(super) struct Lines {
    manner: Manner,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, line: Vec::new() }
    }

    /// What is to be shown now that these bytes have come.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.manner.plain && self.manner.grep.is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LONGEST && self.manner.plain {
                let kept = overwritten(&self.line);
                self.line.drain(..kept);
            }
            if piece.ends_with(b"\n") || self.line.len() > LONGEST {
                self.show(&mut out);
            }
        }
        Cow::Owned(out)
    }

    /// What is left once nothing more comes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.line.is_empty() {
            self.show(&mut out);
        }
        out
    }

    fn show(&mut self, out: &mut Vec<u8>) {
        let whole = std::mem::take(&mut self.line);
        let line = if self.manner.plain { &whole[overwritten(&whole)..] } else { &whole[..] };
        let bare: Vec<u8> = anstream::adapter::strip_bytes(line).into_vec();
        if self.manner.grep.as_ref().is_none_or(|wanted| wanted.is_match(bare.trim_ascii_end())) {
            out.extend_from_slice(if self.manner.plain { &bare } else { line });
        }
    }
}

/// How many bytes of a line the next ones have overwritten: all before its last carriage return that something follows.
fn overwritten(line: &[u8]) -> usize {
    let end = line.len() - line.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    line[..end].iter().rposition(|byte| *byte == b'\r').map_or(0, |at| at + 1)
}

/// Where the last `count` lines begin; none where there may be more of them before.
pub(super) fn last(bytes: &[u8], count: usize) -> Option<usize> {
    if count == 0 {
        return Some(bytes.len());
    }
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(manner: &Manner, pieces: &[&str]) -> String {
        let mut lines = Lines::new(manner.clone());
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| lines.push(piece.as_bytes()).into_owned()).collect();
        out.extend(lines.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn progress_that_was_overwritten_and_colours_stay_away_from_files() {
        let plain = Manner { plain: true, grep: None };
        for (pieces, text) in [
            (&["a\n", "b"][..], "a\nb"),
            (&["1%\r", "50%\r100%\nnext\r\n"], "100%\nnext\r\n"),
            (&["1%\r2%\r"], "2%\r"),
            (&["\x1b[3", "1mred\x1b[0m\n"], "red\n"),
            (&["\x1b[2K\r10%", "\x1b[2K\r20%"], "20%"),
        ] {
            assert_eq!(shown(&plain, pieces), text, "{pieces:?}");
            assert_eq!(shown(&Manner::default(), pieces), pieces.concat(), "a terminal gets all of it");
        }
        let bar = format!("{}done\n", "x".repeat(1_000) + "\r").repeat(1_000);
        assert_eq!(shown(&plain, &[&bar]), "done\n".repeat(1_000));
        let endless = "y".repeat(3 * LONGEST);
        assert_eq!(shown(&plain, &[&endless]).len(), endless.len(), "nothing is held for ever");
    }

    #[test]
    fn lines_are_found_whatever_their_colours() {
        let grep = Manner { plain: false, grep: Some(Regex::new("loss$").unwrap()) };
        assert_eq!(shown(&grep, &["a \x1b[31mlo", "ss\x1b[0m\r\nb\n", "loss", " x\nloss"]), "a \x1b[31mloss\x1b[0m\r\nloss");
    }

    #[test]
    fn the_last_lines_are_counted_from_the_end() {
        for (text, count, begins) in [
            ("a\nb\nc\n", 1, Some(4)),
            ("a\nb\nc", 1, Some(4)),
            ("a\nb\nc\n", 2, Some(2)),
            ("a\nb\nc\n", 3, None),
            ("\n\n\n", 2, Some(1)),
            ("a\n", 0, Some(2)),
            ("", 1, None),
        ] {
            assert_eq!(last(text.as_bytes(), count), begins, "{text:?} {count}");
        }
    }
}
