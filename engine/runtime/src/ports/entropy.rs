//! Randomness as an argument.

/// Where random bytes come from: trace ids, approval ids.
pub trait Entropy: Send + Sync {
    /// Sixteen unpredictable bytes.
    fn bytes(&self) -> [u8; 16];

    /// Thirty-two hexadecimal digits.
    fn hex(&self) -> String {
        self.bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
