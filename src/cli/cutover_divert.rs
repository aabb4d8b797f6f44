//! Files of packages: dpkg is told to leave ours alone, so that an upgrade neither asks nor replaces.
//!
//! The package's version lies beside the file under a name no cron reads, and upgrades go there. The
//! file itself is never away: it is replaced in one step like any other, and dpkg is told before and
//! asked to forget it after.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::cutover_file::manifests;
use crate::crash;
use crate::crontab::unmark;

/// A file that dpkg was told to leave alone, as paths of this host.
pub struct Diversion {
    file: PathBuf,
    aside: PathBuf,
}

/// How a packaged file is called beside ours: cron reads no name that begins with a dot.
fn aside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.crake"))
}

/// Tells dpkg to leave a file alone. Says nothing where there is no dpkg-divert.
///
/// # Errors
/// Those of writing; what dpkg-divert says.
pub fn divert(root: &Path, source: &str) -> io::Result<()> {
    let file = PathBuf::from(source);
    let aside = aside(&file);
    let diversion = Diversion { file, aside };
    match dpkg_divert(root, "--add", &diversion) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done?,
    }
    crash::point("cutover told dpkg");
    // The file will be replaced and not written, so a link keeps what it is now, whole from the first.
    match std::fs::hard_link(&diversion.file, &diversion.aside) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Has dpkg forget the files of which nothing is taken over any longer. Gives the newer versions that
/// packages brought meanwhile; they are left where they are.
///
/// # Errors
/// What dpkg-divert says.
pub fn forget(root: &Path, home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut newer = Vec::new();
    for diversion in ours(root) {
        let Ok(bytes) = std::fs::read(&diversion.file) else {
            continue;
        };
        if !unmark(&bytes, |_| true).marks.is_empty() {
            continue;
        }
        // Gone first: a diversion is found again by whoever comes next, a stray file is not.
        match std::fs::read(&diversion.aside) {
            Ok(packaged) if packaged == bytes || is_old(home, &diversion.file, &packaged) => {
                std::fs::remove_file(&diversion.aside)?;
            }
            Ok(_) => newer.push(diversion.aside.clone()),
            Err(_) => {}
        }
        crash::point("cutover uncopied");
        dpkg_divert(root, "--remove", &diversion)?;
    }
    Ok(newer)
}

/// Whether a backup holds just these bytes of a file.
fn is_old(home: &Path, file: &Path, bytes: &[u8]) -> bool {
    manifests(home).iter().any(|(dir, manifest)| {
        Path::new(&manifest.source) == file
            && std::fs::read(dir.join("before")).is_ok_and(|before| before == bytes)
    })
}

/// The diversions that were made here, by the list of dpkg: file, other name, package on three lines.
fn ours(root: &Path) -> Vec<Diversion> {
    let list = std::fs::read_to_string(root.join("var/lib/dpkg/diversions")).unwrap_or_default();
    let lines: Vec<&str> = list.lines().collect();
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    lines
        .chunks_exact(3)
        .filter_map(|three| {
            let [file, to, ":"] = three else { return None };
            let (file, to) = (inside(file), inside(to));
            (aside(&file) == to).then_some(Diversion { file, aside: to })
        })
        .collect()
}

fn dpkg_divert(root: &Path, verb: &str, diversion: &Diversion) -> io::Result<()> {
    let inside = |path: &Path| match path.strip_prefix(root) {
        Ok(path) => Path::new("/").join(path),
        Err(_) => path.to_owned(),
    };
    let said = Command::new("dpkg-divert")
        .arg("--root")
        .arg(root)
        .args(["--quiet", "--local", "--no-rename", "--divert"])
        .arg(inside(&diversion.aside))
        .arg(verb)
        .arg(inside(&diversion.file))
        .output()?;
    match said.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            Err(io::Error::other(words))
        }
    }
}
