//! Jobs files: which files, and what each says, with the place of everything.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::cli::error::{CliError, Kind, nearest};
use crate::cli::jobs_file::fault::{Fault, Source, Spot};
use crate::cli::jobs_file::keys::{KEYS, TERMS};
use crate::cli::jobs_file::values;
use crate::model::check_name;

/// What a file says of a job.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The job.
    pub name: String,
    /// Where it is named.
    pub spot: Spot,
    /// The definition in the keys of `edit`.
    pub table: Table,
    /// Where the value of each key stands that was written for this job.
    pub spots: BTreeMap<String, Spot>,
    /// Where each schedule stands.
    pub schedules: Vec<Spot>,
    /// Whether it may fire, where that is said.
    pub enabled: Option<bool>,
    /// What `H`, `~` and jitter are drawn from, where that is said.
    pub seed: Option<i64>,
}

/// Everything the files say.
#[derive(Debug, Default)]
pub struct JobsFiles {
    /// The files.
    pub sources: Vec<Source>,
    /// The jobs, by name.
    pub jobs: BTreeMap<String, Wanted>,
    /// The defaults of each file that has some.
    pub defaults: Vec<Wanted>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Reads files, and the `*.toml` in folders, by name; `-` is standard input.
///
/// # Errors
/// What cannot be read, and a folder without such a file. What is wrong within is a fault.
pub fn read(paths: &[PathBuf]) -> Result<JobsFiles, CliError> {
    let mut files = JobsFiles::default();
    for path in paths {
        for file in files_of(path)? {
            let bytes = bytes_of(&file)?;
            let name = if file.as_os_str() == "-" {
                "<standard input>".to_owned()
            } else {
                file.display().to_string()
            };
            files.add(name, bytes);
        }
    }
    Ok(files)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = |e: std::io::Error| unreadable(path, &e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(cannot)? {
        let file = entry.map_err(cannot)?.path();
        let hidden = file
            .file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if file.extension().is_some_and(|e| e == "toml") && !hidden && !file.is_dir() {
            found.push(file);
        }
    }
    if found.is_empty() {
        // An empty folder is a mistake more often than a wish to remove every job.
        let text = format!("there is no *.toml in {}", path.display());
        return Err(CliError::new(Kind::Invalid, text));
    }
    found.sort();
    Ok(found)
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, CliError> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|e| unreadable(file, &e))
}

fn unreadable(path: &Path, e: &std::io::Error) -> CliError {
    let kind = match e.kind() {
        std::io::ErrorKind::PermissionDenied => Kind::Denied,
        _ => Kind::Invalid,
    };
    CliError::new(kind, format!("cannot read {}: {e}", path.display()))
}

/// The defaults of one file.
#[derive(Default)]
struct Defaults {
    table: Table,
    enabled: Option<bool>,
}

impl JobsFiles {
    fn add(&mut self, name: String, bytes: Vec<u8>) {
        let file = self.sources.len();
        let text = String::from_utf8(bytes);
        let (text, broken) = match text {
            Ok(text) => (text, None),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(e.as_bytes()).into_owned();
                (text, Some(at))
            }
        };
        self.sources.push(Source {
            name,
            text: text.clone(),
        });
        if let Some(at) = broken {
            let spot = Spot {
                file,
                span: at..at + 3,
            };
            self.faults
                .push(Fault::new(&spot, "this is no UTF-8").hint("TOML is always UTF-8"));
            return;
        }
        let (root, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            self.read_root(file, root.get_ref());
            return;
        }
        for error in errors {
            let spot = Spot {
                file,
                span: error.span().unwrap_or(0..0),
            };
            self.faults.push(Fault::new(&spot, error.message()));
        }
    }

    fn read_root(&mut self, file: usize, root: &DeTable<'_>) {
        let mut defaults = Defaults::default();
        for (key, value) in root {
            let spot = of_key(file, key);
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("defaults", DeValue::Table(table)) => defaults = self.read_defaults(file, table),
                ("job", DeValue::Table(_)) => {}
                ("defaults", _) => {
                    let fault = Fault::new(&spot, "defaults is a table");
                    self.faults.push(fault.hint("write [defaults]"));
                }
                ("job", _) => {
                    let fault = Fault::new(&spot, "job is a table of jobs by name");
                    self.faults.push(fault.hint("write [job.NAME]"));
                }
                (other, _) => {
                    let known = ["defaults".to_owned(), "job".to_owned()];
                    let fault = Fault::new(&spot, format!("unknown table \"{other}\""));
                    self.faults.push(match nearest(other, &known) {
                        Some(near) => fault.hint(format!("did you mean \"{near}\"?")),
                        None => fault.hint("a jobs file holds [defaults] and [job.NAME]"),
                    });
                }
            }
        }
        let jobs = root.get("job").map(Spanned::get_ref);
        let Some(DeValue::Table(jobs)) = jobs else {
            return;
        };
        for (name, value) in jobs {
            let spot = of_key(file, name);
            match value.get_ref() {
                DeValue::Table(table) => self.read_job(&spot, name.get_ref(), table, &defaults),
                _ => {
                    let text = format!("job {} is no table", name.get_ref());
                    let fault = Fault::new(&spot, text);
                    self.faults
                        .push(fault.hint(format!("write [job.{}]", name.get_ref())));
                }
            }
        }
    }

    fn read_defaults(&mut self, file: usize, table: &DeTable<'_>) -> Defaults {
        let spot = Spot { file, span: 0..0 };
        let wanted = self.read_keys(&spot, "[defaults]", table);
        if let Some(at) = wanted.spots.get("seed") {
            let fault = Fault::new(at, "a seed is of one job");
            self.faults.push(fault);
        }
        let defaults = Defaults {
            table: wanted.table.clone(),
            enabled: wanted.enabled,
        };
        self.defaults.push(wanted);
        defaults
    }

    fn read_job(&mut self, spot: &Spot, name: &str, table: &DeTable<'_>, defaults: &Defaults) {
        if let Err(e) = check_name(name) {
            self.faults.push(Fault::of(spot, e.into()));
        }
        let mut wanted = self.read_keys(spot, &format!("job {name}"), table);
        wanted.name = name.to_owned();
        wanted.enabled = wanted.enabled.or(defaults.enabled);
        let scheduled = [&wanted.table, &defaults.table]
            .into_iter()
            .any(|t| matches!(t.get("schedule"), Some(Value::Array(a)) if !a.is_empty()));
        for (key, value) in &defaults.table {
            match (wanted.table.get_mut(key), value) {
                (Some(Value::Table(own)), Value::Table(shared)) if key == "env" => {
                    for (variable, value) in shared {
                        own.entry(variable.clone()).or_insert_with(|| value.clone());
                    }
                }
                (Some(_), _) => {}
                // What bounds schedules holds for the jobs that have some.
                (None, _) if TERMS.contains(&key.as_str()) && !scheduled => {}
                (None, value) => {
                    wanted.table.insert(key.clone(), value.clone());
                }
            }
        }
        if let Some(first) = self.jobs.get(name) {
            let source = &self.sources[first.spot.file];
            let line = crate::cli::jobs_file::fault::line_of(&self.sources, &first.spot);
            let text = format!("job {name} is defined in {}:{line} already", source.name);
            self.faults.push(Fault::new(spot, text));
            return;
        }
        self.jobs.insert(name.to_owned(), wanted);
    }

    fn read_keys(&mut self, spot: &Spot, of: &str, table: &DeTable<'_>) -> Wanted {
        let mut wanted = Wanted {
            name: String::new(),
            spot: spot.clone(),
            table: Table::new(),
            spots: BTreeMap::new(),
            schedules: Vec::new(),
            enabled: None,
            seed: None,
        };
        for (key, value) in table {
            let (at_key, at_value) = (of_key(spot.file, key), of_value(spot.file, value));
            let key = key.get_ref().as_ref();
            if !KEYS.iter().any(|k| k.name == key) {
                self.faults.push(unknown_key(&at_key, of, key));
                continue;
            }
            if key == "schedule" {
                wanted.schedules = match value.get_ref() {
                    DeValue::Array(list) => list.iter().map(|v| of_value(spot.file, v)).collect(),
                    _ => vec![at_value.clone()],
                };
            }
            match values::put(&mut wanted, key, &at_value, value.get_ref()) {
                Ok(()) => {}
                Err(fault) => self.faults.push(fault),
            }
            wanted.spots.insert(key.to_owned(), at_value);
        }
        wanted
    }
}

fn unknown_key(spot: &Spot, of: &str, key: &str) -> Fault {
    let known: Vec<String> = KEYS.iter().map(|k| k.name.to_owned()).collect();
    let fault = Fault::new(spot, format!("unknown key \"{key}\" in {of}"));
    // Names that other programs have for the same thing, too far away to be guessed.
    let meant = match key {
        "tz" | "zone" | "time_zone" => Some("timezone"),
        "cmd" | "run" | "exec" => Some("command"),
        "cron" | "when" => Some("schedule"),
        "environment" => Some("env"),
        "workdir" | "dir" | "working_directory" => Some("cwd"),
        "retries" => Some("retry"),
        "paused" | "disabled" => Some("enabled"),
        _ => nearest(key, &known).map(String::as_str),
    };
    match meant {
        Some(near) => fault.hint(format!("did you mean \"{near}\"?")),
        None => fault.hint("crake-jobs(5) has all keys"),
    }
}

fn of_key(file: usize, key: &Spanned<std::borrow::Cow<'_, str>>) -> Spot {
    Spot {
        file,
        span: key.span(),
    }
}

fn of_value(file: usize, value: &Spanned<DeValue<'_>>) -> Spot {
    Spot {
        file,
        span: value.span(),
    }
}
