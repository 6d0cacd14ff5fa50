//! The quickstart, as a newcomer runs it, to its end.

use std::process::Command;
use std::time::Duration;

use selfheal_test_servers::{
    Alertmanager, Child, ChildOptions, Postgres, Prometheus, PrometheusOptions, Redis, require,
};

use crate::surroundings::Exporter;

/// Longer than it gives itself for the healing.
const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn a_newcomer_sees_it_heal() {
    // Only where everything that it needs is there: a test installs nothing.
    let postgres = require!(Postgres::start());
    drop(require!(Exporter::of_postgres(&postgres)));
    drop(require!(Redis::start()));
    drop(require!(Prometheus::start(&PrometheusOptions::default())));
    drop(require!(Alertmanager::start("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")));

    let directory = tempfile::tempdir().unwrap();
    // PostgreSQL works in there as another user.
    let mut permissions = std::fs::metadata(directory.path()).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o711);
    std::fs::set_permissions(directory.path(), permissions).unwrap();
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/quickstart"));
    command.arg("--once").env("SELFHEAL_BIN", env!("CARGO_BIN_EXE_selfheal-under-test"));
    command.env("TMPDIR", directory.path());
    let log = directory.path().join("terminal");
    let mut quickstart = Child::spawn("quickstart", command, &log, ChildOptions::default()).unwrap();
    let status = quickstart.wait(LIMIT);
    let told = quickstart.log();
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{told}");
    for part in ["received", "matched", "decided and admitted", "cooldown", "applied", "verified", "Healed"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "there are no colours where there is no terminal");
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["terminal"], "everything is removed");
}
