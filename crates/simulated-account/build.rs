//! Embeds the files under `fixtures`: a new table is a new file, in no list by hand.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

type Failure = Box<dyn std::error::Error>;

const ROOT: &str = "fixtures";

/// Writes `&[(name, text)]` of every fixture to `OUT_DIR/fixtures.rs`; the name is the path below `fixtures` without
/// its extension.
fn main() -> Result<(), Failure> {
    println!("cargo:rerun-if-changed={ROOT}");
    let mut source = String::from("&[\n");
    for file in json_files_under(Path::new(ROOT))? {
        let name = file.strip_prefix(ROOT)?.with_extension("");
        let name = name.to_str().ok_or("a file's name is not UTF-8")?.replace('\\', "/");
        let path = Path::new("/").join(&file);
        writeln!(source, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")?;
    }
    source.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("fixtures.rs"), source)?;
    Ok(())
}

/// Every JSON file below `root`, sorted, so that builds are reproducible.
fn json_files_under(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(json_files_under(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
