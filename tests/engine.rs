//! The engine module against real engines. `K2D_TEST_DOCKER` and `K2D_TEST_PODMAN` name their sockets
//! (`unix:///…`), as `make test` sets them; a test whose engine is not named says that it is skipped.

#[path = "engine/bed.rs"]
mod bed;
#[path = "engine/events.rs"]
mod events;
#[path = "engine/images.rs"]
mod images;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/logs.rs"]
mod logs;
#[path = "engine/networks.rs"]
mod networks;
#[path = "engine/proxy.rs"]
mod proxy;
#[path = "engine/reach.rs"]
mod reach;
#[path = "engine/registry.rs"]
mod registry;
#[path = "engine/streams.rs"]
mod streams;
#[path = "engine/volumes.rs"]
mod volumes;

/// One test for each engine, of the functions of the same names.
macro_rules! on_both_engines {
    ($($module:ident: $($name:ident),+;)+) => {
        mod docker { $(mod $module { $(
            #[test]
            fn $name() {
                crate::bed::run("K2D_TEST_DOCKER", concat!(stringify!($module), "-", stringify!($name)), crate::$module::$name);
            }
        )+ })+ }
        mod podman { $(mod $module { $(
            #[test]
            fn $name() {
                crate::bed::run("K2D_TEST_PODMAN", concat!(stringify!($module), "-", stringify!($name)), crate::$module::$name);
            }
        )+ })+ }
    };
}

on_both_engines! {
    life: a_container_lives_and_ends, a_stop_waits_then_kills, a_signal_of_ones_own, names_are_unique, a_rename_keeps_the_container,
        a_taken_port_is_told, a_missing_program_is_told, limits_change_while_it_runs, the_restart_policy_counts,
        what_was_asked_for_arrives, lists_choose_by_label, stats_and_processes, states_of_a_freeze;
    images: an_image_is_imported_tagged_and_removed, what_is_not_present_is_told, an_unreachable_registry_is_told, pulls_carry_credentials, one_in_use_stays;
    networks: a_fixed_address_is_kept, a_taken_address_is_told, networks_are_made_once, containers_share_a_network, one_in_use_is_not_removed;
    volumes: volumes_outlive_containers, memory_and_read_only_mounts, a_missing_bind_source_is_told, files_pass_as_tar;
    logs: both_streams_stay_apart, tails_and_times, following_ends_with_the_container, a_terminals_log_is_raw;
    streams: exec_exit_codes, exec_carries_bytes_both_ways, exec_streams_stay_apart, a_terminal_has_a_size, attach_talks_to_the_program,
        a_slow_reader_slows_the_writer, run_exec_gives_up_in_time;
    events: a_life_is_told_in_order, nothing_is_lost_over_a_break, other_things_are_told;
    reach: it_says_what_it_is, a_socket_that_comes_later, a_full_queue_is_waited_for, connections_are_reused;
}
