//! Where DataFusion's test files are: in a package that tests/slt/package names, and cargo has fetched.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

const MANIFEST: &str = "tests/slt/package/Cargo.toml";
const PACKAGE: &str = "datafusion-sqllogictest";

/// The directory of the test files; the reason where there is none.
pub(super) fn files() -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(MANIFEST);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !metadata.status.success() {
        return Err(format!("`cargo fetch --manifest-path {MANIFEST}` brings {PACKAGE}, which is not there"));
    }
    let metadata: Json = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == PACKAGE).unwrap();
    Ok(Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("test_files"))
}

/// All test files, in order, except for those in directories that are left out.
pub(super) fn list(directory: &Path, left_out: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in next.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
            if left_out.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "slt") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
