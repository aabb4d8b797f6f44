//! Real crontabs of strangers, with what the real crons made of them.
//!
//! The files are third-party text and no part of the package.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of the corpus.
pub struct CorpusFile {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The format to read it in.
    pub format: String,
    /// What was recorded of it.
    pub truth: Value,
}

/// All files, or none, said aloud, where they are not there.
pub fn corpus() -> Vec<CorpusFile> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(truth) = std::fs::read_to_string(dir.join("truth.jsonl")) else {
        eprintln!("SKIPPED: the corpus of real crontabs is not there");
        return Vec::new();
    };
    truth
        .lines()
        .map(|record| {
            let truth: Value = serde_json::from_str(record).expect("a record");
            let text = |key: &str| truth[key].as_str().expect("a text").to_owned();
            let path = dir.join("files").join(text("file"));
            CorpusFile {
                name: text("file"),
                bytes: std::fs::read(&path).expect("a file of the corpus"),
                path,
                format: text("format"),
                truth,
            }
        })
        .collect()
}
