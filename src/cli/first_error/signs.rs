//! What programs write when they give up, and when they go on.

use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// How sure it is that a line is an error. In order: a heavier one is the first error, whatever lies before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Only where nothing else is found.
    Minor,
    /// A message at the level of an error.
    Plain,
    /// A program ended with it.
    Strong,
}

impl Weight {
    /// How many lines of progress, and how many lines at all, may follow the error that a command ended with.
    pub(super) fn bears(self) -> (u32, u32) {
        match self {
            Self::Minor => (0, 20),
            Self::Plain => (0, 40),
            Self::Strong => (2, 300),
        }
    }
}

/// A line that tells of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) weight: Weight,
    /// The next line says what it is.
    pub(super) message_follows: bool,
}

/// A line without any of these is no error; in lower case.
const WORDS: [&str; 33] = [
    "error",
    "fatal",
    "critical",
    "exception",
    "panic",
    "killed",
    "not found",
    "no such file",
    "out of memory",
    "resource_exhausted",
    "core dumped",
    "segmentation fault",
    "bus error",
    "aborted",
    "illegal instruction",
    "no solution found",
    "× failed to",
    "permission denied",
    "no space left",
    "assert",
    "undefined ",
    "terminate called",
    "alloc_failed",
    "cannot find ",
    "[slipway: ",
    "curl: (",
    "can't open file",
    "err!",
    "failed: ",
    ": *** ",
    "unsatisfiable",
    ".go:",
    "notfound",
];

const STRONG: &[&str] = &[
    // Memory.
    r"\bCUDA out of memory(?:\.|:|$)|\bCUDA error: out of memory|OutOfMemoryError: |CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: |cudaErrorMemoryAllocation",
    r"^Out of memory: Killed process |\bOOMKilled\b",
    // Signals, as shells tell them.
    r"^(?:\S+: (?:line \d+: +)?)?(?:\d+ +)?(?:Killed|Segmentation fault|Bus error|Aborted|Illegal instruction)(?: +\(core dumped\))?(?:  +\S.*)?$",
    // Panics and the like.
    r"^thread '.*' (?:\(\d+\) )?panicked at |^panic: |^fatal error: (?:all goroutines|runtime|concurrent|stack|unexpected signal)|^Exception in thread |^terminate called (?:after|without) ",
    r"^\S+: .*\bAssertion .+ failed\.?$",
    // Compilers and linkers.
    r"^\S+\.(?:c|cc|cpp|cxx|cu|cuh|h|hpp|f|f90|m|java|swift|kt)(?::\d+(?::\d+)?:|\(\d+(?:,\d+)?\): ?) ?(?:fatal )?error\b",
    r"^error\[E\d+\]: |^\S+\.tsx?(?:\(\d+,\d+\)|:\d+:\d+)(?::| -) error |undefined reference to |^\S*ld: cannot find |^CMake Error\b",
    // What could not be installed.
    r"^\s*ERROR: (?:No matching distribution|Could not find a version|Cannot install|ResolutionImpossible|Could not open requirements file|Could not build wheels|Failed building wheel|Failed to build|Invalid requirement)",
    r"^\s*× (?:No solution found|Failed to )|^\s*error: (?:subprocess-exited-with-error|externally-managed-environment|metadata-generation-failed)",
    r"^(?:LibMambaUnsatisfiableError|ResolvePackageNotFound|PackagesNotFoundError|UnsatisfiableError|EnvironmentFileNotFound)\b",
    r"^fatal: \S",
    // Tests.
    r"^E {2,}(?:[\w.]+(?:Error|Exception)\b|assert )",
    // Levels beyond an error.
    r"^(?:[\[(<]?(?:\d{4}-|\d\d:).{0,80}?[\s\[(<|-])?[\[(<]?(?:FATAL|CRITICAL)[\])>]?(?:[:\s|-]|$)|^F\d{4} \d\d:\d\d:",
];

const PLAIN: &[&str] = &[
    // A level after the time.
    r"^(?:[\[(<]?(?:\d{4}-|\d{4}/|\d\d:).{0,80}?[\s\[(<|-])?[\[(<]?ERROR[\])>]?(?:[:\s|-]+(?P<said>.*)|$)",
    r"\blevel=(?:error|fatal)\b|(?i:.level.:\s?.(?:error|fatal|critical)\b)",
    // What programs say of themselves.
    r"^(?:[\w./+-]+: ){0,2}(?i:fatal error|error): (?P<said>\S.*)$",
    r"^(?:Uncaught (?:exception )?)?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: (?P<said>.*)|$)",
    r"^\S*sh: (?:line )?\d+: \S+: (?:command )?not found$|: command not found$|executable file not found in \$PATH",
    r": Permission denied$|No space left on device|Exec format error$|can't open file '",
    r"^g?make(?:\[\d+\])?: \*\*\* |^ninja: (?:error|build stopped)|^FAILED: |^npm (?:ERR!|error) |^E: [A-Z]|^curl: \(\d+\) |^Error in \S|^\S+\.go:\d+:\d+: ",
    // The agent's own words.
    r"^\[slipway: (?:[A-Z]\w+: |cannot start )",
];

const MINOR: &[&str] = &[r": No such file or directory$"];

/// A line at a lower level.
const LOWER: &str = r"^(?:\S+\s+){0,5}[\[(<|]*(?:INFO|DEBUG|TRACE|WARN|WARNING|NOTICE)[\])>|]*(?:[\s:]|$)|^\[?(?i:info|debug|note|hint|help|warn|warning)\]?[: ]|\bwarning: ";
/// What is said after the word error where there was none.
const NONE: &str = r"(?i)^(?:=|[\[(]?[-+\d.]+(?:e[-+]?\d+)?%?[\])]?(?:$|[,;]|\s+\w+[:=])|none\b|null\b|nan\b|inf\b|true\b|false\b|no$|ok\b|rates?\b|counts?\b|bars?\b|budget|margin|handl)";
/// A number of errors, a value of that name, pip's warning in the words of an error.
const NUMBERS: &str = r"(?i)\b(?:0|no) (?:fatal )?errors?\b|\berrors?\s*[=:]\s*(?:0\b|none|\[\])|^ERROR: pip's dependency resolver";

const PROGRESS: &str = r"(?i)\b(?:epoch|step|iter(?:ation)?|batch|round)\b[\s:=\[#]*\d|\d%\||\bit/s\b|\ds/it\b";

struct Patterns {
    strong: Vec<Regex>,
    plain: Vec<Regex>,
    minor: Vec<Regex>,
    lower: Regex,
    none: Regex,
    numbers: Regex,
    progress: Regex,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "each is written above, and the tests use all of them")]
    let one = |pattern: &&str| RegexBuilder::new(pattern).unicode(false).build().expect("a pattern");
    let all = |patterns: &[&str]| patterns.iter().map(one).collect();
    Patterns {
        strong: all(STRONG),
        plain: all(PLAIN),
        minor: all(MINOR),
        lower: one(&LOWER),
        none: one(&NONE),
        numbers: one(&NUMBERS),
        progress: one(&PROGRESS),
    }
});

/// Whether a line tells of an error, and of which weight.
pub(super) fn sign(line: &str) -> Option<Sign> {
    let lower = line.to_ascii_lowercase();
    if !WORDS.iter().any(|word| lower.contains(word)) && !line.starts_with("E: ") && !line.starts_with("E  ") {
        return None;
    }
    let patterns = &*PATTERNS;
    let line = unranked(line);
    if patterns.lower.is_match(line.as_bytes()) || patterns.numbers.is_match(line.as_bytes()) {
        return None;
    }
    if patterns.strong.iter().any(|pattern| pattern.is_match(line.as_bytes())) {
        return Some(Sign { weight: Weight::Strong, message_follows: line.starts_with("thread '") && line.ends_with(':') });
    }
    let plain = patterns.plain.iter().find_map(|pattern| pattern.captures(line.as_bytes()));
    if let Some(plain) = plain {
        let nothing = plain.name("said").is_some_and(|said| patterns.none.is_match(said.as_bytes()));
        return (!nothing).then_some(Sign { weight: Weight::Plain, message_follows: false });
    }
    patterns.minor.iter().any(|pattern| pattern.is_match(line.as_bytes())).then_some(Sign { weight: Weight::Minor, message_follows: false })
}

/// Whether a line says that things go on after an error.
pub(super) fn goes_on(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let going = [
        "retrying",
        "will retry",
        "trying again",
        "falling back",
        "fallback to",
        "ignored",
        "ignoring",
        "skipping",
        "continuing",
        "non-fatal",
        "nonfatal",
        "recovered",
    ];
    said(&going) && !said(&["not retrying", "giving up", "cannot continue"])
}

/// Whether a line says that all went well in the end.
pub(super) fn succeeds(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| line.contains(word));
    let well = [
        "completed successfully",
        "finished successfully",
        "successfully installed",
        "succeeded",
        "build successful",
        "all tests passed",
        "all checks passed",
        "training complete",
        "training finished",
    ];
    let step = line.starts_with("[slipway: set-up: ") && line.contains(": done in ");
    step || (said(&well) && !said(&["not ", "fail", " 0 succeeded", "error"]))
}

/// Whether a line shows that work goes on.
pub(super) fn progresses(line: &str) -> bool {
    PATTERNS.progress.is_match(line.as_bytes())
}

/// A line without the rank before it: `[rank0]: `, `[1,3]<stderr>:`.
fn unranked(line: &str) -> &str {
    let Some((rank, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) else { return line };
    let number = rank.strip_prefix("rank").unwrap_or(rank);
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == ',') {
        return line;
    }
    match rest.strip_prefix("<stderr>:").or_else(|| rest.strip_prefix(':')) {
        Some(rest) => rest.trim_start(),
        None => line,
    }
}
