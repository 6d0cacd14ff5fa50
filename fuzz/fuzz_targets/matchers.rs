//! Any text as matchers: no panic, and what is read prints as something that reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selfheal_core::matcher::{Matcher, parse_matchers};

fuzz_target!(|text: &str| {
    for matcher in parse_matchers(text).unwrap_or_default() {
        let printed = matcher.to_string();
        let again: Matcher = printed.parse().expect("what is printed can be read");
        assert_eq!(again, matcher, "{printed}");
    }
});
