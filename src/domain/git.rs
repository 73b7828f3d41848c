//! What git may be given: no text that it could take for an option, a path or a program.

/// The longest address of a repository, in bytes.
const MAX_URL: usize = 2_000;
/// The longest name of a branch or tag, in bytes.
const MAX_REFERENCE: usize = 250;

/// Whether a text is so many lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a text is the full id of a commit, of SHA-1 or SHA-256.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    is_hex(text, &[40, 64])
}

/// Whether git can take a text for a branch or tag, and for nothing else: the parts of `git check-ref-format` that keep it
/// from being an option, a range or a path.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    (1..=MAX_REFERENCE).contains(&text.len())
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.contains(odd)
        && !["..", "//", "@{", "/.", ".lock"].iter().any(|bad| text.contains(bad))
}

/// Whether a path stays below where it begins, and names a file.
#[must_use]
pub fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part != ".git")
}

/// Whether git may be given a text as a repository: https or ssh, nothing that could be an option, no secret in it.
///
/// # Errors
/// What is wrong, in a sentence that never repeats the text: it may hold a password.
pub fn is_repository(url: &str) -> Result<(), &'static str> {
    if url.len() > MAX_URL || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err("a repository's address has no blanks and at most 2000 bytes");
    }
    let rest = match url.split_once("://") {
        Some(("https" | "ssh", rest)) => rest,
        Some(_) => return Err("only https:// and ssh:// reach a repository from a task"),
        // git's short form of ssh: user@host:path.
        None => match url.split_once(':') {
            Some((host, path)) if !host.contains('/') && !path.is_empty() && !path.starts_with('-') => host,
            _ => return Err("a repository is https://host/path, ssh://user@host/path or user@host:path"),
        },
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') || (url.starts_with("https") && !user.is_empty()) {
        return Err("no user name or password in the address: name a Secret with git credentials in the queue (git.secretRef)");
    }
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:[]".contains(&b));
    if host.is_empty() || host.starts_with('-') || user.starts_with('-') || !plain(host) || !plain(user) {
        return Err("that is no host name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_reached_by_https_and_ssh_alone() {
        for fine in ["https://git.example.com/a/b.git", "ssh://git@host:2222/a", "git@github.com:a/b.git", "host:a/b"] {
            assert_eq!(is_repository(fine), Ok(()), "{fine}");
        }
        for bad in [
            "file:///etc",
            "/etc/x",
            "ext::sh -c id",
            "http://h/x",
            "git://h/x",
            "--upload-pack=id",
            "-oProxyCommand=id:x",
            "ssh://-oProxyCommand=id/x",
            "https://user:pw@h/x",
            "https://token@h/x",
            "ssh://u:p@h/x",
            "git@-x:y",
            "host:-x",
            "https://h x/y",
            "https:///x",
            "",
        ] {
            assert!(is_repository(bad).is_err(), "{bad}");
        }
        assert!(!is_repository("https://me:hunter2@h/x").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn nothing_that_names_something_can_be_an_option_or_leave_its_place() {
        for fine in ["main", "feature/a-b", "v1.2.3", "release@2"] {
            assert!(is_reference(fine), "{fine}");
        }
        for bad in ["-x", "a..b", "a b", "a:b", "/a", "a/", "a.lock", "x@{1}", "", "a^", "a\nb", ".a", "a/.b"] {
            assert!(!is_reference(bad), "{bad}");
        }
        for bad in ["../x", "/x", "a//b", "a/./b", "a/..", ".git/hooks/x", "", "a\0"] {
            assert!(!is_inside(bad), "{bad}");
        }
        assert!(is_inside("a/b c.py") && is_inside(".github/x") && is_inside("a/..b"));
    }
}
