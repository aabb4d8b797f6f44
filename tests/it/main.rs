//! The one test binary.

mod cli_define;
mod cli_edit;
mod cli_errors;
mod cli_import;
mod cli_next;
mod crontab_corpus;
mod crontab_lines;
mod crontab_names;
mod crontab_probes;
mod crontab_props;
mod crontab_truth;
mod crontab_warnings;
mod generated;
mod schedule_dialects;
mod schedule_drawn;
mod schedule_engines;
mod schedule_properties;
mod schedule_text;
mod schedule_traps;
mod schedule_vectors;
mod schedule_words;
mod schedule_zones;
mod support;
