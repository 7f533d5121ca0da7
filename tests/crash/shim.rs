//! Builds the shim, `shim.c`, with the C compiler.
//!
//! It knows where the built library lies, and nothing of what it does.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the library that is to be preloaded (`LD_PRELOAD`) into the service; where it is.
///
/// # Errors
/// One line, where there is no such library: not on this system, or not without a C compiler (`CC`, or `cc`).
pub(crate) fn build() -> Result<PathBuf, String> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Err("the shim is for Linux with glibc; PARTS=kill needs none".into());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/shim.c");
    let library = Path::new(env!("CARGO_BIN_EXE_orders-inventory")).with_file_name("disk-shim.so");
    // Under a name of its own first: other tests may build it now, or have it loaded.
    let unfinished = library.with_extension(format!("{}.so", std::process::id()));
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(&compiler)
        .args([
            "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o",
        ])
        .args([&unfinished, &source])
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("{compiler} cannot build {}: {status}", source.display())),
        Err(error) => return Err(format!("{compiler} cannot be run: {error}")),
    }
    fs::rename(&unfinished, &library).map_err(|error| format!("{}: {error}", library.display()))?;
    Ok(library)
}
