//! The files of a cutover: the backup, and putting one table in the place of another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::crash;
use crate::schedule::UnixMs;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The table.
    pub source: String,
    /// When the backup was made, Unix milliseconds.
    pub at: UnixMs,
    /// From when on the jobs fire, Unix milliseconds.
    pub takeover_at: UnixMs,
    /// Permission bits, user and group of the table.
    pub mode: u32,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The ids of the entries taken over.
    pub ids: Vec<String>,
    /// The jobs.
    pub jobs: Vec<String>,
}

/// Where backups are.
pub fn backups(home: &Path) -> PathBuf {
    home.join("cutover")
}

/// Writes a backup and reads it back; gives its directory. In it are `before`, `after` and
/// `manifest.json`.
///
/// # Errors
/// Those of writing; what was read back and differs.
pub fn back_up(
    home: &Path,
    manifest: &Manifest,
    before: &[u8],
    after: &[u8],
) -> io::Result<PathBuf> {
    let name: String = manifest
        .source
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let tail = name.get(name.len().saturating_sub(80)..).unwrap_or("table");
    let mut number = 0;
    let dir = loop {
        let dir = backups(home).join(format!("{}-{number}{tail}", manifest.at));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(backups(home))?;
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            done => break done.map(|()| dir)?,
        }
    };
    let text = serde_json::to_vec_pretty(manifest)?;
    for (name, bytes) in [
        ("before", before),
        ("after", after),
        ("manifest.json", &text),
    ] {
        let path = dir.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if fs::read(&path)? != bytes {
            return Err(io::Error::other(format!(
                "{} does not hold what was written",
                path.display()
            )));
        }
    }
    File::open(&dir)?.sync_all()?;
    File::open(backups(home))?.sync_all()?;
    Ok(dir)
}

/// The backups there are, the newest first.
pub fn manifests(home: &Path) -> Vec<(PathBuf, Manifest)> {
    let Ok(entries) = fs::read_dir(backups(home)) else {
        return Vec::new();
    };
    let mut found: Vec<(PathBuf, Manifest)> = entries
        .flatten()
        .filter_map(|entry| {
            let text = fs::read(entry.path().join("manifest.json")).ok()?;
            Some((entry.path(), serde_json::from_slice(&text).ok()?))
        })
        .collect();
    found.sort_by_key(|(_, manifest)| std::cmp::Reverse(manifest.at));
    found
}

/// Puts bytes in the place of a file in one step, with its owner and its rights. The new file begins
/// with a dot until it takes its place: no cron reads such a name.
///
/// # Errors
/// Those of writing; the file is then as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let was = fs::metadata(path)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let draft = dir.join(format!(".crake-{}.new", std::process::id()));
    let staged = stage(&draft, bytes, &was);
    if let Err(e) = staged {
        let _ = fs::remove_file(&draft);
        return Err(e);
    }
    crash::point("cutover staged");
    fs::rename(&draft, path).inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })?;
    crash::point("cutover installed");
    File::open(dir)?.sync_all()
}

fn stage(draft: &Path, bytes: &[u8], was: &fs::Metadata) -> io::Result<()> {
    // One that a process of ours with the same number left when it died.
    let _ = fs::remove_file(draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(bytes)?;
    let is = file.metadata()?;
    if (is.uid(), is.gid()) != (was.uid(), was.gid()) {
        fchown(&file, Some(was.uid()), Some(was.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(was.mode() & 0o7777))?;
    file.sync_all()
}

/// The package a file belongs to, by the lists of dpkg under a root; none where nobody owns it.
pub fn package_of(root: &Path, path: &Path) -> Option<String> {
    let inside = Path::new("/").join(path.strip_prefix(root).ok()?);
    let wanted = inside.display().to_string();
    let lists = fs::read_dir(root.join("var/lib/dpkg/info")).ok()?;
    lists.flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let package = name.strip_suffix(".list")?.to_owned();
        let text = fs::read_to_string(entry.path()).ok()?;
        text.lines().any(|line| line == wanted).then_some(package)
    })
}
