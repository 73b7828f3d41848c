//! What a client bears: a token, or a file in which somebody renews one.

use secrecy::SecretString;
use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// The longest token that a file may hold, in bytes; one that an issuer signed may be long.
const MAX_TOKEN: u64 = 16 << 10;

/// A token, or a file that holds one.
#[derive(Clone, Debug)]
pub enum Bearer {
    /// A token.
    Fixed(SecretString),
    /// A file that is read for each call: kubelet renews a projected token, people replace one that ends.
    File(Arc<TokenFile>),
}

/// A file with a token.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    /// What it held when it could be read last.
    last: Mutex<SecretString>,
}

impl Bearer {
    /// A token in a file, with white space around it.
    ///
    /// # Errors
    /// The file cannot be read, or holds nothing that could be a token.
    pub fn of_file(path: PathBuf) -> io::Result<Self> {
        let last = Mutex::new(read(&path)?);
        Ok(Self::File(Arc::new(TokenFile { path, last })))
    }

    /// The token to bear now.
    pub(super) fn token(&self) -> SecretString {
        match self {
            Self::Fixed(token) => token.clone(),
            Self::File(file) => {
                let mut last = file.last.lock().unwrap_or_else(PoisonError::into_inner);
                // While it is replaced what it held before is the best there is.
                if let Ok(now) = read(&file.path) {
                    *last = now;
                }
                last.clone()
            }
        }
    }
}

fn read(path: &PathBuf) -> io::Result<SecretString> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TOKEN + 1).read_to_string(&mut text)?;
    let token = text.trim();
    if token.is_empty() || text.len() as u64 > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no token"));
    }
    Ok(token.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs;

    #[test]
    fn a_file_is_read_again_and_what_is_no_token_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let now = |bearer: &Bearer| bearer.token().expose_secret().to_owned();
        assert!(Bearer::of_file(path.clone()).is_err());
        fs::write(&path, "  one\n").unwrap();
        let bearer = Bearer::of_file(path.clone()).unwrap();
        assert_eq!(now(&bearer), "one");
        fs::write(&path, "two").unwrap();
        assert_eq!(now(&bearer), "two");
        for bad in ["", "  \n", "a b", "é", &"x".repeat(20_000)] {
            fs::write(&path, bad).unwrap();
            assert_eq!(now(&bearer), "two", "{bad:.10}");
            assert!(Bearer::of_file(path.clone()).is_err());
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(now(&bearer), "two");
    }
}
