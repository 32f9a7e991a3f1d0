//! Compiles `proto/`, embeds the declarations of the tables (`src/resource`; a new table needs no entry in a list), and sets
//! the text of `--version`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

type Failure = Box<dyn std::error::Error>;

/// The features that `--version` lists.
const FEATURES: &[&str] = &["demo", "faults"];

fn main() -> Result<(), Failure> {
    compile_protos()?;
    embed("src/resource", "toml", "declarations.rs")?;
    println!("cargo:rustc-env=OCEANFLIGHT_VERSION={}", version()?);
    Ok(())
}

fn compile_protos() -> Result<(), Failure> {
    let files = files_under(Path::new("proto"), "proto")?;
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(&files, ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}

/// Writes `&[(name, text)]` for the files under `root` with this extension to `OUT_DIR/output`. A name is the path
/// below `root` without its extension.
fn embed(root: &str, extension: &str, output: &str) -> Result<(), Failure> {
    println!("cargo:rerun-if-changed={root}");
    let mut source = String::from("&[\n");
    for file in files_under(Path::new(root), extension)? {
        let name = file.strip_prefix(root)?.with_extension("");
        let name = name.to_str().ok_or("a file's name is not UTF-8")?.replace('\\', "/");
        let path = Path::new("/").join(&file);
        writeln!(source, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")?;
    }
    source.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join(output), source)?;
    Ok(())
}

/// Returns the files below `root` with this extension, sorted so that builds are reproducible.
fn files_under(root: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_under(&path, extension)?);
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The version, the commit of a release build, and the enabled features: `0.1.0 (1a2b3c4d5, features: demo)`.
///
/// A debug build names no commit: each commit would build the crate anew.
fn version() -> Result<String, Failure> {
    let version = env::var("CARGO_PKG_VERSION")?;
    let build = match env::var("PROFILE")?.as_str() {
        "release" => commit(),
        _ => Some("debug build".to_owned()),
    };
    let enabled =
        FEATURES.iter().filter(|name| env::var_os(format!("CARGO_FEATURE_{}", name.to_uppercase())).is_some());
    let features = enabled.copied().collect::<Vec<_>>().join(" ");
    let features = Some(features).filter(|names| !names.is_empty()).map(|names| format!("features: {names}"));
    let details = build.into_iter().chain(features).collect::<Vec<_>>().join(", ");
    Ok(if details.is_empty() { version } else { format!("{version} ({details})") })
}

/// The commit that a clone of this repository is at; none outside of a clone, or without git.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    // The sources may be unpacked in a directory of another repository.
    if fs::canonicalize(root).ok()? != fs::canonicalize(env::var_os("CARGO_MANIFEST_DIR")?).ok()? {
        return None;
    }
    // Each commit and checkout appends a line to the reflog. Without a reflog, each release build runs this script again:
    // to Cargo, a path that does not exist has changed.
    println!("cargo:rerun-if-changed={}", git(&["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "--short=9", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
