//! Finds secrets in bytes, and beginnings of secrets at their end.

use super::shapes::{SHAPES, Shape};
use aho_corasick::{AhoCorasick, Input, MatchKind};

/// A place where a secret stands.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What it has the shape of, where it is a token.
    pub(super) shape: Option<&'static Shape>,
}

pub(super) struct Finder {
    /// None where there are no forms.
    secrets: Option<AhoCorasick>,
    tokens: Option<AhoCorasick>,
    /// The forms in order, so that those with a common beginning stand together.
    sorted: Vec<Vec<u8>>,
    /// Whether anything begins with a byte.
    begins: [bool; 256],
    /// The most bytes that a beginning can have.
    longest: usize,
}

impl Finder {
    /// A finder of `forms`, in order and without empty ones, and of tokens.
    pub(super) fn new(forms: impl Iterator<Item = Vec<u8>>) -> Self {
        let sorted: Vec<Vec<u8>> = forms.collect();
        let mut begins = [false; 256];
        for first in sorted.iter().filter_map(|form| form.first()).chain(SHAPES.iter().map(|shape| &shape.prefix[0])) {
            begins[usize::from(*first)] = true;
        }
        let beginnings = sorted.iter().map(|form| form.len().saturating_sub(1)).chain(SHAPES.iter().map(Shape::longest_beginning));
        let longest = beginnings.max().unwrap_or(0);
        let secrets = automaton(sorted.iter().map(Vec::as_slice)).filter(|_| !sorted.is_empty());
        Self { secrets, tokens: automaton(SHAPES.iter().map(|shape| shape.prefix)), sorted, begins, longest }
    }

    /// Every secret, by where it begins; they may overlap. One within a longer one that begins no later may be left out.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(secrets) = &self.secrets {
            let mut at = 0;
            // From each the search goes on one byte after its beginning, so that what overlaps it is found too.
            while let Some(one) = secrets.find(Input::new(bytes).range(at..)) {
                found.push(Found { start: one.start(), end: one.end(), shape: None });
                at = one.start() + 1;
            }
        }
        let in_order = found.len();
        for one in self.tokens.iter().flat_map(|tokens| tokens.find_iter(bytes)) {
            let shape = &SHAPES[one.pattern().as_usize()];
            if let Some(length) = shape.length(&bytes[one.start()..]) {
                found.push(Found { start: one.start(), end: one.start() + length, shape: Some(shape) });
            }
        }
        if in_order > 0 && found.len() > in_order {
            found.sort_by_key(|one| (one.start, one.end));
        }
        found
    }

    /// Where the end of `bytes` begins that may be the beginning of a secret; their length where there is none.
    pub(super) fn open_end(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest);
        let open =
            bytes[from..].iter().enumerate().find(|(i, first)| self.begins[usize::from(**first)] && self.is_open(&bytes[from + i..]));
        open.map_or(bytes.len(), |(i, _)| from + i)
    }

    fn is_open(&self, end: &[u8]) -> bool {
        // The first form that is longer than `end` and begins with it comes right after all that are not greater.
        let after = self.sorted.partition_point(|form| form.as_slice() <= end);
        self.sorted.get(after).is_some_and(|form| form.starts_with(end)) || SHAPES.iter().any(|shape| shape.begins_with(end))
    }
}

/// None where there is nothing to find, or, which no bounded number of forms comes near, more than can be numbered.
fn automaton<'a>(of: impl Iterator<Item = &'a [u8]>) -> Option<AhoCorasick> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(of).ok()
}
