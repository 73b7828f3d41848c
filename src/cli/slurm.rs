//! Slurm's commands in our words, for hands and scripts that know them. Pure: words in, words out.
//!
//! What has no counterpart here is an error and never left out: a job that runs without what its script asks for is worse than none.

use super::style::shell;
use std::{io, vec};

/// Shell functions of the names of Slurm's commands: `eval "$(slipway --slurm-aliases)"`.
pub(crate) const ALIASES: &str = r#"sbatch() { slipway slurm sbatch "$@"; }
srun() { slipway slurm srun "$@"; }
squeue() { slipway slurm squeue "$@"; }
scancel() { slipway slurm scancel "$@"; }
sinfo() { slipway slurm sinfo "$@"; }
sacct() { slipway slurm sacct "$@"; }
"#;

/// The words of `slipway` for those of a command of Slurm; `read` gives the text of a script, whose `#SBATCH` lines count too.
///
/// # Errors
/// What has no counterpart, and what to do instead.
pub(crate) fn translated(words: &[String], read: impl Fn(&str) -> io::Result<String>) -> Result<Vec<String>, String> {
    let Some((program, rest)) = words.split_first() else { return Err("name a command: slipway slurm squeue".to_owned()) };
    let mut words = Words(Vec::from(rest).into_iter());
    match program.as_str() {
        "sbatch" => sbatch(words, read),
        "srun" => {
            let mut job = Job::default();
            let Some(first) = job.options(&mut words)? else { return Err("srun: name a command".to_owned()) };
            Ok([vec!["submit".to_owned(), "--follow".to_owned()], job.ours, vec!["--".to_owned(), first], words.0.collect()].concat())
        }
        "squeue" => list(words, &["ls", "--state", "waiting,queued,active"]),
        "sacct" => list(words, &["ls"]),
        "scancel" => {
            let tasks: Vec<_> = words.0.collect();
            match tasks.iter().find(|word| word.starts_with('-')) {
                Some(option) => Err(format!("scancel {option} has no counterpart: slipway ls -o name | xargs slipway cancel")),
                None => Ok([vec!["cancel".to_owned()], tasks].concat()),
            }
        }
        "sinfo" => match words.0.next() {
            Some(option) => Err(format!("sinfo {option} has no counterpart: slipway nodes -h")),
            None => Ok(vec!["nodes".to_owned()]),
        },
        other => Err(format!("{other} has no counterpart: there are sbatch, srun, squeue, scancel, sinfo and sacct")),
    }
}

/// Words that are still to be read.
struct Words(vec::IntoIter<String>);

/// One option as it was typed, with what follows its `=`.
struct Opt {
    name: String,
    value: Option<String>,
}

impl Words {
    /// The next option; the error is a word that is none. A short option may have its value behind it (`-pgpu`).
    fn option(&mut self) -> Option<Result<Opt, String>> {
        let word = self.0.next()?;
        if word.starts_with("--") && word.len() > 2 {
            let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
            return Some(Ok(Opt { name: name.to_owned(), value }));
        }
        match word.char_indices().nth(2) {
            _ if !word.starts_with('-') || word.len() < 2 => Some(Err(word)),
            Some((at, _)) => Some(Ok(Opt { name: word[..at].to_owned(), value: Some(word[at..].trim_start_matches('=').to_owned()) })),
            None => Some(Ok(Opt { name: word, value: None })),
        }
    }

    fn value(&mut self, option: Opt) -> Result<String, String> {
        option.value.or_else(|| self.0.next()).ok_or_else(|| format!("{} needs a value", option.name))
    }
}

fn sbatch(mut typed: Words, read: impl Fn(&str) -> io::Result<String>) -> Result<Vec<String>, String> {
    let mut over = Job::default();
    let Some(script) = over.options(&mut typed)? else {
        let Some(command) = over.wrap.take() else { return Err("sbatch: name a script, or --wrap a command".to_owned()) };
        return Ok([vec!["submit".to_owned()], over.ours, ["--", "sh", "-c", &command].map(str::to_owned).into()].concat());
    };
    let text = read(&script).map_err(|error| format!("cannot read the script {script}: {error}"))?;
    let mut job = Job::default();
    for (nth, line) in directives(&text) {
        let mut words = Words(line.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect::<Vec<_>>().into_iter());
        let at = |why: String| format!("{script}:{nth}: {why}");
        if let Some(word) = job.options(&mut words).map_err(at)? {
            return Err(at(format!("{word:?} is no option")));
        }
    }
    let rest: Vec<_> = typed.0.collect();
    if !rest.is_empty() {
        let command = shell(&[vec![script], rest].concat());
        return Err(format!("a script takes no arguments here; as a command it does: slipway submit -- {command}"));
    }
    Ok([vec!["submit".to_owned()], job.without(&over).ours, over.ours, vec![script]].concat())
}

/// The `#SBATCH` lines of a script with their numbers, up to its first command, as Slurm reads them.
fn directives(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let lines = text.lines().take_while(comment).enumerate();
    lines.filter_map(|(nth, line)| Some((nth + 1, line.strip_prefix("#SBATCH ")?.split(" #").next()?)))
}

/// What a job asks for, in our words: a flag, its value, the next flag.
#[derive(Default)]
struct Job {
    ours: Vec<String>,
    wrap: Option<String>,
}

impl Job {
    fn add(&mut self, flag: &str, value: impl Into<String>) {
        self.ours.extend([flag.to_owned(), value.into()]);
    }

    /// The same without what another says too.
    fn without(mut self, over: &Self) -> Self {
        let said: Vec<_> = over.ours.chunks(2).map(|pair| pair[0].clone()).collect();
        self.ours = self.ours.chunks(2).filter(|pair| pair[0] == "-e" || !said.contains(&pair[0])).flatten().cloned().collect();
        self
    }

    /// Takes options up to the first word that is none, which comes back.
    fn options(&mut self, words: &mut Words) -> Result<Option<String>, String> {
        while let Some(next) = words.option() {
            let option = match next {
                Ok(option) => option,
                Err(word) => return Ok(Some(word)),
            };
            let name = option.name.clone();
            match name.as_str() {
                "-p" | "--partition" => self.add("--queue", words.value(option)?),
                "-J" | "--job-name" => self.add("--name", words.value(option)?),
                "-t" | "--time" => self.add("--time", seconds(&words.value(option)?)?),
                "-a" | "--array" => self.add("--array", words.value(option)?),
                "-c" | "--cpus-per-task" => self.add("--cpu", words.value(option)?),
                "--mem" => self.add("--memory", memory(&words.value(option)?)?),
                "-D" | "--chdir" => self.add("--cwd", words.value(option)?),
                "--gres" | "--gpus" | "-G" | "--gpus-per-node" | "--gpus-per-task" => {
                    self.add("--gpus", gpus(&name, &words.value(option)?)?);
                }
                "--export" => self.export(&words.value(option)?)?,
                "-d" | "--dependency" => self.depend(&words.value(option)?)?,
                "--wrap" => self.wrap = Some(words.value(option)?),
                // One node and one task are what there is, and the id alone is what a pipe gets.
                "-N" | "--nodes" | "-n" | "--ntasks" | "--ntasks-per-node" => match words.value(option)?.as_str() {
                    "1" => {}
                    many => return Err(format!("{name} {many}: a task runs on one machine, as one")),
                },
                "--parsable" => {}
                "-o" | "--output" | "-e" | "--error" => {
                    return Err(format!("{name} has no counterpart: what a task writes is kept, and read by: slipway logs ID"));
                }
                _ => return Err(format!("{name} has no counterpart: slipway submit -h says what there is")),
            }
        }
        Ok(None)
    }

    fn export(&mut self, text: &str) -> Result<(), String> {
        for pair in text.split(',').filter(|part| *part != "NONE") {
            if !pair.contains('=') {
                return Err(format!("--export {pair}: variables of this machine do not travel; name each with its value, A=1,B=2"));
            }
            self.add("-e", pair);
        }
        Ok(())
    }

    fn depend(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',') {
            let (kind, tasks) = part.split_once(':').unwrap_or((part, ""));
            let flag = match kind {
                "afterok" => "--after",
                "afterany" => "--after-any",
                _ => return Err(format!("--dependency {part}: there are afterok:ID and afterany:ID")),
            };
            tasks.split(':').for_each(|task| self.add(flag, task));
        }
        Ok(())
    }
}

/// Slurm's times: `30` (minutes), `30:00`, `2:00:00`, `1-12`, `1-12:30`, `1-12:30:00`.
fn seconds(text: &str) -> Result<String, String> {
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let numbers: Option<Vec<u64>> = rest.split(':').chain(days).map(|part| part.parse().ok()).collect();
    let total = match (days, numbers.as_deref()) {
        (None, Some([minutes])) => Some(minutes * 60),
        (None, Some([minutes, seconds])) => Some(minutes * 60 + seconds),
        (None, Some([hours, minutes, seconds])) => Some(hours * 3_600 + minutes * 60 + seconds),
        (Some(_), Some([hours, days])) => Some(days * 86_400 + hours * 3_600),
        (Some(_), Some([hours, minutes, days])) => Some(days * 86_400 + hours * 3_600 + minutes * 60),
        (Some(_), Some([hours, minutes, seconds, days])) => Some(days * 86_400 + hours * 3_600 + minutes * 60 + seconds),
        _ => None,
    };
    total.map(|total| format!("{total}s")).ok_or_else(|| format!("{text:?} is no time of Slurm: 30 (minutes), 2:00:00, 1-12:00:00"))
}

/// `16G` is `16Gi`, and `512` is `512Mi`.
fn memory(text: &str) -> Result<String, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    match (number.is_empty(), unit.trim_end_matches('B')) {
        (false, "") => Ok(format!("{number}Mi")),
        (false, unit @ ("K" | "M" | "G" | "T")) => Ok(format!("{number}{unit}i")),
        _ => Err(format!("--mem {text}: write 512M or 16G")),
    }
}

/// The number in `gpu:1` of `--gres`, or in `2` of the others. A kind of GPU is not asked for by a task.
fn gpus(name: &str, text: &str) -> Result<String, String> {
    let wrong = |why: String| Err(format!("{name} {text}: {why}"));
    let rest = if name == "--gres" { text.strip_prefix("gpu").map(|rest| rest.trim_start_matches(':')) } else { Some(text) };
    match rest.map(|rest| rest.split(':').collect::<Vec<_>>()).as_deref() {
        None => wrong("there are GPUs only, as gpu:2".to_owned()),
        Some([""]) => Ok("1".to_owned()),
        Some([number]) if number.parse::<u32>().is_ok() => Ok((*number).to_owned()),
        Some([kind, _]) => wrong(format!("the kind of GPU is the queue's to say; which has {kind}: slipway nodes")),
        Some(_) => wrong("write a number, as gpu:2".to_owned()),
    }
}

/// `squeue` and `sacct`.
fn list(mut words: Words, ours: &[&str]) -> Result<Vec<String>, String> {
    let mut all: Vec<String> = ours.iter().map(|word| (*word).to_owned()).collect();
    let mut mine = ours.len() == 1;
    while let Some(next) = words.option() {
        let option = next.map_err(|word| format!("{word:?} is no option"))?;
        match option.name.as_str() {
            "--me" | "--start" | "-l" | "--long" => mine = mine || option.name == "--me",
            "-a" | "--allusers" | "--all" => mine = false,
            "-p" | "--partition" => all.extend(["--queue".to_owned(), words.value(option)?]),
            "-j" | "--jobs" | "--job" => return Ok(vec!["get".to_owned(), words.value(option)?]),
            name => return Err(format!("{name} has no counterpart: slipway ls -h says what there is")),
        }
    }
    if !mine {
        all.push("--all".to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "#!/bin/bash
#SBATCH --job-name=resnet
#SBATCH -p gpu # the fast one
#SBATCH --gres=gpu:2 --time=1-12:30:00
#SBATCH --export=LR=3,SEED=7

python train.py
#SBATCH --nodes=4
";

    fn ours(typed: &str) -> Result<String, String> {
        let words: Vec<_> = typed.split_whitespace().map(str::to_owned).collect();
        translated(&words, |path| if path == "job.sh" { Ok(SCRIPT.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) })
            .map(|words| words.join(" "))
    }

    #[test]
    fn what_has_a_counterpart_becomes_it() {
        for (typed, said) in [
            ("sbatch job.sh", "submit --name resnet --queue gpu --gpus 2 --time 131400s -e LR=3 -e SEED=7 job.sh"),
            (
                "sbatch -pcpu -t 30 --export=A=1 job.sh",
                "submit --name resnet --gpus 2 -e LR=3 -e SEED=7 --queue cpu --time 1800s -e A=1 job.sh",
            ),
            ("sbatch --mem=16G -c 4 --wrap hostname", "submit --memory 16Gi --cpu 4 -- sh -c hostname"),
            (
                "sbatch -a 0-31%8 -d afterok:7:8 -N 1 --mem 512 --wrap x",
                "submit --array 0-31%8 --after 7 --after 8 --memory 512Mi -- sh -c x",
            ),
            ("srun -G 1 -t 10:30 python -u a.py", "submit --follow --gpus 1 --time 630s -- python -u a.py"),
            ("squeue --me", "ls --state waiting,queued,active"),
            ("squeue -p gpu", "ls --state waiting,queued,active --queue gpu --all"),
            ("squeue -j 7", "get 7"),
            ("sacct", "ls"),
            ("scancel 7 8", "cancel 7 8"),
            ("sinfo", "nodes"),
        ] {
            assert_eq!(ours(typed).as_deref(), Ok(said), "{typed}");
        }
    }

    #[test]
    fn what_has_none_is_never_left_out() {
        for (typed, why) in [
            ("sbatch --exclusive job.sh", "--exclusive has no counterpart"),
            ("sbatch -N 2 job.sh", "a task runs on one machine"),
            ("sbatch -o out.txt job.sh", "slipway logs ID"),
            ("sbatch --gres=gpu:a100:2 job.sh", "the kind of GPU is the queue's to say"),
            ("sbatch --gres=license:2 job.sh", "license:2"),
            ("sbatch --export=ALL job.sh", "do not travel"),
            ("sbatch -t soon job.sh", "no time of Slurm"),
            ("sbatch job.sh a b", "slipway submit -- job.sh a b"),
            ("sbatch other.sh", "cannot read the script other.sh"),
            ("sbatch -p", "-p needs a value"),
            ("sbatch", "name a script"),
            ("srun -N1", "name a command"),
            ("scancel -u ada", "slipway ls -o name | xargs slipway cancel"),
            ("sinfo -N", "slipway nodes -h"),
            ("salloc", "salloc has no counterpart"),
        ] {
            let said = ours(typed).unwrap_err();
            assert!(said.contains(why), "{typed}: {said}");
        }
    }

    #[test]
    fn a_wrong_line_of_a_script_is_named() {
        let words = ["sbatch".to_owned(), "a.sh".to_owned()];
        let said = translated(&words, |_| Ok("#!/bin/sh\n\n#SBATCH --qos=high\n".to_owned())).unwrap_err();
        assert!(said.starts_with("a.sh:3: --qos has no counterpart"), "{said}");
    }
}
