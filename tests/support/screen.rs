//! What a user has on the screen: a repository with changes, a lock file and a file that git does not know; and the index
//! that its packages come from.

use super::{eventually, free_address};
use slipway::wire::TaskId;
use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The version of uv that the tests were made with.
const UV: &str = "0.13.9";

/// Runs a program in a directory; what it wrote.
pub(crate) fn run(dir: &Path, words: &[&str]) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [("AUTHOR", "kim"), ("COMMITTER", "kim")] {
        command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "kim@example.com");
    }
    let out = command.output().expect(words[0]);
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("as the test made it").trim().to_owned()
}

/// The directory with uv, installed by pip beside what cargo builds.
///
/// # Panics
/// Where it can be neither found nor installed: the tests need python3 with pip and a package index.
pub(crate) fn uv() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_slipway")).parent().expect("a directory of programs");
    let dir = built.join(format!("tools/uv-{UV}"));
    fs::create_dir_all(&dir).expect("a directory for uv");
    // Tests of several programs run at once.
    let lock = fs::File::create(dir.join("lock")).expect("a lock");
    lock.lock().expect("the lock");
    let bin = dir.join("bin");
    if !bin.join("uv").exists() {
        let to = dir.display().to_string();
        let what = format!("uv=={UV}");
        run(&dir, &["python3", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--target", &to, &what]);
    }
    bin
}

/// A package index of one package, served for as long as it lives.
pub(crate) struct Index {
    server: Child,
    pub(crate) url: String,
}

impl Index {
    /// Serves it on this address.
    pub(crate) async fn serve(root: &Path, host: Ipv4Addr) -> Self {
        let dir = root.join("index/simple/greeting");
        fs::create_dir_all(&dir).expect("as the test made it");
        let wheel = "greeting-1.0-py3-none-any.whl";
        let make = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n  d = 'greeting-1.0.dist-info/'\n  \
            z.writestr('greeting.py', 'word = \"hello\"\\n')\n  z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n')\n  \
            z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n  \
            z.writestr(d + 'RECORD', 'greeting.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')\n";
        run(&dir, &["python3", "-c", make, wheel]);
        fs::write(dir.join("index.html"), format!("<a href=\"{wheel}\">{wheel}</a>")).expect("as the test made it");
        let address = free_address(host.into());
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", "--bind", &host.to_string(), &address.port().to_string()]);
        let server =
            server.current_dir(root.join("index")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("as the test made it");
        let index = Self { server, url: format!("http://{address}/simple") };
        eventually("the package index", async || TcpStream::connect(address).ok()).await;
        index
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The repository, on the screen of its author. Tasks reach it as `https://git.example.com/team/vision`, which stands in `git/`
/// below the test's root.
pub(crate) struct Screen(PathBuf);

impl Screen {
    /// Committed, pushed and then changed.
    pub(crate) fn new(root: &Path, uv: &Path, index: &Index) -> Self {
        let (bare, screen) = (root.join("git/team/vision"), root.join("screen"));
        fs::create_dir_all(&bare).expect("as the test made it");
        run(&bare, &["git", "init", "--quiet", "--bare", "--initial-branch=main"]);
        run(root, &["git", "clone", "--quiet", &bare.display().to_string(), "screen"]);
        run(&screen, &["git", "checkout", "--quiet", "-B", "main"]);
        let write = |name: &str, text: &str| fs::write(screen.join(name), text).expect("as the test made it");
        write("pyproject.toml", "[project]\nname = 'vision'\nversion = '0'\nrequires-python = '>=3.8'\ndependencies = ['greeting']\n");
        write("train.py", "print('as committed')\n");
        write(".gitignore", ".venv\n");
        run(&screen, &[&uv.join("uv").display().to_string(), "lock", "--quiet", "--default-index", &index.url]);
        run(&screen, &["git", "add", "-A"]);
        run(&screen, &["git", "commit", "--quiet", "-m", "work"]);
        run(&screen, &["git", "push", "--quiet", "origin", "main"]);
        run(&screen, &["git", "remote", "set-url", "origin", "https://git.example.com/team/vision"]);
        write("train.py", "import time\nprint('began', time.time())\nimport greeting, scale\nprint('said', greeting.word, scale.factor)\n");
        write("scale.py", "factor = 42\n");
        Self(screen)
    }

    /// `slipway submit -q QUEUE -- python train.py`, there: the task, and what it said beside.
    pub(crate) fn submit(&self, queue: &str, url: &str, data: &Path) -> (TaskId, String) {
        let mut submit = Command::new(env!("CARGO_BIN_EXE_slipway"));
        submit.args(["submit", "-q", queue, "--", "python", "train.py"]).current_dir(&self.0).env("SLIPWAY_URL", url);
        // The bridge of a test cluster is this machine's own.
        submit.env("SLIPWAY_ALLOW_PLAIN_HTTP", "true");
        let out = submit.env("SLIPWAY_TOKEN_FILE", data.join("admin-token")).output().expect("slipway");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{told}");
        // In a pipe only the id is data.
        (TaskId(String::from_utf8_lossy(&out.stdout).trim().parse().expect("an id")), told)
    }
}

/// A line of the task's log that begins so; the rest of it.
pub(crate) fn line(log: &str, beginning: &str) -> String {
    let found = log.lines().find_map(|line| line.strip_prefix(beginning));
    found.expect(beginning).to_owned()
}
