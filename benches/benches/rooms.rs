//! The times of single rooms beside those of their floors: `cargo bench -p selfheal-benches`.

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let directory = tempfile::tempdir().expect("a directory for the journals can be made");
    let cases = selfheal_benches::cases::all(directory.path()).expect("the journals can be opened");
    for mut case in cases {
        let mut group = criterion.benchmark_group(case.figure);
        group.bench_function(format!("floor: {}", case.floor_is), |bencher| bencher.iter(&mut case.floor));
        group.bench_function("selfheal", |bencher| bencher.iter(&mut case.work));
        group.finish();
    }
    criterion.final_summary();
}
