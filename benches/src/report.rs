//! What a run found, as the rows of README.md's table.

use std::fmt::Display;
use std::process::Command;

use jiff::Timestamp;

/// One figure beside its floor.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// What it came to.
    pub measured: String,
    /// The floor, measured in the same run.
    pub floor: String,
    /// Measured to floor.
    pub ratio: String,
    /// What is wanted.
    pub wanted: String,
}

impl Row {
    /// A row.
    pub fn new(
        figure: impl Display,
        measured: impl Display,
        floor: impl Display,
        ratio: impl Display,
        wanted: impl Display,
    ) -> Self {
        Self {
            figure: figure.to_string(),
            measured: measured.to_string(),
            floor: floor.to_string(),
            ratio: ratio.to_string(),
            wanted: wanted.to_string(),
        }
    }
}

/// Prints rows as a table, with the day.
pub fn print(rows: &[Row]) {
    let day = Timestamp::now().strftime("%Y-%m-%d").to_string();
    println!("\n| figure | measured | floor | ratio | wanted | date |\n|---|---|---|---|---|---|");
    for Row { figure, measured, floor, ratio, wanted } in rows {
        println!("| {figure} | {measured} | {floor} | {ratio} | {wanted} | {day} |");
    }
}

/// Says something about a run that goes on.
pub fn note(text: impl Display) {
    eprintln!("{text}");
}

/// What the machine is, and how busy it is with other things: one line.
pub fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let kernel = Command::new("uname").arg("-r").output().map(|output| output.stdout).unwrap_or_default();
    let kernel = String::from_utf8_lossy(&kernel);
    format!("{processors} processors, Linux {}, load {}", kernel.trim(), load.join(" "))
}
