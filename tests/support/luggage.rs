//! Code that runs in any image: a program that needs nothing of it, and one of Python with a package that it needs.

use crate::support::run;
use std::{fs, path::Path};

/// Says what stands in the file `word` beside it.
const SHOW: &str = r#"
#include <stdio.h>
int main(void) {
  char text[64] = "";
  FILE *file = fopen("word", "r");
  if (!file || !fgets(text, sizeof text, file)) return 1;
  puts(text);
  return 0;
}
"#;

/// Says what it was given and where it runs: the user, whether there is a home, a root that can be written, a name for the
/// user.
const MAIN: &str = "\
import greeting, os, sys, tempfile
print('said', greeting.word, open('word').read())
print('user', os.getuid(), os.path.isdir(os.path.expanduser('~')), os.access('/', os.W_OK), os.path.exists('/etc/passwd'))
print('from', sys.prefix)
tempfile.TemporaryFile().write(b'x')
";

/// Makes a directory with it: `./show` says `of the code`, `main.py` wants the package `greeting`.
pub(crate) fn pack(dir: &Path) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("a file");
    fs::create_dir_all(dir).expect("a directory");
    write("show.c", SHOW);
    run(dir, &["cc", "-static", "-Os", "-s", "-o", "show", "show.c"]);
    write("word", "of the code");
    write("main.py", MAIN);
    write("requirements.txt", "greeting\n");
}

/// A directory as an archive.
pub(crate) fn archive(dir: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", dir).expect("an archive");
    archive.into_inner().expect("an archive")
}
