//! A real S3-compatible server with one bucket, started by the test that needs it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Who may call.
pub(crate) const ACCESS: &str = "tester";
pub(crate) const SECRET: &str = "not-a-secret-at-all";
/// The one bucket.
pub(crate) const NAME: &str = "bytes";

/// The server, ended when the test lets go of it.
pub(crate) struct Bucket {
    program: PathBuf,
    /// Not below what a test looks at: this server is nothing that it left over.
    dir: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Bucket {
    /// Starts one at `address`. None, with a word on why, where it can neither be found nor built; under
    /// `CI=true` that fails.
    pub(crate) fn start(address: SocketAddr) -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/s3/build.sh");
        let built = Command::new(script).stderr(Stdio::inherit()).output().expect("the script runs");
        if built.status.code() == Some(77) {
            eprintln!("skipped: there is no S3-compatible server to test against");
            return None;
        }
        assert!(built.status.success(), "the S3-compatible server could not be built");
        let program = PathBuf::from(String::from_utf8_lossy(&built.stdout).trim());
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join(NAME)).expect("a directory");
        let mut bucket = Self { program, dir, address, child: None };
        bucket.up();
        Some(bucket)
    }

    /// Where it is called.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it again.
    pub(crate) fn up(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["--quiet", "--access", ACCESS, "--secret", SECRET, "--port", &self.address.to_string(), "posix"])
            .arg(self.dir.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("the server starts"));
        let listens = (0..1_500).any(|_| {
            let listens = TcpStream::connect(self.address).is_ok();
            if !listens {
                std::thread::sleep(Duration::from_millis(20));
            }
            listens
        });
        assert!(listens, "the S3-compatible server does not listen");
    }

    /// `kill -9`.
    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.down();
    }
}
