//! Keeps secrets out of the log: a filter that every byte passes before it is kept, repeated or sent.
//!
//! What it knows are [`Secrets`]: values, each in the [`forms`] in which programs print one, and the [`shapes`] of tokens
//! that tell what they are. Where one occurs, [`MASKED`] stands in its place, once for all that touch or overlap.
//! Everything else passes unchanged and at once: only an end of the output that may become a secret is held back.
//!
//! # What shows of a secret in spite of it
//! - Values shorter than [`LEAST`], and what the command makes of a value in ways of its own: reversed, spaced, encrypted.
//! - After a pause in the middle of one, at most the first [`PEEK`] bytes: such an end may be anything, so it is not held
//!   for ever. A longer beginning is held for as long as it takes, and shows as [`MASKED`] where the output ends with it.

mod finder;
mod forms;
mod gather;
mod secrets;
mod shapes;

#[cfg(test)]
mod tests;

pub(super) use gather::gather;
pub use secrets::Secrets;

use finder::Finder;
use shapes::Shape;
use std::{borrow::Cow, fmt};

/// What stands in the place of a secret.
pub const MASKED: &str = "[masked]";
/// The shortest value that is masked, in bytes: what is shorter occurs in too much that is no secret.
pub const LEAST: usize = 6;
/// How many bytes of a beginning show after a pause: too few to tell much of [`LEAST`].
pub const PEEK: usize = 3;

/// The filter of one stream of bytes. The pieces in which the stream comes make no difference to what leaves it.
pub struct Mask {
    finder: Finder,
    /// The end of what came that may be the beginning of a secret.
    held: Vec<u8>,
    /// How much of that has left already, as itself or as a part of what was masked.
    shown: usize,
    /// The last thing that left was [`MASKED`].
    masked: bool,
    /// The token that the stream was in the middle of where the last piece ended.
    inside: Option<&'static Shape>,
}

impl Mask {
    /// A filter for `secrets` and for whatever has the shape of a token.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        Self { finder: Finder::new(secrets.forms()), held: Vec::new(), shown: 0, masked: false, inside: None }
    }

    /// Takes the next piece of the stream and gives on what can be given on.
    pub fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let work = if self.held.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned([&self.held, bytes].concat()) };
        let keep = self.finder.open_end(&work);
        // The rest of a token that has left as masked already.
        let run = self.inside.map_or(0, |shape| shape.run(&work[self.shown..]));
        let rest = self.inside.filter(|_| self.shown + run == work.len());
        let from = Left { at: self.shown + run, masked: self.masked, inside: rest };
        let left = self.finder.give(&work, from, keep, &mut out);
        let held = work[keep..].to_vec();
        (self.held, self.shown, self.masked, self.inside) = (held, left.at - keep, left.masked, left.inside);
    }

    /// Whether [`Mask::pause`] would give something on.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.shown < self.held.len() && self.held.len() <= PEEK
    }

    /// Nothing came for a while: a short end is given on. Should it turn out to begin a secret, the rest is masked.
    pub fn pause(&mut self, mut out: impl FnMut(&[u8])) {
        if self.waits() {
            out(&self.held[self.shown..]);
            (self.shown, self.masked) = (self.held.len(), false);
        }
    }

    /// Nothing comes any more.
    pub fn finish(&mut self, mut out: impl FnMut(&[u8])) {
        self.pause(&mut out);
        if self.shown < self.held.len() && !self.masked {
            out(MASKED.as_bytes());
        }
        (self.held, self.shown, self.masked, self.inside) = (Vec::new(), 0, false, None);
    }

    /// A text of its own, outside the stream.
    #[must_use]
    pub fn whole(&self, text: &str) -> String {
        let mut whole = Vec::with_capacity(text.len());
        self.finder.give(text.as_bytes(), Left::default(), text.len(), &mut |bytes| whole.extend_from_slice(bytes));
        String::from_utf8_lossy(&whole).into_owned()
    }
}

/// How much of some bytes has left, and how.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Everything before has left.
    at: usize,
    /// The last thing that left was [`MASKED`].
    masked: bool,
    /// The token that they end in the middle of.
    inside: Option<&'static Shape>,
}

impl Finder {
    /// Gives on what has not left, up to `keep`, or up to the end of a secret that reaches beyond; says how far it came.
    fn give(&self, bytes: &[u8], mut left: Left, keep: usize, out: &mut impl FnMut(&[u8])) -> Left {
        for found in self.find(bytes) {
            // What begins further on comes after something that is held.
            if found.start > keep.max(left.at) {
                break;
            }
            if found.end == bytes.len() {
                left.inside = found.shape.or(left.inside);
            }
            if found.end > left.at {
                left.plain(bytes, found.start, out);
                if !std::mem::replace(&mut left.masked, true) {
                    out(MASKED.as_bytes());
                }
                left.at = found.end;
            }
        }
        left.plain(bytes, keep, out);
        left
    }
}

impl Left {
    fn plain(&mut self, bytes: &[u8], until: usize, out: &mut impl FnMut(&[u8])) {
        if self.at < until {
            out(&bytes[self.at..until]);
            (self.at, self.masked) = (until, false);
        }
    }
}

/// Nothing of what it knows or holds.
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
