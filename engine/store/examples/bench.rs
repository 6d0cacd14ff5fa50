//! bench
use jiff::Timestamp;
use selfheal_core::alert::*;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::*;
use selfheal_core::labels::Labels;
use selfheal_core::plan::*;
use selfheal_core::remediation::*;
use selfheal_core::rule::*;
use selfheal_runtime::ports::journal::*;
use selfheal_runtime::ports::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::*;
use std::time::*;
fn main() {
    let clients: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(64);
    let total: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    rt.block_on(async{
 let j=Arc::new(selfheal_store::SqliteJournal::open(&dir.path().join("j.db")).unwrap());
 for mode in std::env::var("MODES").map(|m|m.split(",").map(|s|&*s.to_owned().leak()).collect::<Vec<&'static str>>()).unwrap_or(vec!["receive","known","all"]) {
 let n=Arc::new(AtomicU64::new(0)); let t0=Instant::now(); let c0=cpu(); let mut hs=vec![];
 let lat=Arc::new(std::sync::Mutex::new(Vec::<u64>::new()));
 for _ in 0..clients { let j=j.clone(); let n=n.clone(); let lat=lat.clone(); hs.push(tokio::spawn(async move{ let mut l=vec![];
  loop { let i=n.fetch_add(1,Ordering::Relaxed); if i>=total {break}
   let now=Timestamp::from_second(1_800_000_000).unwrap();
   let b=Instant::now();
   let r=j.receive(NewReceipt{received_at:now,source:"alertmanager",trace:format!("{i:032x}"),body:vec![7;400]}).await.unwrap();
   l.push(b.elapsed().as_micros() as u64);
   if mode=="receive" {continue}
   let name=if mode=="known" {format!("known{}",i%100)} else {format!("i{i}")};
   let labels:Labels=[("alertname","PostgresConnectionsHigh"),("severity","critical"),("namespace","prod"),("job","postgres"),("instance",name.as_str())].into_iter().collect();
   let alert=Alert{status:AlertStatus::Firing,fingerprint:labels.fingerprint(),labels,annotations:[("summary","too many connections on it"),("description","The database has used more than 85 % of its connections for two minutes.")].into_iter().collect(),starts_at:now,ends_at:None,generator_url:"http://prometheus:9090/graph?g0.expr=pg_stat_activity".into()};
   let s=Sighting{receipt:r,received_at:now,trace:format!("{i:032x}"),alert,opening:Opening{rule:Some("connections".into()),priority:Some(Priority::Critical),component:Some(Component::Database),resource:name,wake_at:Some(now),outcome:None}};
   let a=j.expand(vec![s],vec![Progress{receipt:r,expanded:1,finished:true}]).await.unwrap();
   let Sighted::Opened(id)=a[0] else {continue};
   let rem=RemediationId{issue:id,ordinal:1};
   let plan=Plan::Step(Box::new(Step{path:"0".into(),action:ActionCall{adapter:"log".into(),action:"write".into(),params:json!({"text":"hello there"}).as_object().unwrap().clone()},options:StepOptions::default(),line:Some(3)}));
   let hash=ContentHash::of_parts([b"x".as_slice()]);
   let iid=ContentHash::of_parts([i.to_le_bytes().as_slice(),mode.as_bytes()]);
   let rec=|k:&str|Write::Record(Record{issue:Some(id),remediation:Some(rem),at:now,kind:k.into(),actor:"selfheal".into(),summary:"did something to it".into(),facts:json!({"rule":"connections","generation":1,"age_seconds":1.5,"level":0,"observed":{"a":{"used":97,"max":100}},"verdicts":[{"guard":"switch","verdict":"pass","why":"automatic remediation is on"},{"guard":"mode","verdict":"pass","why":"auto"},{"guard":"cooldown","verdict":"pass","why":"not treated in the last 300s"}]})});
   let mv=|event|Write::Move{issue:id,event,wake_at:None,outcome:None,why:"because of it".into(),at:now};
   let claim=Claim{holder:rem.to_string(),duplicate_key:format!("{id}/connections"),targets:vec!["pg/main".into()],rule:"connections".into(),cooldown:Duration::from_secs(300),per_target_max:10,in_all_max:100,rate_window:Duration::from_secs(3600),concurrent_max:10,lease:Duration::from_secs(30)};
   let intent=Intent{id:iid,remediation:rem,path:"0".into(),try_number:1,action:"log.write".into(),params:json!({"text":"hello there"}),target:"log".into(),prior:Value::Null,before:Value::Null,state:IntentState::Executing,said:String::new(),intended_at:now,applied_at:None,changed_at:now,revert_at:None};
   j.commit(vec![mv(Event::Begin),Write::Begin(Box::new(Remediation{id:rem,rule:"connections".into(),generation:1,level:0,plan,plan_hash:hash,claim,approved_by:None,started_at:now,ended_at:None,outcome:None,why:"w".into(),trace:format!("{i:032x}")})),Write::Intend(Box::new(intent)),rec("decided")]).await.unwrap();
   j.commit(vec![Write::MoveIntent{id:iid,from:IntentState::Executing,to:IntentState::Applied,said:"ok".into(),at:now,revert_at:None},mv(Event::Rest),Write::End{id:rem,outcome:Outcome::Applied,why:"w".into(),at:now},Write::CountResult{rule:"connections".into(),action:"log.write".into(),success:true}]).await.unwrap();
  } lat.lock().unwrap().extend(l); }))}
 for h in hs {h.await.unwrap()}
 let c1=cpu(); println!("journal thread cpu: {:.1} us/op (user {:.1}); whole process {:.1} us/op", (c1.0-c0.0)*1e4/total as f64,(c1.2-c0.2)*1e4/total as f64,(c1.1-c0.1)*1e4/total as f64); let e=t0.elapsed().as_secs_f64(); let mut l=lat.lock().unwrap().clone(); l.sort();
 println!("{mode}: {:.0}/s  receive p50 {} us p99 {} us max {}",total as f64/e,l[l.len()/2],l[l.len()*99/100],l[l.len()-1]);
 }
 println!("{:?}", std::fs::metadata(dir.path().join("j.db")).unwrap().len()/1_000_000);
 println!("wal {:?}", std::fs::metadata(dir.path().join("j.db-wal")).unwrap().len()/1_000_000);
 });
}

fn cpu() -> (f64, f64, f64) {
    let mut j = 0.0;
    let mut ju = 0.0;
    let mut all = 0.0;
    for t in std::fs::read_dir("/proc/self/task").unwrap() {
        let s = String::from_utf8(std::fs::read(t.unwrap().path().join("stat")).unwrap()).unwrap();
        let (a, b) = s.rsplit_once(") ").unwrap();
        let f: Vec<&str> = b.split(' ').collect();
        let c = f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap();
        all += c;
        if a.ends_with("(journal") {
            j += c;
            ju += f[11].parse::<f64>().unwrap()
        }
    }
    (j, all, ju)
}
