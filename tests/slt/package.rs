//! Finds DataFusion's test files, in the package that tests/slt/package depends on.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use datafusion::DATAFUSION_VERSION;
use serde_json::Value as Json;

const MANIFEST: &str = "tests/slt/package/Cargo.toml";
const PACKAGE: &str = "datafusion-sqllogictest";

/// The directory of the test files.
///
/// # Errors
/// The reason if cargo has not downloaded them.
pub(super) fn files() -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(MANIFEST);
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !metadata.status.success() {
        return Err(format!("{PACKAGE} is not downloaded; run `cargo fetch --manifest-path {MANIFEST}`"));
    }
    let metadata: Json = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == PACKAGE).unwrap();
    assert_eq!(package["version"], DATAFUSION_VERSION, "{MANIFEST} must name the version of DataFusion");
    Ok(Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("test_files"))
}

/// The test files in order, without the files and directories that are left out.
pub(super) fn list(directory: &Path, left_out: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in next.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if left_out.iter().any(|left_out| path == directory.join(left_out)) {
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
