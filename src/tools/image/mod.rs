//! An image of one layer, made of nothing but the files named: no base, no daemon, no registry.
//!
//! The same files give the same bytes: nothing in it says when, where or by whom it was made.

mod archive;
mod layer;
mod strip;

use anyhow::Context;
use archive::Digesting;
use layer::{Layer, Owner};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Seek},
    path::PathBuf,
    str::FromStr,
};

/// The arguments of `image`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImageArgs {
    /// The archive to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The image's name, for example slipway-agent:1.2.3
    #[arg(long = "ref", value_name = "NAME")]
    pub reference: String,
    /// A word of the entrypoint; may be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub entrypoint: Vec<String>,
    /// A word of the default arguments; may be repeated
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub cmd: Vec<String>,
    /// Who runs it, as numbers; volumes belong to it
    #[arg(long, value_name = "UID[:GID]", default_value = "0")]
    pub user: Owner,
    /// The directory it starts in
    #[arg(long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// A variable of its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// An empty directory of the user's own, where data is kept; may be repeated
    #[arg(long, value_name = "DIR")]
    pub volume: Vec<String>,
    /// Whose files they are
    #[arg(long, value_name = "UID[:GID]", default_value = "0")]
    pub owner: Owner,
    /// The processor, as image registries call it; this machine's where nothing is said
    #[arg(long, value_name = "NAME", default_value = archive::host_architecture())]
    pub arch: String,
    /// Leave debug information out of programs (with `strip` of binutils)
    #[arg(long)]
    pub strip: bool,
    /// What goes where; a directory with everything in it
    #[arg(value_name = "SRC:DEST", required = true)]
    pub files: Vec<Copied>,
}

/// A file or directory and its place in the image.
#[derive(Clone, Debug)]
pub struct Copied {
    source: PathBuf,
    dest: String,
}

impl FromStr for Copied {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((source, dest)) if !source.is_empty() && dest.starts_with('/') => {
                Ok(Self { source: source.into(), dest: dest.to_owned() })
            }
            _ => Err("must be SRC:DEST, with DEST beginning with /".into()),
        }
    }
}

/// Packs the image. Beside the archive it needs the room for its layer for a while, and hardly any memory.
pub fn run(args: &ImageArgs) -> anyhow::Result<()> {
    let mut layer = Layer::new(args.owner, args.strip.then(|| args.out.with_added_extension("stripping")));
    for copied in &args.files {
        layer.add(&copied.source, &copied.dest)?;
    }
    for volume in &args.volume {
        layer.volume(volume, args.user);
    }
    let path = args.out.with_added_extension("layer");
    let cannot = || format!("cannot write {}", args.out.display());
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).with_context(cannot)?;
    // It loses its name at once: nothing is left of it however this ends.
    fs::remove_file(&path).with_context(cannot)?;
    let mut packed = Digesting::new(BufWriter::new(&file));
    layer.pack(&mut packed)?;
    let digest = packed.digest();
    file.rewind().with_context(cannot)?;
    let write = || archive::archive(args, &file, &digest, BufWriter::new(File::create(&args.out)?));
    write().with_context(cannot)
}

#[cfg(test)]
mod tests;
