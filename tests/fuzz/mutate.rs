//! Files made of other files.

/// Makes files; the same seed makes the same ones of the same pool.
pub(crate) struct Mutator(u64);

/// Pieces that mean something to YAML, to Kubernetes, or to one of the formats.
const WORDS: [&str; 74] = [
    "&a ",
    "*a",
    "<<: *a\n",
    "!!binary ",
    "!!set ",
    "!<x> ",
    "? ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|-\n",
    ">\n",
    "'",
    "\"",
    "#",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\t",
    "`",
    "~",
    "null",
    "no",
    "yes",
    "on",
    "017",
    "0x1f",
    "1e400",
    "-1",
    "99999999999999999999",
    ".inf",
    ".nan",
    "2026-11-28",
    "12:30:45",
    "\u{feff}",
    "\u{2028}",
    "\u{0}",
    "\u{7f}",
    "é",
    "${id}",
    "${",
    "${CLEARML_TASK.id:x}",
    "{{gpus}}",
    "{{",
    "}}",
    "spec:",
    "template:",
    "metadata:",
    "containers:",
    "name: task\n",
    "nodeSelector:",
    "tolerations:",
    "nvidia.com/gpu: 1\n",
    "nvidia.com/mig-1g.10gb: 1\n",
    "resources: {limits: {cpu: 1}}\n",
    "apiVersion: batch/v1\n",
    "kind: Job\n",
    "kind: PyTorchJob\n",
    "kubernetes:\n",
    "agentk8sglue:\n",
    "queues:\n",
    "templateOverrides:\n",
    "podTemplate:\n",
    "object:\n",
    "manifest:\n",
    "remove: [/spec]\n",
    "variables:\n",
    "allow: {images: ['*']}\n",
    "hostPath: {path: /}\n",
    "gpu: {mig: 1g.10gb}\n",
    "backoffLimit: 3\n",
];

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).expect("31 bits") % n.max(1)
    }

    /// Another file, by one to six changes of one of these.
    pub(crate) fn next(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut file = pool[self.below(pool.len())].clone();
        for _ in 0..=self.below(6) {
            file = self.change(file, pool);
            file.truncate(256 << 10);
        }
        file
    }

    fn change(&mut self, mut file: Vec<u8>, pool: &[Vec<u8>]) -> Vec<u8> {
        let at = self.below(file.len() + 1);
        match self.below(10) {
            0 if at < file.len() => file[at] ^= 1 << self.below(8),
            1 => {
                let end = (at + self.below(12)).min(file.len());
                file.drain(at..end);
            }
            2 | 3 => drop(file.splice(at..at, WORDS[self.below(WORDS.len())].bytes())),
            // A piece many times: depth and length.
            4 => {
                let piece = WORDS[self.below(WORDS.len())].repeat(1 << self.below(12));
                file.splice(at..at, piece.bytes());
            }
            _ => return self.lines(&file, pool),
        }
        file
    }

    /// Changes whole lines: what stays is more often YAML.
    fn lines(&mut self, file: &[u8], pool: &[Vec<u8>]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = file.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let (at, other) = (self.below(lines.len()), self.below(lines.len()));
        if lines.is_empty() {
            return file.to_vec();
        }
        match self.below(7) {
            0 => drop(lines.remove(at)),
            1 => {
                let line = lines[at].clone();
                lines.insert(other, line);
            }
            2 => lines.swap(at, other),
            3 => drop(lines[at].splice(0..0, [b' '; 2])),
            4 => {
                let indent = lines[at].iter().take_while(|b| **b == b' ').count().min(2);
                lines[at].drain(..indent);
            }
            // Another value under the same key.
            5 => {
                if let Some(colon) = lines[at].iter().position(|b| *b == b':') {
                    lines[at].truncate(colon + 1);
                    lines[at].push(b' ');
                    lines[at].extend(WORDS[self.below(WORDS.len())].bytes());
                    lines[at].push(b'\n');
                }
            }
            // A part of another file.
            _ => {
                let strange = &pool[self.below(pool.len())];
                let strange: Vec<&[u8]> = strange.split_inclusive(|b| *b == b'\n').collect();
                let from = self.below(strange.len());
                let to = (from + 1 + self.below(12)).min(strange.len());
                lines.splice(at..at, strange[from.min(to)..to].iter().map(|line| line.to_vec()));
            }
        }
        lines.concat()
    }
}
