//! The command and the process host, with real processes. Nodes are scripts for `sh`,
//! `python3` and Node.js.
//!
//! This program says itself how many of its tests run at a time: they wait more than they work.

mod answers;
mod causes;
mod challenge;
mod command_line;
mod completions;
mod differences;
mod guide;
mod interchange;
mod new;
mod original;
mod process;
mod quirks;
mod runs;
mod serve;
mod told;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, iter};

use libtest_mimic::{Arguments, Trial};

const AT_A_TIME: usize = 16;

/// Tests with their names.
macro_rules! tests {
    ($($test:path),+ $(,)?) => {
        &[$((stringify!($test), $test)),+]
    };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bench", "to-be-ended", directory] => process::bench_to_be_ended(directory),
        ["bench", "busy-after-a-run", directory] => process::busy_after_a_run(directory),
        _ => return run_tests(),
    }
    ExitCode::SUCCESS
}

fn run_tests() -> ExitCode {
    begin_with_python();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_A_TIME);
    let trial = |&(name, test): &(&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, TESTS.iter().map(trial).collect()).exit_code()
}

/// Begins again with the folder of Python's interpreter in front of the others. What is called
/// `python3` may be a script that looks for it, for longer than Python takes to start.
fn begin_with_python() {
    let says_where = ["-c", "import os, sys; print(os.path.dirname(sys.executable), end='')"];
    let Ok(said) = Command::new("python3").args(says_where).output() else { return };
    let python = PathBuf::from(String::from_utf8(said.stdout).unwrap());
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = || env::split_paths(&path);
    if folders().next().as_ref() != Some(&python) {
        let path = env::join_paths(iter::once(python).chain(folders())).unwrap();
        let program = env::current_exe().unwrap();
        let error = Command::new(program).args(env::args_os().skip(1)).env("PATH", path).exec();
        panic!("{error}");
    }
}

/// A directory that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file that may be executed.
    fn write_script(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.0.join(name);
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A script in the folder of nodes.
fn node(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes").join(script)
}

/// Sentences may be broken over lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Those that wait longest stand first: others go on beside them.
const TESTS: &[(&str, fn())] = tests![
    guide::every_command_of_the_guide_does_what_it_says,
    guide::what_the_guide_shows_of_a_node_is_there,
    guide::every_history_of_the_guide_shows_what_it_is_there_for,
    guide::every_link_of_the_guide_leads_somewhere,
    guide::every_finding_that_checkers_can_make_is_in_the_guide,
    answers::what_came_instead_of_the_answer_to_init_or_topology_is_told,
    answers::an_operation_without_an_answer_is_told_what_came_instead,
    quirks::a_flood_of_messages_ends_in_time,
    quirks::a_message_without_an_end_of_line_is_quoted,
    quirks::a_reply_to_nothing_that_was_asked_is_told_beside_the_timeouts,
    quirks::messages_between_nodes_may_have_any_msg_id_and_in_reply_to,
    quirks::a_node_without_a_quirk_is_valid_without_a_word,
    quirks::a_read_whose_list_has_another_name_is_told_why_it_stayed_in_doubt,
    quirks::a_node_that_prints_nothing_is_told_that_it_may_not_flush,
    quirks::the_first_message_on_a_line_counts,
    quirks::another_registered_name_is_accepted_with_a_warning_and_wrong_if_strict,
    quirks::a_request_passed_on_in_its_clients_name_is_answered_and_the_hop_is_told,
    quirks::the_name_of_nobody_is_a_fault_and_so_is_a_former_clients,
    quirks::of_init_ok_only_the_type_and_what_it_answers_matter,
    quirks::a_reply_that_is_not_as_it_should_be_is_malformed_and_told_so,
    quirks::errors_that_a_node_answers_are_told_with_code_and_text,
    quirks::bytes_that_are_no_text_are_replaced,
    quirks::what_is_no_message_is_quoted,
    quirks::a_line_that_never_ends_does_not_fill_the_memory,
    quirks::the_reason_of_a_death_is_told_beside_the_end_of_a_long_trace,
    quirks::a_thread_that_ends_while_its_node_goes_on_is_told,
    quirks::a_program_that_cannot_be_started_is_told_why_and_once,
    causes::a_run_that_loses_values_leads_to_the_message_that_was_lost,
    causes::a_run_without_findings_has_nothing_to_explain,
    causes::a_trace_that_cannot_be_written_does_not_cost_the_verdict,
    causes::a_history_beside_a_damaged_trace_has_its_report,
    causes::findings_of_a_run_without_a_trace_are_told_all_the_same,
    causes::what_a_node_made_up_is_printed_without_control_characters,
    interchange::a_run_is_kept_as_the_original_keeps_it_and_checked_from_there,
    interchange::check_writes_the_originals_files_and_leaves_what_it_read,
    interchange::damaged_edn_is_refused_where_it_breaks,
    interchange::a_run_is_exported_in_every_form,
    interchange::whoever_has_seen_enough_of_an_export_may_go,
    process::what_a_node_may_not_do_ends_the_test_and_is_named,
    process::a_second_process_that_finds_the_directory_locked_and_says_so_is_well,
    process::nodes_that_are_killed_and_paused_come_back,
    process::a_node_in_python_echoes,
    process::a_second_process_in_a_directory_that_is_in_use_may_not_serve,
    process::what_processes_cannot_have_is_refused,
    process::a_node_in_javascript_echoes_and_its_traffic_can_be_had,
    process::sending_to_a_node_before_it_is_there_is_a_fault,
    process::a_program_that_is_not_there_is_named,
    process::a_node_that_ignores_the_end_of_its_input_and_sigterm_is_killed,
    process::a_nodes_own_children_do_not_outlive_the_test,
    process::a_process_whose_run_is_over_can_be_interrupted,
    process::nothing_outlives_an_interrupted_bench,
    process::nothing_outlives_a_killed_bench,
    new::a_new_node_in_cpp_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_java_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_rust_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_python_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_go_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_javascript_echoes_and_refuses_what_is_not_written,
    new::a_new_node_in_ruby_echoes_and_refuses_what_is_not_written,
    new::a_folder_with_something_in_it_is_left_alone,
    new::what_workloads_ask_is_printed_and_demos_are_said_to_be_elsewhere,
    challenge::one_program_runs_as_several_challenges_with_its_own_arguments,
    challenge::a_list_says_in_words_what_is_asked_for,
    challenge::what_is_no_challenge_and_what_is_no_program_are_named_before_anything_runs,
    told::a_value_that_comes_back_as_another_type_is_told_as_that,
    told::a_node_that_does_not_read_its_input_is_told_so,
    told::a_line_that_is_no_message_is_told_what_it_looks_like,
    told::a_node_that_does_not_read_is_told_so_before_the_memory_ends,
    told::a_death_is_told_with_what_its_status_means,
    told::of_a_long_standard_error_the_reason_is_shown_and_how_much_is_left_out,
    told::a_node_runs_in_a_folder_of_its_own,
    told::a_history_that_says_nothing_is_told_so,
    command_line::what_was_meant_is_said,
    command_line::values_that_cannot_be_are_answered_with_what_can,
    command_line::a_flag_that_does_nothing_without_another_is_refused_with_that_one,
    command_line::flags_that_do_not_go_together_are_named,
    command_line::faults_that_cannot_be_had_are_refused_with_the_reason,
    command_line::a_program_that_cannot_be_run_is_named,
    command_line::whoever_asks_for_help_gets_it_and_exit_code_0,
    command_line::check_reads_standard_input_and_tells_the_witness,
    command_line::check_refuses_the_history_of_another_workload,
    command_line::an_empty_history_is_unknown_for_every_workload_and_says_why,
    command_line::check_prints_results_as_json,
    command_line::check_compares_availability,
    command_line::what_is_no_history_is_refused_with_the_line_that_is_wrong,
    command_line::a_panic_that_the_library_tells_of_makes_a_run_invalid_and_no_other_text_does,
    command_line::a_run_leaves_everything_in_the_store,
    command_line::a_node_that_is_broken_gets_exit_code_1_and_a_command_to_see_it_again,
    command_line::a_limit_that_is_missed_gets_exit_code_1_though_the_history_is_valid,
    original::results_of_the_originals_run_count_whatever_was_there_before,
    original::a_run_of_the_original_without_results_of_its_own_is_a_failure_that_says_why,
    original::a_command_that_prints_nothing_or_is_not_there_is_a_failure_too,
    original::two_runs_of_the_original_at_once_are_not_taken_for_each_other,
    command_line::check_says_by_its_exit_code_what_a_history_is,
    command_line::inspect_prints_a_journal_and_its_first_fault,
    runs::a_test_is_run_many_times_with_a_seed_for_each,
    runs::all_runs_are_made_whatever_comes_of_them,
    runs::until_fails_ends_with_the_first_run_that_is_not_valid,
    runs::a_workflow_is_told_what_was_found,
    runs::flags_of_the_original_work_or_say_why_not,
    serve::nothing_outside_of_the_store_can_be_read,
    serve::only_this_machine_is_answered_and_only_who_reads,
    serve::whatever_lies_in_the_store_is_shown_and_breaks_nothing,
    serve::a_run_is_shown_while_it_is_under_way,
    serve::a_bench_that_was_killed_leaves_a_run_without_results,
    serve::a_port_that_is_taken_is_named_with_what_to_do,
    serve::it_ends_at_once_however_many_look,
    serve::a_browser_is_opened_or_the_address_is_told,
    completions::shells_know_every_command_and_its_values,
    completions::manual_pages_know_every_command,
    differences::each_difference_from_the_original_has_a_reason_and_is_shown,
];
