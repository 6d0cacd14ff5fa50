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
            (link, Some(Found { content: link.content, forgot: None }))
        })
        .collect()
}

fn verify(journal: &Journal, known: &[Head], unlinked: u64) -> Verified {
    let mut verifier = Verifier::new(1, known.to_vec());
    journal.iter().for_each(|(link, found)| verifier.take(*link, *found));
    verifier.end(unlinked)
}

fn head_at(journal: &Journal, seq: usize) -> Head {
    journal[seq - 1].0.head()
}

#[test]
fn what_was_done_is_named() {
    let alter = |journal: &mut Journal, seq: usize| {
        journal[seq - 1].1 = Some(Found { content: content(99, "altered"), forgot: None });
    };
    let forget = |journal: &mut Journal, seqs: &[usize], records, through_micros| {
        seqs.iter().for_each(|seq| journal[seq - 1].1 = None);
        journal[9].1 =
            journal[9].1.map(|found| Found { forgot: Some(Forgot { records, through_micros }), ..found });
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
        (
            "removed",
            &|j| j[3].1 = None,
            vec![Finding::Removed { seq: 4, record: 4 }, Finding::MoreRemoved { missing: 1, forgotten: 0 }],
        ),
        (
            "records swapped",
            &|j| (j[1].1, j[5].1) = (j[5].1, j[1].1),
            vec![Finding::Swapped { seq: 2, other: 6 }],
        ),
        (
            "links swapped",
            &|j| {
                let (a, b) = (j[1].0, j[2].0);
                j[1].0 = Link { seq: 2, ..b };
                j[2].0 = Link { seq: 3, ..a };
                (j[1].1, j[2].1) = (j[2].1, j[1].1);
            },
            vec![Finding::Broken { seq: 2 }, Finding::Broken { seq: 3 }, Finding::Broken { seq: 4 }],
        ),
        (
            "link altered with its record",
            &|j| {
                let other = content(5, "altered");
                j[4].0.content = other;
                j[4].1 = Some(Found { content: other, forgot: None });
            },
            vec![Finding::Broken { seq: 5 }],
        ),
        ("time of a link altered", &|j| j[4].0.at_micros = 1, vec![Finding::Broken { seq: 5 }]),
        ("links removed", &|j| drop(j.drain(3..5)), vec![Finding::LinksRemoved { from: 4, to: 5 }]),
        ("beginning cut off", &|j| drop(j.drain(..3)), vec![Finding::LinksRemoved { from: 1, to: 3 }]),
        ("forgotten", &|j| forget(j, &[1, 2, 5], 3, 50), vec![]),
        (
            "removed beside what was forgotten, and newer",
            &|j| forget(j, &[1, 2, 6], 2, 50),
            vec![Finding::Removed { seq: 6, record: 6 }, Finding::MoreRemoved { missing: 3, forgotten: 2 }],
        ),
        (
            "removed beside what was forgotten, and older",
            &|j| forget(j, &[1, 2, 5], 2, 50),
            vec![Finding::MoreRemoved { missing: 3, forgotten: 2 }],
        ),
        (
            "an altered record excuses nothing",
            &|j| {
                forget(j, &[1], 1, 50);
                j[9].1 = j[9].1.map(|found| Found { content: content(10, "forged"), ..found });
            },
            vec![
                Finding::Removed { seq: 1, record: 1 },
                Finding::Altered { seq: 10, record: 10 },
                Finding::MoreRemoved { missing: 1, forgotten: 0 },
            ],
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
        anew.push((link, Some(Found { content: link.content, forgot: None })));
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
    assert_eq!((verified.findings.len(), verified.more), (1000, 2001));
}
