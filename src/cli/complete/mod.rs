//! What a shell is offered while a command line is typed: what the server, the file of contexts and this program know.

mod live;
mod place;

use super::context::{Common, Context, Surroundings};
use crate::{
    domain::{Reason, reasons},
    wire::TaskState,
};
use clap::Parser;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use place::{Kind, kind};
use std::{
    ffi::{OsStr, OsString},
    io,
    sync::{Arc, mpsc},
    time::Duration,
};

/// The variable by which a shell asks for candidates.
pub const VARIABLE: &str = "SLIPWAY_COMPLETE";

/// How long a person may be kept waiting; what has not come by then is left out.
const LIMIT: Duration = Duration::from_millis(850);

/// Makes the surroundings of one look.
pub type Around = Arc<dyn Fn() -> Surroundings + Send + Sync>;

/// Something that may stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    value: String,
    help: String,
}

impl Offer {
    fn new(value: impl Into<String>, help: impl Into<String>) -> Self {
        Self { value: value.into(), help: help.into() }
    }
}

/// The command line, whose values complete themselves. `words` is what has been typed, the program's name apart.
#[must_use]
pub fn completing(root: clap::Command, words: &[OsString], around: &Around) -> clap::Command {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let ask = Ask { words: Arc::new(words), root: Arc::new(root.clone()), around: around.clone() };
    walk(root, "", &ask)
}

fn walk(command: clap::Command, path: &str, ask: &Ask) -> clap::Command {
    let command = command.mut_args(|arg| match kind(path, &arg) {
        Some(kind) => {
            let ask = ask.clone();
            arg.add(ArgValueCompleter::new(move |typed: &OsStr| ask.candidates(kind, &typed.to_string_lossy())))
        }
        None => arg,
    });
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name()).trim_start().to_owned();
        walk(sub, &path, ask)
    })
}

/// What it takes to find candidates.
#[derive(Clone)]
struct Ask {
    words: Arc<Vec<String>>,
    root: Arc<clap::Command>,
    around: Around,
}

impl Ask {
    /// Never says anything, never changes anything, and never takes longer than the limit.
    fn candidates(&self, kind: Kind, typed: &str) -> Vec<CompletionCandidate> {
        let offers = match kind {
            Kind::Topics => topics(&self.root, &self.words),
            Kind::Keys => super::config::names().map(|(name, help)| Offer::new(name, help)).collect(),
            Kind::States => TaskState::ALL.iter().map(|state| Offer::new(state.as_str(), "")).collect(),
            _ => self.found(kind, typed),
        };
        let fit = offers.into_iter().filter(|offer| offer.value.starts_with(typed) && is_plain(&offer.value));
        fit.enumerate()
            .map(|(nth, offer)| CompletionCandidate::new(offer.value).help(Some(offer.help.into())).display_order(Some(nth)))
            .collect()
    }

    /// What a look finds in time. It has a thread of its own: a file may lie on a disk that does not answer.
    fn found(&self, kind: Kind, typed: &str) -> Vec<Offer> {
        let Some(common) = connection(&self.words) else { return Vec::new() };
        let (around, typed) = (self.around.clone(), typed.to_owned());
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            let offers = runtime.block_on(async {
                let around = Surroundings { out: Box::new(io::sink()), err: Box::new(io::sink()), ..around() };
                let config = super::config::Config::load(&around.sources).ok()?;
                let context = Context::new(common, around, config);
                Some(live::offers(kind, &typed, &context).await)
            });
            let _ = tell.send(offers.unwrap_or_default());
        });
        told.recv_timeout(LIMIT).unwrap_or_default()
    }
}

/// Whether a value can stand in a shell's line as it is. What others have named could be a command otherwise.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.starts_with('-') && value.chars().all(|c| c.is_alphanumeric() || "@._+:/,%=-".contains(c))
}

#[derive(Parser)]
struct Only {
    #[command(flatten)]
    common: Common,
}

/// Which server the words name, with the variables; none where they contradict each other.
fn connection(words: &[String]) -> Option<Common> {
    const OPTIONS: [&str; 5] = ["--url", "--context", "--token-file", "--ca-file", "--data-dir"];
    let mut named = vec!["slipway".to_owned()];
    // The last word is still being typed.
    let mut words = words[..words.len().saturating_sub(1)].iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if OPTIONS.contains(&word.as_str()) {
            named.extend(words.next().map(|value| format!("{word}={value}")));
        } else if word == "--allow-plain-http" || OPTIONS.iter().any(|option| word.starts_with(&format!("{option}="))) {
            named.push(word.clone());
        }
    }
    Only::try_parse_from(named).ok().map(|only| only.common)
}

/// What `help` explains, behind the words that were typed.
fn topics(root: &clap::Command, words: &[String]) -> Vec<Offer> {
    let typed = &words[..words.len().saturating_sub(1)];
    let before: Vec<&str> = typed.iter().map(String::as_str).skip_while(|word| *word != "help").skip(1).collect();
    if before == ["why"] {
        return Reason::ALL.iter().map(|reason| Offer::new(reason.as_str(), reasons::entry(*reason).meaning)).collect();
    }
    let mut command = root;
    for word in &before {
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None => return Vec::new(),
        }
    }
    let help = |sub: &clap::Command| sub.get_about().map(ToString::to_string).unwrap_or_default();
    let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(|sub| Offer::new(sub.get_name(), help(sub)));
    let more = super::topics::TOPICS.iter().filter(|_| before.is_empty()).map(|topic| Offer::new(*topic, ""));
    subs.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_which_server_is_asked() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            connection(&words).map(|common| (common.place.url, common.place.context))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("get --url http://a 10"), Some((some("http://a"), None)));
        assert_eq!(of("get --context=lab -o json 10"), Some((None, some("lab"))));
        assert_eq!(of("submit -- curl --url http://b x"), Some((None, None)), "what follows -- is the user's own");
        assert_eq!(of("get --context la"), Some((None, None)), "half a word names nothing");
        assert_eq!(of("get --url a --context b 1"), None);
    }

    #[test]
    fn nothing_is_offered_that_a_shell_would_read_otherwise() {
        for fine in ["1042", "resnet-lr3", "@2", "1040_7", "lab.acme.io:7227", "naïve"] {
            assert!(is_plain(fine), "{fine}");
        }
        for never in ["", "$(reboot)", "a b", "a;b", "`x`", "a\n", "-rf", "a'b", "x>y"] {
            assert!(!is_plain(never), "{never:?}");
        }
    }
}
