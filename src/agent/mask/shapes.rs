//! Tokens that tell what they are: a known beginning, then enough characters of a known kind.

/// What a kind of token looks like.
#[derive(Debug)]
pub(super) struct Shape {
    /// How it begins.
    pub(super) prefix: &'static [u8],
    /// How many characters follow at least.
    least: usize,
    /// What they are. All that follow are the token's.
    body: fn(u8) -> bool,
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

const fn shape(prefix: &'static str, least: usize, body: fn(u8) -> bool) -> Shape {
    Shape { prefix: prefix.as_bytes(), least, body }
}

/// The tokens of this product (`domain::secret`), of GitHub, GitLab and Hugging Face.
pub(super) static SHAPES: [Shape; 11] = [
    shape("slw_", 49, word),
    shape("slws_", 49, word),
    shape("slwa_", 49, word),
    shape("ghp_", 36, alphanumeric),
    shape("gho_", 36, alphanumeric),
    shape("ghu_", 36, alphanumeric),
    shape("ghs_", 36, alphanumeric),
    shape("ghr_", 36, alphanumeric),
    shape("github_pat_", 82, word),
    shape("glpat-", 20, word),
    shape("hf_", 34, alphanumeric),
];

impl Shape {
    /// How many bytes at the beginning of `bytes` can belong to the token's body.
    pub(super) fn run(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !(self.body)(*byte)).unwrap_or(bytes.len())
    }

    /// The length of the token that `bytes` begin with.
    pub(super) fn length(&self, bytes: &[u8]) -> Option<usize> {
        let run = self.run(bytes.strip_prefix(self.prefix)?);
        (run >= self.least).then_some(self.prefix.len() + run)
    }

    /// Whether `bytes` are the beginning of such a token and not yet one.
    pub(super) fn begins_with(&self, bytes: &[u8]) -> bool {
        match bytes.strip_prefix(self.prefix) {
            Some(body) => body.len() < self.least && self.run(body) == body.len(),
            None => self.prefix.starts_with(bytes),
        }
    }

    /// The most bytes for which [`Shape::begins_with`] can hold.
    pub(super) fn longest_beginning(&self) -> usize {
        self.prefix.len() + self.least - 1
    }
}
