//! Compiles `proto/`, and embeds the declarations of the tables (`src/resource`): a new table needs no entry in a list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    compile_protos()?;
    embed("src/resource", "toml", "declarations.rs")?;
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
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut source = String::from("&[\n");
    for file in files_under(Path::new(root), extension)? {
        let name = file.strip_prefix(root)?.with_extension("");
        let name = name.to_str().ok_or("a file's name is not UTF-8")?.replace('\\', "/");
        let path = manifest.join(&file);
        writeln!(source, "    ({name:?}, include_str!({path:?})),")?;
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
