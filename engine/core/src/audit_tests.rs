//! What is done to a chain, and what is found.

use super::*;

/// A journal: links with what stands where their records were.
type Journal = Vec<(Link, Option<Found>)>;

fn content(record: i64, what: &str) -> ContentHash {
    Stored {
        id: record,
        issue: Some(1),
        ordinal: None,
        at_micros: record * 10,
        kind: what,
        actor: "selfheal",
        summary: "",
        facts: None,
    }
    .content()
}

/// Links for records from number `first` on, each made ten microseconds after the one before.
fn journal(first: i64, records: i64) -> Journal {
    let mut head = Head::start(first);
    (first..first + records)
        .map(|record| {
            let link = head.link(record, record * 10, content(record, "as it was"));
            head = link.head();
            (link, Some(Found { content: link.content, says: None }))
        })
        .collect()
}

fn verify(journal: &Journal, known: &[Head], unlinked: u64) -> Verified {
    verify_signed(journal, known, &[], unlinked)
}

fn verify_signed(journal: &Journal, known: &[Head], keys: &[Key], unlinked: u64) -> Verified {
    let mut verifier = Verifier::new(1, known.to_vec(), keys.to_vec());
    journal.iter().for_each(|(link, found)| verifier.take(*link, found.clone()));
    verifier.end(unlinked)
}

/// The record of a link says that these were forgotten, signed by a key if there is one.
fn forget(journal: &mut Journal, seq: usize, records: &[i64], key: Option<&Key>) {
    let head = head_at(journal, seq - 1);
    say(journal, seq, Says::Forgot(Forgot::of(records.iter().copied().collect(), head, key)));
}

fn say(journal: &mut Journal, seq: usize, says: Says) {
    let (link, found) = &mut journal[seq - 1];
    *found = Some(Found { content: link.content, says: Some(says) });
}

fn head_at(journal: &Journal, seq: usize) -> Head {
    journal[seq - 1].0.head()
}

#[test]
fn what_was_done_is_named() {
    let alter = |journal: &mut Journal, seq: usize| {
        journal[seq - 1].1 = Some(Found { content: content(99, "altered"), says: None });
    };
    let remove = |journal: &mut Journal, seqs: &[usize]| {
        seqs.iter().for_each(|seq| journal[seq - 1].1 = None);
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Journal), Vec<Finding>);
    let cases: [Case<'_>; 14] = [
        ("nothing", &|_| {}, vec![]),
        ("altered", &|j| alter(j, 4), vec![Finding::Altered { seq: 4, record: 4 }]),
        (
            "two altered",
            &|j| [3, 7].into_iter().for_each(|seq| alter(j, seq)),
            vec![Finding::Altered { seq: 3, record: 3 }, Finding::Altered { seq: 7, record: 7 }],
        ),
        ("removed", &|j| remove(j, &[4]), vec![Finding::Removed { seq: 4, record: 4 }]),
        (
            "records swapped",
            &|j| {
                let one = j[1].1.take();
                j[1].1 = std::mem::replace(&mut j[5].1, one);
            },
            vec![Finding::Swapped { seq: 2, other: 6 }],
        ),
        (
            "links swapped",
            &|j| {
                let (a, b) = (j[1].0, j[2].0);
                let (one, other) = (j[1].1.take(), j[2].1.take());
                j[1] = (Link { seq: 2, ..b }, other);
                j[2] = (Link { seq: 3, ..a }, one);
            },
            vec![Finding::Broken { seq: 2 }, Finding::Broken { seq: 3 }, Finding::Broken { seq: 4 }],
        ),
        (
            "link altered with its record",
            &|j| {
                let other = content(5, "altered");
                j[4].0.content = other;
                j[4].1 = Some(Found { content: other, says: None });
            },
            vec![Finding::Broken { seq: 5 }],
        ),
        ("time of a link altered", &|j| j[4].0.at_micros = 1, vec![Finding::Broken { seq: 5 }]),
        ("links removed", &|j| drop(j.drain(3..5)), vec![Finding::LinksRemoved { from: 4, to: 5 }]),
        ("beginning cut off", &|j| drop(j.drain(..3)), vec![Finding::LinksRemoved { from: 1, to: 3 }]),
        (
            "forgotten",
            &|j| {
                remove(j, &[1, 2, 5]);
                forget(j, 10, &[1, 2, 5], None);
            },
            vec![],
        ),
        (
            "removed beside what was forgotten",
            &|j| {
                remove(j, &[1, 2, 5]);
                forget(j, 10, &[1, 5], None);
            },
            vec![Finding::Removed { seq: 2, record: 2 }],
        ),
        (
            "forgotten before it was written",
            &|j| {
                remove(j, &[11]);
                forget(j, 10, &[11], None);
            },
            vec![Finding::Removed { seq: 11, record: 11 }],
        ),
        (
            "an altered record excuses nothing",
            &|j| {
                remove(j, &[1]);
                forget(j, 10, &[1], None);
                j[9].1.as_mut().unwrap().content = content(10, "forged");
            },
            vec![Finding::Removed { seq: 1, record: 1 }, Finding::Altered { seq: 10, record: 10 }],
        ),
    ];
    for (name, act, expected) in cases {
        let mut journal = journal(1, 12);
        let noted = head_at(&journal, 12);
        act(&mut journal);
        assert_eq!(verify(&journal, &[noted], 0).findings, expected, "{name}");
    }
}

#[test]
fn a_known_head_finds_what_is_whole_in_itself() {
    let whole = journal(1, 12);
    let known = head_at(&whole, 9);
    let cut = whole[..6].to_vec();
    let mut anew = journal(1, 4);
    for record in 5..13 {
        let head = anew.last().unwrap().0.head();
        let link = head.link(record, record * 10, content(record, "another"));
        anew.push((link, Some(Found { content: link.content, says: None })));
    }
    let cases = [
        ("whole", &whole, Some(known), vec![]),
        ("cut, nothing known", &cut, None, vec![]),
        ("cut", &cut, Some(known), vec![Finding::Cut { end: 6, known }]),
        ("nothing left", &Vec::new(), Some(known), vec![Finding::Cut { end: 0, known }]),
        ("made anew, nothing known", &anew, None, vec![]),
        ("made anew", &anew, Some(known), vec![Finding::Rechained { known }]),
        ("made anew, known before", &anew, Some(head_at(&whole, 3)), vec![]),
    ];
    for (name, journal, known, expected) in cases {
        // The owner of the journal has set its own head, too.
        let own = journal.last().map_or(Head::start(1), |(link, _)| link.head());
        let known: Vec<Head> = known.into_iter().chain([own]).collect();
        assert_eq!(verify(journal, &known, 0).findings, expected, "{name}");
    }
    assert_eq!(verify(&whole, &[], 3).findings, [Finding::Unlinked { records: 3 }]);
    let later = Head::start(5);
    assert_eq!(verify(&whole, &[later], 0).findings, [Finding::Rechained { known: later }]);
}

#[test]
fn every_field_counts_and_none_runs_into_the_next() {
    let stored = Stored {
        id: 1,
        issue: Some(2),
        ordinal: Some(3),
        at_micros: 4,
        kind: "ab",
        actor: "c",
        summary: "d\0",
        facts: Some("{}"),
    };
    let others = [
        Stored { id: 2, ..stored },
        Stored { issue: None, ..stored },
        Stored { issue: None, ordinal: Some(2), ..stored },
        Stored { ordinal: None, ..stored },
        Stored { at_micros: 5, ..stored },
        Stored { kind: "a", actor: "bc", ..stored },
        Stored { actor: "x", ..stored },
        Stored { summary: "d", ..stored },
        Stored { facts: None, ..stored },
        Stored { facts: Some(""), ..stored },
    ];
    for other in others {
        assert_ne!(stored.content(), other.content(), "{other:?}");
    }
    assert_eq!(stored.content(), Stored { summary: "d\u{fffd}", ..stored }.content());
}

#[test]
fn a_head_survives_its_text() {
    let head = head_at(&journal(1, 3), 3);
    assert_eq!(head.to_string().parse(), Ok(head));
    assert_eq!(format!(" {head}\n").parse(), Ok(head));
    for text in ["", "3", "3:", "x:00", ":", "-1:00"] {
        assert_eq!(text.parse::<Head>(), Err(NotAHead), "{text:?}");
    }
}

#[test]
fn a_thousand_findings_are_named_and_the_others_counted() {
    let mut journal = journal(1, 3000);
    journal.iter_mut().for_each(|(_, found)| *found = None);
    let verified = verify(&journal, &[], 0);
    assert_eq!((verified.findings.len(), verified.more), (1000, 2000));
}

/// Links a journal anew from one of its records on, as whoever has no key can do.
fn made_anew(journal: &mut Journal, from: usize) {
    let mut head = if from == 1 { Head::start(1) } else { head_at(journal, from - 1) };
    for (link, found) in journal.iter_mut().skip(from - 1) {
        *link = head.link(link.record, link.at_micros, content(link.record, "another"));
        found.as_mut().unwrap().content = link.content;
        head = link.head();
    }
}

#[test]
fn signatures_find_what_a_chain_cannot() {
    let key = |letter: u8| Key::new(&[letter; KEY_BYTES_MIN]).unwrap();
    let (now, before, foreign) = (key(b'n'), key(b'b'), key(b'f'));
    let sign = |j: &mut Journal, seq: usize, key: &Key| {
        let checkpoint = key.sign(head_at(j, seq - 1), &Numbers::default());
        say(j, seq, Says::Checkpoint(checkpoint));
    };
    let forgotten = |j: &mut Journal, seq: usize, record: i64, key: Option<&Key>| {
        let place = usize::try_from(record).unwrap() - 1;
        j[place].1 = None;
        forget(j, seq, &[record], key);
    };
    let (forged, unknown) = (
        |seq, key: &Key| Finding::Forged { seq, record: seq.cast_signed(), key: key.name().to_owned() },
        |seq, key: &Key| Finding::UnknownKey { seq, record: seq.cast_signed(), key: key.name().to_owned() },
    );
    let only_start = |j: &mut Journal, start: Head| {
        [4, 8].into_iter().for_each(|seq: usize| j[seq - 1].1.as_mut().unwrap().says = None);
        say(j, 1, Says::Checkpoint(now.sign(start, &Numbers::default())));
    };
    let late_after = |j: &mut Journal, kept: i64| {
        j.truncate(usize::try_from(kept).unwrap());
        for record in kept + 1..=12 {
            let head = j.last().unwrap().0.head();
            let link = head.link(record, 4 * 3600 * 1_000_000, content(record, "late"));
            j.push((link, Some(Found { content: link.content, says: None })));
        }
    };
    let late = |j: &mut Journal| late_after(j, 10);
    let removed = |seq: u64| Finding::Removed { seq, record: seq.cast_signed() };
    let missing = |from| Finding::SignatureMissing { from, to: 12 };
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Journal), u64, Vec<Finding>);
    // Links 4 and 8 are signed, the first by the key from before; what is done comes after.
    let cases: [Case<'_>; 19] = [
        ("nothing", &|_| {}, 7, vec![]),
        ("forgotten and signed", &|j| forgotten(j, 10, 2, Some(&now)), 9, vec![]),
        ("forgotten and signed by the key from before", &|j| forgotten(j, 10, 2, Some(&before)), 9, vec![]),
        ("forgotten before anything was signed", &|j| forgotten(j, 3, 1, None), 7, vec![]),
        (
            "a removal that is excused by nobody's word",
            &|j| forgotten(j, 10, 2, None),
            7,
            vec![removed(2), Finding::Unsigned { seq: 10, record: 10 }],
        ),
        (
            "a removal that is excused by a foreign key",
            &|j| forgotten(j, 10, 2, Some(&foreign)),
            7,
            vec![removed(2), unknown(10, &foreign)],
        ),
        (
            "a removal that is excused by a forged signature",
            &|j| {
                let signed = foreign.sign(head_at(j, 9), &Numbers::from_iter([2]));
                j[1].1 = None;
                let forgot = Forgot {
                    records: Numbers::from_iter([2]),
                    signed: Some(Checkpoint { key: now.name().to_owned(), ..signed }),
                };
                say(j, 10, Says::Forgot(forgot));
            },
            7,
            vec![removed(2), forged(10, &now)],
        ),
        (
            "a signature for other records",
            &|j| {
                forgotten(j, 10, 2, Some(&now));
                j[2].1 = None;
                let Some(Found { says: Some(Says::Forgot(forgot)), .. }) = &mut j[9].1 else { panic!() };
                forgot.records = Numbers::from_iter([2, 3]);
            },
            7,
            vec![removed(2), removed(3), forged(10, &now)],
        ),
        (
            "a signature from another chain",
            &|j| {
                let other = Head { hash: content(77, "another"), ..head_at(j, 9) };
                j[1].1 = None;
                say(j, 10, Says::Forgot(Forgot::of(Numbers::from_iter([2]), other, Some(&now))));
            },
            7,
            vec![removed(2), Finding::Rechained { known: Head { seq: 9, hash: content(77, "another") } }],
        ),
        (
            "a checkpoint of a time to come",
            &|j| {
                let other = Head { seq: 30, hash: content(77, "another") };
                say(j, 10, Says::Checkpoint(now.sign(other, &Numbers::default())));
            },
            7,
            vec![Finding::Cut { end: 12, known: Head { seq: 30, hash: content(77, "another") } }],
        ),
        (
            "a forged checkpoint",
            &|j| {
                say(
                    j,
                    10,
                    Says::Checkpoint(Checkpoint {
                        key: now.name().to_owned(),
                        ..foreign.sign(head_at(j, 9), &Numbers::default())
                    }),
                )
            },
            7,
            vec![forged(10, &now)],
        ),
        (
            "made anew under a signature",
            &|j| made_anew(j, 6),
            3,
            vec![Finding::Rechained { known: head_at(&journal(1, 12), 7) }],
        ),
        (
            "made anew, without the signatures",
            &|j| {
                made_anew(j, 1);
                [4, 8].into_iter().for_each(|seq: usize| j[seq - 1].1.as_mut().unwrap().says = None);
            },
            0,
            vec![missing(1)],
        ),
        ("nothing signed but the start", &|j| only_start(j, Head::start(1)), 0, vec![]),
        (
            "nothing signed but the start of another chain",
            &|j| only_start(j, Head::start(2)),
            0,
            vec![Finding::Rechained { known: Head::start(2) }, missing(1)],
        ),
        (
            "nothing signed but the start for hours",
            &|j| {
                only_start(j, Head::start(1));
                late(j);
            },
            0,
            vec![missing(1)],
        ),
        ("nothing but a signature for hours", &|j| late_after(j, 8), 7, vec![]),
        ("a checkpoint removed", &|j| j[7].1 = None, 3, vec![removed(8)]),
        ("nothing signed for hours", &late, 7, vec![missing(8)]),
    ];
    for (name, act, signed, expected) in cases {
        let mut journal = journal(1, 12);
        sign(&mut journal, 4, &before);
        sign(&mut journal, 8, &now);
        act(&mut journal);
        let verified = verify_signed(&journal, &[], &[now.clone(), before.clone()], 0);
        assert_eq!((verified.signed, verified.findings), (signed, expected), "{name}");
    }
}
