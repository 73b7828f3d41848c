//! Every `console` block of the README is run, in its order, against the real programs. Where a block shows output, that
//! is what comes out, but for ids, times, ports, names and places.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

/// One command and the output that the README shows for it.
struct Step {
    command: String,
    shown: Vec<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("```") {
            Some(kind) => inside = !inside && kind == "console",
            None if !inside => {}
            None => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => assert!(line.is_empty(), "the README shows output before a command: {line}"),
            },
        }
    }
    steps
}

/// Ends `slipway up` when the test does, however that is.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    dir: tempfile::TempDir,
    port: u16,
    up: Option<Up>,
}

impl Bench {
    /// A shell as a reader of the README has one, with the programs just built in its path.
    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_slipway"));
        let bin = program.parent().expect("a program lies in a directory").display().to_string();
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &format!("PATH='{bin}':$PATH; export PATH; {}", line.replace(":7227", &format!(":{}", self.port)))])
            .current_dir(self.dir.path().join("unpacked"))
            .env("SLIPWAY_URL", format!("http://127.0.0.1:{}", self.port))
            .env("SLIPWAY_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("SLIPWAY_DATA_DIR", self.dir.path().join("up"))
            .env("LANG", "C.UTF-8")
            .env_remove("SLIPWAY_TOKEN")
            .stdin(Stdio::null());
        shell
    }

    /// The files of the project without its repository, which would go with every task.
    fn unpack(&self) {
        let to = self.dir.path().join("unpacked");
        fs::create_dir(&to).expect("a directory");
        for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("the project") {
            let entry = entry.expect("a readable directory");
            if !entry.file_name().to_string_lossy().starts_with('.') {
                std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name())).expect("a link");
            }
        }
    }

    fn up(&mut self) {
        let mut child = self.shell("exec slipway up").stderr(Stdio::piped()).spawn().expect("start slipway up");
        let stderr = child.stderr.take().expect("its standard error is piped");
        self.up = Some(Up(child));
        // Nobody reads on after that: a program whose conversation is not heard must go on all the same.
        let said = BufReader::new(stderr).lines().map_while(Result::ok).find(|line| line.contains("is up at"));
        assert!(said.is_some(), "slipway up ended before it was up");
    }

    /// `make demo` with the recipe of the Makefile, less the building, which the test runner has done.
    fn demo(&self) -> Output {
        let makefile = include_str!("../Makefile");
        let recipe = makefile.lines().skip_while(|line| *line != "demo:").nth(1).expect("the Makefile has a target demo");
        let arguments = recipe.split_once(" -- ").expect("the recipe runs slipway").1;
        let arguments = arguments.replace("target/demo", &self.dir.path().join("target/demo").display().to_string());
        self.shell(&format!("exec slipway {arguments}")).output().expect("run the demo")
    }
}

/// `1s`, `0.4s`, `10m29s`.
fn is_time(word: &str) -> bool {
    word.ends_with(['s', 'm', 'h'])
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "smhd.".contains(c))
}

/// What differs from run to run, made equal.
fn plain(line: &str) -> String {
    let word = |word: &str| {
        if word.starts_with("http://") {
            "URL".to_owned()
        } else if word.starts_with('/') {
            Path::new(word).file_name().map_or_else(|| word.to_owned(), |name| format!("…/{}", name.to_string_lossy()))
        } else if is_time(word.trim_end_matches([',', ';'])) {
            "TIME".to_owned()
        } else {
            word.to_owned()
        }
    };
    let words: Vec<String> = line.split_whitespace().map(word).collect();
    let line = words.join(" ");
    // What it used differs from run to run, and from machine to machine.
    if line.contains(" CPU (") && line.contains("memory peak ") {
        return "what it used".to_owned();
    }
    line.split_once("claimed by").map_or(line.clone(), |(before, _)| format!("{before}claimed by RUNNER"))
}

/// A reader who types more slowly finds a task running: what lists and explains is asked again until it shows that, for a while.
fn settled(bench: &Bench, step: &Step, mut output: Output) -> Output {
    let looks = step.command.starts_with("slipway ls ") || step.command.starts_with("slipway why ");
    let shown: Vec<String> = step.shown.iter().map(|line| plain(line)).collect();
    for _ in 0..200 {
        if !looks || shown.is_empty() || String::from_utf8_lossy(&output.stdout).lines().map(plain).eq(shown.iter().cloned()) {
            break;
        }
        output = bench.shell(&step.command).output().expect("run a shell");
    }
    output
}

#[test]
fn every_block_of_the_readme_does_what_it_shows() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let mut bench = Bench { dir: tempfile::tempdir().expect("a directory"), port, up: None };
    bench.unpack();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("read the README");
    let steps = steps(&readme);
    assert!(steps.len() >= 8, "the README has lost its commands");
    let mut variables = String::new();
    for step in steps {
        let output = match step.command.as_str() {
            "make demo" => bench.demo(),
            "slipway up" => {
                bench.up();
                continue;
            }
            command => bench.shell(&format!("{variables}{command}")).output().expect("run a shell"),
        };
        let output = settled(&bench, &step, output);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "$ {}\n{out}{err}", step.command);
        if let Some((name, _)) = step.command.split_once("=$(") {
            // An assignment lives on in the reader's shell; here each command has a shell of its own.
            let value = bench.shell(&format!("{}; echo \"${name}\"", step.command)).output().expect("run a shell");
            variables = format!("{name}={}; ", String::from_utf8_lossy(&value.stdout).trim());
        }
        if !step.shown.is_empty() {
            let (mut come, mut shown): (Vec<_>, Vec<_>) = if step.command == "make demo" {
                // Log and progress come by two streams; the reader's terminal shows both.
                (err.lines().chain(out.lines()).map(plain).collect(), step.shown.iter().map(|line| plain(line)).collect())
            } else {
                (out.lines().map(plain).collect(), step.shown.iter().map(|line| plain(line)).collect())
            };
            if step.command == "make demo" {
                come.sort();
                shown.sort();
            }
            assert_eq!(come, shown, "$ {}", step.command);
        }
    }
}
