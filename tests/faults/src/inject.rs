//! Does to the house what the agenda says. What takes long is done beside, so that the agenda keeps its times.

use std::sync::Mutex;

use selfheal_test_servers::Error;

use crate::draw::{Act, End, REPLICAS};
use crate::house::House;

/// What is done one after the other for each server, however it is called for.
#[derive(Default)]
pub struct Hands {
    postgres: Mutex<()>,
    redis: Mutex<()>,
    alertmanagers: [Mutex<()>; 2],
}

impl Hands {
    /// Does one thing; waits until it is done.
    ///
    /// # Errors
    /// When a server does not come back, which says nothing about selfheal.
    pub fn act(&self, house: &House, act: Act) -> Result<(), Error> {
        let replica = |number: usize| &house.replicas[number];
        let way = |number: usize, end: End| replica(number).ways.to(end);
        match act {
            Act::Kill(number) => replica(number).kill(),
            Act::Start(number) => replica(number).start()?,
            Act::Freeze(number) => replica(number).freeze(true),
            Act::Thaw(number) => replica(number).freeze(false),
            Act::Reset(number, end) => way(number, end).reset(),
            Act::Play(number, end, trick) => way(number, end).play(trick),
            Act::Slow(number, end, by) => way(number, end).slow(by),
            Act::Cut(number, end) => way(number, end).cut(true),
            Act::Mend(number, end, late) => mend(house, number, &[end], late),
            Act::Isolate(number) => {
                house.hall.cut(number, true);
                replica(number).ways.all().for_each(|way| way.cut(true));
            }
            Act::Rejoin(number, late) => {
                mend(house, number, &End::ALL, late);
                house.hall.cut(number, false);
            }
            Act::Deafen(number) => house.hall.deafen(number),
            Act::KillPostgres => {
                let _alone = self.postgres.lock();
                house.postgres.kill();
            }
            Act::StartPostgres => {
                let _alone = self.postgres.lock();
                if !house.postgres.is_running() {
                    house.postgres.restart()?;
                }
            }
            Act::EmptyRedis => {
                let _alone = self.redis.lock();
                house.empty_redis()?;
            }
            Act::StallRedis => {
                let _alone = self.redis.lock();
                house.stall_redis();
            }
            Act::FailOver => {
                let _alone = self.redis.lock();
                house.fail_over()?;
            }
            Act::KillAlertmanager(which) => {
                let _alone = self.alertmanagers[which].lock();
                house.alertmanagers[which].kill();
            }
            Act::StartAlertmanager(which) => {
                let _alone = self.alertmanagers[which].lock();
                if !house.alertmanagers[which].is_running() {
                    house.alertmanagers[which].restart()?;
                }
            }
            Act::BrokerDown(broker) => house.kafka.set(broker, false),
            Act::BrokerUp(broker) => house.kafka.set(broker, true),
        }
        Ok(())
    }

    /// Everything runs, and everything passes.
    ///
    /// # Errors
    /// When a server does not come back.
    pub fn mend_all(&self, house: &House) -> Result<(), Error> {
        self.act(house, Act::StartPostgres)?;
        for which in 0..house.alertmanagers.len() {
            self.act(house, Act::StartAlertmanager(which))?;
        }
        for broker in 1..=crate::draw::BROKERS {
            self.act(house, Act::BrokerUp(broker))?;
        }
        for number in 0..REPLICAS {
            house.hall.cut(number, false);
            house.replicas[number].ways.all().for_each(crate::way::Way::mend);
            self.act(house, Act::Thaw(number))?;
            self.act(house, Act::Start(number))?;
        }
        Ok(())
    }
}

fn mend(house: &House, number: usize, ends: &[End], late: bool) {
    for end in ends {
        let way = house.replicas[number].ways.to(*end);
        if !late {
            way.reset();
        }
        way.cut(false);
    }
}
