//! Randomness that a seed decides: SplitMix64, the same on every machine and in every version.

use std::time::Duration;

/// A stream of random numbers. Everybody who draws has a stream of their own, so that one who draws more often does not
/// change what the others get.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this name under a seed.
    pub fn new(seed: u64, stream: &str) -> Self {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut dice = Self(stream.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, fold));
        // Seeds that are neighbours would begin alike.
        dice.draw();
        dice.draw();
        dice
    }

    /// 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Whether something happens that happens so often in a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// One of these; there is at least one.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let place = self.below(among.len() as u64);
        &among[usize::try_from(place).unwrap_or_default()]
    }

    /// A time between two, to the millisecond and a little more: what is drawn never coincides with what the engine
    /// counts in whole milliseconds.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from).as_millis();
        let millis = self.below(u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1));
        from + Duration::from_millis(millis) + Duration::from_micros(1 + self.below(900))
    }
}
