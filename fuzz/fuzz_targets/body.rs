//! Any bytes as a notification: no panic, every alert or fault has its place, and what is taken survives its own JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use selfheal_core::alert::Alert;
use selfheal_core::notification::parse;

fuzz_target!(|body: &[u8]| {
    let mut seen = 0;
    let parsed = parse(body, &mut |place, alert| {
        assert_eq!(place, seen, "alerts come in their order");
        seen += 1;
        let Ok(alert) = alert else { return };
        let text = serde_json::to_string(&alert).expect("an alert is JSON");
        let again: Alert = serde_json::from_str(&text).expect("what was written can be read");
        assert_eq!(again.key(), alert.key());
    });
    if let Ok(envelope) = parsed {
        assert_eq!(envelope.alerts + envelope.refused, seen);
    }
});
