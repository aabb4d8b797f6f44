//! The one test binary.

mod support;

mod cli_act;
mod cli_live;
mod cli_look;
mod cli_names;

mod crontab_corpus;
mod crontab_lines;
mod crontab_names;
mod crontab_probes;
mod crontab_props;
mod crontab_truth;
mod crontab_warnings;
mod process_adoption;
mod process_house;
mod process_output;
mod process_runs;
mod process_tree;
mod schedule_dialects;
mod schedule_drawn;
mod schedule_engines;
mod schedule_properties;
mod schedule_text;
mod schedule_traps;
mod schedule_vectors;
mod schedule_words;
mod schedule_zones;
mod view_attention;
mod view_audit;
mod view_text;
