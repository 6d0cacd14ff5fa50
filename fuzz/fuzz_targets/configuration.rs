//! Any text as a configuration: no panic, and a refusal says something.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use selfheal_server::config::{Missing, Overrides, Sources, check};

fuzz_target!(|text: &str| {
    let environment = BTreeMap::from([("NAME".to_owned(), "value".to_owned())]);
    let no_file = |_: &std::path::Path| Err(std::io::Error::other("there are no files"));
    let sources = Sources { environment: &environment, read_file: &no_file, missing: Missing::Refused };
    match check(Some(text), "fuzz.yaml", &sources, &Overrides::default(), &[]) {
        Ok(configuration) => assert!(!configuration.summary().is_empty()),
        Err(refused) => assert!(!refused.to_string().is_empty() && !refused.faults().is_empty()),
    }
});
