//! Cuts a JSON array into its elements while it arrives, without reading them: so one element is in memory at a time, and
//! one that cannot be read is known from where it begins to where it ends.
//!
//! Only strings and brackets are followed. What lies between is for the reader of the element to judge.

/// The largest element; larger ones are passed over.
const ELEMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An element's bytes, without space around it, or why it was passed over.
pub(super) type Element<'e> = Result<&'e [u8], String>;

/// Where in the array the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the array.
    #[default]
    Before,
    /// In it.
    Within,
    /// After it.
    After,
}

/// An array that is arriving.
#[derive(Debug, Default)]
pub(super) struct Elements {
    place: Place,
    /// How many brackets are open within the element.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash that escapes this one.
    escaped: bool,
    /// The element so far; empty once it has grown too large.
    element: Vec<u8>,
    element_bytes: usize,
    /// A comma came last, so there must be another element.
    wanted: bool,
}

impl Elements {
    /// Takes the next bytes, and hands on each element that they end, or what is wrong with it.
    ///
    /// # Errors
    /// It is no array.
    pub(super) fn feed(&mut self, bytes: &[u8], visit: &mut dyn FnMut(Element<'_>)) -> Result<(), String> {
        // Where the part of the element begins that is not copied yet.
        let mut start = 0;
        for (at, byte) in bytes.iter().copied().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match (self.place, byte) {
                (_, b' ' | b'\t' | b'\n' | b'\r') => {}
                (Place::Before, b'[') => {
                    self.place = Place::Within;
                    start = at + 1;
                }
                (Place::Before, _) => return Err("the answer is no JSON array of alerts".into()),
                (Place::After, _) => return Err("the answer goes on after its array of alerts".into()),
                (Place::Within, b'"') => self.in_string = true,
                (Place::Within, b'[' | b'{') => self.depth += 1,
                (Place::Within, b']' | b'}') if self.depth > 0 => self.depth -= 1,
                (Place::Within, b']') => {
                    self.add(&bytes[start..at]);
                    if self.wanted || !self.is_blank() {
                        self.end(visit);
                    }
                    self.place = Place::After;
                }
                (Place::Within, b',') if self.depth == 0 => {
                    self.add(&bytes[start..at]);
                    start = at + 1;
                    self.end(visit);
                    self.wanted = true;
                }
                (Place::Within, _) => {}
            }
        }
        if self.place == Place::Within {
            self.add(&bytes[start..]);
        }
        Ok(())
    }

    /// Says whether the array has come to its end.
    ///
    /// # Errors
    /// It has not.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.place {
            Place::Before => Err("the answer is empty, expected a JSON array of alerts".into()),
            Place::Within => Err("the answer ends within its array of alerts".into()),
            Place::After => Ok(()),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.element_bytes += bytes.len();
        if self.element_bytes <= ELEMENT_BYTES_MAX {
            self.element.extend_from_slice(bytes);
        } else {
            self.element = Vec::new();
        }
    }

    fn is_blank(&self) -> bool {
        self.element_bytes <= ELEMENT_BYTES_MAX && self.element.trim_ascii().is_empty()
    }

    fn end(&mut self, visit: &mut dyn FnMut(Element<'_>)) {
        if self.element_bytes > ELEMENT_BYTES_MAX {
            visit(Err(format!(
                "an alert has {} bytes, expected at most {ELEMENT_BYTES_MAX}",
                self.element_bytes
            )));
        } else {
            visit(Ok(self.element.trim_ascii()));
        }
        self.element.clear();
        self.element_bytes = 0;
        self.wanted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements of a text fed in pieces of `piece` bytes.
    fn cut(text: &str, piece: usize) -> Result<Vec<String>, String> {
        let (mut elements, mut found) = (Elements::default(), Vec::new());
        for bytes in text.as_bytes().chunks(piece) {
            elements.feed(bytes, &mut |element| {
                found.push(element.map_or_else(|fault| fault, |bytes| String::from_utf8_lossy(bytes).into()));
            })?;
        }
        elements.finish().map(|()| found)
    }

    #[test]
    fn elements_are_found_however_they_arrive() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("[]", Some(&[])),
            (" [ \n ] \n", Some(&[])),
            ("[1]", Some(&["1"])),
            (
                r#"[{"a":[1,{}]}, "]", {"b":"\"],\\"}]"#,
                Some(&[r#"{"a":[1,{}]}"#, r#""]""#, r#"{"b":"\"],\\"}"#]),
            ),
            ("[{} , nonsense ,[[]],\"ä,\"]", Some(&["{}", "nonsense", "[[]]", "\"ä,\""])),
            ("[1,]", Some(&["1", ""])),
            ("[,1]", Some(&["", "1"])),
            ("", None),
            ("[", None),
            ("[{}", None),
            ("[\"]", None),
            ("[] []", None),
            ("{}", None),
            ("null", None),
            ("<html>", None),
        ];
        for (text, expected) in cases {
            for piece in 1..=text.len().max(1) {
                let found = cut(text, piece);
                let expected = expected.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect());
                assert_eq!(found.clone().ok(), expected, "{text:?} by {piece}: {found:?}");
            }
        }
    }

    #[test]
    fn an_absurd_element_is_passed_over() {
        let text =
            format!("[1,\"{}\",2,[{}]]", "x".repeat(ELEMENT_BYTES_MAX), "[],".repeat(ELEMENT_BYTES_MAX / 3));
        for piece in [1000, 65_536, text.len()] {
            let found = cut(&text, piece).unwrap();
            assert_eq!(found.len(), 4);
            assert_eq!((found[0].as_str(), found[2].as_str()), ("1", "2"));
            assert!(found[1].contains("expected at most") && found[3].contains("expected at most"));
        }
    }
}
