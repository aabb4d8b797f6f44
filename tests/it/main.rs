mod support;

mod process_adoption;
mod process_house;
mod process_output;
mod process_runs;
mod process_tree;
