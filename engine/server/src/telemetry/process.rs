//! What the process takes of its machine, under the names that Prometheus' own clients have for it, read from /proc when it is
//! asked for.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Ticks of processor time in a second: Linux tells programs hundredths, whatever it counts in.
const TICKS: f64 = 100.0;

/// Name, help and value of a metric.
type Metric = (&'static str, &'static str, fn(&Reading) -> f64);

const METRICS: [Metric; 7] = [
    ("process_cpu_seconds_total", "Processor time, of the program and for it, in seconds.", |read| {
        read.cpu_seconds
    }),
    ("process_start_time_seconds", "When the process began, in seconds since 1970.", |read| read.started),
    ("process_resident_memory_bytes", "Resident memory.", |read| read.resident_bytes),
    ("process_virtual_memory_bytes", "Virtual memory.", |read| read.virtual_bytes),
    ("process_threads", "Threads.", |read| read.threads),
    ("process_open_fds", "Open files and sockets.", |read| read.open_files),
    ("process_max_fds", "How many files and sockets may be open.", |read| read.max_files),
];

/// The process at one moment.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    cpu_seconds: f64,
    started: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    threads: f64,
    open_files: f64,
    max_files: f64,
}

impl Reading {
    /// `None` where /proc is not that of Linux.
    fn take() -> Option<Self> {
        let read = |path: &str| fs::read_to_string(path).ok();
        let open_files = fs::read_dir("/proc/self/fd").ok()?.count();
        let (stat, machine) = (read("/proc/self/stat")?, read("/proc/stat")?);
        Self::of(&stat, &machine, &read("/proc/self/status")?, &read("/proc/self/limits")?, open_files)
    }

    fn of(stat: &str, machine: &str, status: &str, limits: &str, open_files: usize) -> Option<Self> {
        // Fields are counted from behind the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let seconds = |field: usize| Some(fields.get(field)?.parse::<f64>().ok()? / TICKS);
        let word = |text: &str, start: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(start))?;
            line.split_whitespace().next().map(str::to_owned)
        };
        let number = |text: &str, start: &str| word(text, start)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: seconds(11)? + seconds(12)?,
            started: number(machine, "btime ")? + seconds(19)?,
            resident_bytes: number(status, "VmRSS:")? * 1024.0,
            virtual_bytes: number(status, "VmSize:")? * 1024.0,
            threads: number(status, "Threads:")?,
            open_files: open_files as f64,
            max_files: match word(limits, "Max open files ")?.as_str() {
                "unlimited" => f64::INFINITY,
                most => most.parse().ok()?,
            },
        })
    }

    fn metrics(&self) -> Result<Vec<Box<dyn Collector>>, prometheus::Error> {
        let metric = |(name, help, value): &Metric| -> Result<Box<dyn Collector>, _> {
            if name.ends_with("_total") {
                let counter = Counter::new(*name, *help)?;
                counter.inc_by(value(self));
                return Ok(Box::new(counter));
            }
            let gauge = Gauge::new(*name, *help)?;
            gauge.set(value(self));
            Ok(Box::new(gauge))
        };
        METRICS.iter().map(metric).collect()
    }
}

/// The metrics of this process; there are none where /proc is not that of Linux.
pub(crate) struct Process {
    descriptions: Vec<Desc>,
    /// When it began, as was told first: what Linux says of it changes when the clock is set, and restarts are counted by it.
    started: Option<f64>,
}

impl Process {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let metrics = Reading::default().metrics()?;
        let descriptions = metrics.iter().flat_map(|metric| metric.desc()).cloned().collect();
        Ok(Self { descriptions, started: Reading::take().map(|reading| reading.started) })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let reading =
            Reading::take().zip(self.started).map(|(reading, started)| Reading { started, ..reading });
        let metrics = reading.and_then(|reading| reading.metrics().ok()).unwrap_or_default();
        metrics.iter().flat_map(|metric| metric.collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_linux_are_understood() {
        let stat =
            "4711 (a) strange (name) S 1 4711 4711 0 -1 4194560 9 0 0 0 1234 66 0 0 20 0 13 0 50025 9 1 1";
        let machine = "cpu  1 2 3\nintr 5 6\nbtime 1700000000\nprocesses 12";
        let status = "Name:\ta\nVmPeak:\t 9000 kB\nVmSize:\t 8000 kB\nVmRSS:\t  2000 kB\nThreads:\t13\n";
        let limits = "Limit        Soft Limit   Hard Limit   Units\nMax open files   1024   4096   files\n";
        let read = Reading {
            cpu_seconds: 13.0,
            started: 1_700_000_500.25,
            resident_bytes: 2_048_000.0,
            virtual_bytes: 8_192_000.0,
            threads: 13.0,
            open_files: 7.0,
            max_files: 1024.0,
        };
        assert_eq!(Reading::of(stat, machine, status, limits, 7), Some(read));
        let unlimited = limits.replace("1024", "unlimited");
        assert_eq!(Reading::of(stat, machine, status, &unlimited, 7).unwrap().max_files, f64::INFINITY);
        assert_eq!(Reading::of("", machine, status, limits, 7), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_begun_and_takes_something() {
        let (read, now) = (Reading::take().unwrap(), jiff::Timestamp::now().as_second() as f64);
        assert!(read.started > now - 3600.0 && read.started <= now + 1.0, "{read:?}, it is {now}");
        assert!(read.resident_bytes > 1e6 && read.virtual_bytes >= read.resident_bytes, "{read:?}");
        assert!(
            read.threads >= 1.0 && read.open_files >= 3.0 && read.max_files > read.open_files,
            "{read:?}"
        );
    }
}
