//! Encrypted connections, with a certificate that the server makes for itself.

mod support;

use selfheal_contract::FailureKind;
use selfheal_test_servers::Postgres;
use serde_json::{Value, json};
use support::{World, connect, object};

/// Turns encryption on, and gives the server's certificate, which is its own authority. The server's own user makes
/// the files, since the key must belong to it.
fn encrypt(postgres: &Postgres, address: &str, name: &str) -> String {
    let make = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
         -addext subjectAltName=IP:{address} -addext basicConstraints=critical,CA:FALSE \
         -keyout {name}.key -out {name}.crt 2>{name}.log && chmod 600 {name}.key && echo"
    );
    let setup = format!("create temp table made (line text); copy made from program '{make}'");
    postgres.sql(&setup).expect("openssl comes with PostgreSQL's packages");
    for setting in [
        format!("ssl_cert_file = '{name}.crt'"),
        format!("ssl_key_file = '{name}.key'"),
        "ssl = on".to_owned(),
    ] {
        postgres.sql(&format!("alter system set {setting}")).expect("a superuser may set this");
    }
    postgres.sql("select pg_reload_conf()").expect("a superuser may reload");
    let rows = postgres.sql(&format!("select pg_read_file('{name}.crt')")).expect("a superuser may read it");
    rows[0][0].clone().expect("the file has a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_as_asked() {
    let Some(world) = World::start() else { return };
    let stranger = encrypt(&world.postgres, "127.0.0.2", "stranger");
    let authority = encrypt(&world.postgres, "127.0.0.1", "server");
    world
        .until("new connections are encrypted", "select setting from pg_settings where name = 'ssl'", "on")
        .await;

    let cases = [
        ("disable", None, Ok("false")),
        ("prefer", None, Ok("true")),
        ("require", None, Ok("true")),
        ("require", Some(&authority), Ok("true")),
        ("verify-full", Some(&authority), Ok("true")),
        ("verify-full", Some(&stranger), Err("invalid peer certificate")),
        ("require", Some(&stranger), Err("invalid peer certificate")),
    ];
    for (tls, ca, expected) in cases {
        let section =
            json!({ "targets": { "main": { "tls": tls, "ca": ca.map_or(Value::Null, |ca| json!(ca)) } } });
        let adapter = connect(&world.postgres, "selfheal", section);
        let read = adapter.probes[0].read(&object(json!({ "database": "main" }))).await;
        let sql = "select s.ssl::text from pg_stat_ssl s join pg_stat_activity a using (pid)
                   where a.application_name = 'selfheal'";
        match (read, expected) {
            (Ok(_), Ok(encrypted)) => assert_eq!(world.value(sql), encrypted, "{tls}"),
            (Err(failure), Err(part)) => {
                assert_eq!(failure.kind, FailureKind::Transient, "{tls}: {failure}");
                assert!(failure.what.contains(part), "{tls}: {failure}");
            }
            (read, _) => panic!("{tls}: {read:?}"),
        }
        drop(adapter);
        world.until("the connection is closed", &format!("select count(*) from ({sql}) s"), "0").await;
    }
}
