//! Bodies as Alertmanager posts them, rendered once, with places at which a number makes every alert a new one.

use std::fmt::Write as _;

use jiff::Timestamp;

/// The hexadecimal digits of a number.
const DIGITS: usize = 16;

/// A whole request with its body. Patching numbers in is all that a new notification costs the client.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    /// Where the body begins.
    body_at: usize,
    /// Where numbers stand, with the place of their alert in the body.
    marks: Vec<(usize, u64)>,
    alerts: u64,
}

impl Request {
    /// A POST to the webhook with so many firing alerts of one name.
    ///
    /// Each alert has eight labels, two annotations and a generator URL; about 560 bytes.
    pub fn new(alertname: &str, alerts: u64) -> Self {
        let starts_at = Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default();
        let (mut body, mut marks) = (String::new(), Vec::new());
        body.push_str(r#"{"receiver":"selfheal","status":"firing","alerts":["#);
        for place in 0..alerts {
            if place > 0 {
                body.push(',');
            }
            let mut mark = |body: &mut String| {
                marks.push((body.len(), place));
                body.push_str(&"0".repeat(DIGITS));
            };
            let _ = write!(
                body,
                r#"{{"status":"firing","labels":{{"alertname":"{alertname}","app":"checkout","cluster":"eu-1","instance":""#
            );
            mark(&mut body);
            body.push_str(r#"","job":"pods","namespace":"shop","pod":"checkout-"#);
            mark(&mut body);
            let _ = write!(
                body,
                r#"","severity":"critical"}},"annotations":{{"description":"More than 5 % of the requests have failed for two minutes.","summary":"checkout fails"}},"startsAt":"{starts_at}","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=rate%28errors%5B1m%5D%29+%3E+0.05","fingerprint":""#
            );
            mark(&mut body);
            body.push_str(r#""}"#);
        }
        let _ = write!(
            body,
            r#"],"groupLabels":{{"alertname":"{alertname}"}},"commonLabels":{{"alertname":"{alertname}","app":"checkout","cluster":"eu-1","job":"pods","namespace":"shop","severity":"critical"}},"commonAnnotations":{{"summary":"checkout fails"}},"externalURL":"http://alertmanager:9093","version":"4","groupKey":"{{}}:{{alertname=\"{alertname}\"}}","truncatedAlerts":0}}"#
        );
        let head = format!(
            "POST /webhook/alertmanager HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Alertmanager/0.28\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let body_at = head.len();
        marks.iter_mut().for_each(|(at, _)| *at += body_at);
        Self { bytes: (head + body.as_str()).into_bytes(), body_at, marks, alerts }
    }

    /// Makes the alerts those with the numbers from `first` on.
    pub fn number(&mut self, first: u64) {
        for (at, place) in &self.marks {
            write_digits(&mut self.bytes[*at..*at + DIGITS], first + place);
        }
    }

    /// Head and body, as they are sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body alone.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_at..]
    }

    /// How many alerts it has.
    pub fn alerts(&self) -> u64 {
        self.alerts
    }
}

fn write_digits(place: &mut [u8], number: u64) {
    for (at, digit) in place.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * at)) as usize & 0xf];
    }
}

#[cfg(test)]
mod tests {
    use selfheal_core::notification::Notification;

    use super::*;

    #[test]
    fn every_number_makes_alerts_of_its_own() {
        let mut request = Request::new("Bench", 3);
        request.number(0xabc);
        let read = Notification::read(request.body()).unwrap();
        assert!(read.faults.is_empty());
        let told: Vec<_> = read
            .alerts
            .iter()
            .map(|(_, alert)| (alert.labels.get("instance").unwrap_or(""), alert.fingerprint.to_string()))
            .collect();
        let expected = ["0000000000000abc", "0000000000000abd", "0000000000000abe"];
        assert_eq!(told, expected.map(|number| (number, number.to_owned())));
        let length = format!("Content-Length: {}\r\n", request.body().len());
        assert!(String::from_utf8_lossy(request.bytes()).contains(&length));
    }
}
