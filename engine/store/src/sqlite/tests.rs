#[test]
fn probe() {
    let c = rusqlite::Connection::open_in_memory().unwrap();
    c.execute_batch(include_str!("schema/1.sql")).unwrap();
    for sql in ["SELECT id, seen FROM issues WHERE fingerprint = ?1 ORDER BY id DESC LIMIT 1","SELECT id, seen FROM issues WHERE fingerprint = ?1", "SELECT id, seen FROM issues INDEXED BY issues_by_fingerprint WHERE fingerprint = ?1 ORDER BY id DESC LIMIT 1",
"SELECT id, seen FROM issues WHERE fingerprint = +?1 ORDER BY id DESC LIMIT 1",
"SELECT id, seen FROM issues WHERE id = (SELECT max(id) FROM issues WHERE fingerprint = ?1)",
"SELECT seq FROM sqlite_sequence WHERE name = 'issues' AND 1=?1",
"SELECT id, closed_at IS NULL FROM issues WHERE fingerprint = ?1",
"SELECT id, starts_at, starts_nanos, seen, resolved_at IS NOT NULL, closed_at IS NULL
         FROM issues WHERE fingerprint = ?1 ORDER BY id DESC LIMIT 1",
        "UPDATE remediations SET ended_at = ?3, outcome = ?4, why = ?5
         WHERE issue = ?1 AND ordinal = ?2 AND ended_at IS NULL RETURNING ?3 - started_at",
         "UPDATE intents SET state = ?3, said = ?4, changed_at = ?5, applied_at = coalesce(?6, applied_at),
             revert_at = ?7
         WHERE id = ?1 AND state = ?2", "UPDATE issues SET phase = 'rested', wake_at = ?2, outcome = coalesce(?3, outcome), why = ?4
         WHERE id = ?1 AND phase IN ('waiting', 'rested')",
         "DELETE FROM receipts WHERE id = ?1",
         "INSERT INTO totals (outcome, remediations, duration_micros) VALUES (?1, 1, ?2)
         ON CONFLICT DO UPDATE SET remediations = remediations + 1, duration_micros = duration_micros + ?2",
         "INSERT INTO receipts (received_at, source, trace, body) VALUES (?1, ?2, ?3, ?4)"] {
        let mut s = c.prepare(sql).unwrap();
        for i in 0..10 {
            let n = s.parameter_count();
            for p in 1..=n { s.raw_bind_parameter(p, format!("{}", i)).unwrap(); }
            let mut r = s.raw_query(); let _ = r.next(); drop(r); s.clear_bindings();
        }
        println!("{} {} {}", s.get_status(rusqlite::StatementStatus::RePrepare), s.get_status(rusqlite::StatementStatus::VmStep), sql.get(..40).unwrap_or(sql));
    }
    let mut s = c.prepare("PRAGMA compile_options").unwrap();
    let v: Vec<String> = s.query_map([], |r| r.get(0)).unwrap().map(|x| x.unwrap()).collect();
    println!("{v:?}");
}
