mod crontab_corpus;
mod crontab_lines;
mod crontab_names;
mod crontab_probes;
mod crontab_props;
mod crontab_truth;
mod crontab_warnings;
