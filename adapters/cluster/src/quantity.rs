//! Quantities as Kubernetes writes them (`512Mi`, `1.5Gi`, `500m`, `2`), exact, and the larger ones that rules ask for.

use std::fmt;
use std::str::FromStr;

/// An amount of memory (bytes) or CPU (cores), kept in thousandths; never negative, at most 2^63 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    thousandths: u128,
    style: Style,
}

/// How it was written, so that what is computed from it is written alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Style {
    Binary,
    Decimal,
}

/// A text that is no quantity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a quantity such as \"512Mi\", \"1Gi\", \"500m\" or \"2\"")]
pub struct NotAQuantity;

const BINARY: [(&str, u128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

const DECIMAL: [(&str, u128); 6] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// The largest amount: that of a signed 64-bit number, as at the API server.
const THOUSANDTHS_MAX: u128 = (1 << 63) * 1_000;

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || number.len() > 40 || fraction.contains('.') {
            return Err(NotAQuantity);
        }
        let (numerator, denominator, style) = unit(suffix)?;
        let digits = |digits: &str| match digits {
            "" => Ok(0_u128),
            digits => digits.parse::<u128>().map_err(|_| NotAQuantity),
        };
        let unit = 1_000_u128.checked_mul(numerator).ok_or(NotAQuantity)?;
        let scale = |value: u128| value.checked_mul(unit).ok_or(NotAQuantity);
        // Beyond nine decimals the API server rounds up as well; here all is rounded up to a thousandth.
        let kept = &fraction[..fraction.len().min(9)];
        let power = 10_u128.pow(u32::try_from(kept.len()).map_err(|_| NotAQuantity)?);
        let thousandths = (scale(digits(whole)?)?)
            .checked_add(scale(digits(kept)?)?.div_ceil(power))
            .ok_or(NotAQuantity)?
            .div_ceil(denominator);
        if thousandths > THOUSANDTHS_MAX {
            return Err(NotAQuantity);
        }
        Ok(Self { thousandths, style })
    }
}

/// Numerator and denominator of a suffix.
fn unit(suffix: &str) -> Result<(u128, u128, Style), NotAQuantity> {
    match suffix {
        "" => return Ok((1, 1, Style::Decimal)),
        "m" => return Ok((1, 1_000, Style::Decimal)),
        "u" => return Ok((1, 1_000_000, Style::Decimal)),
        "n" => return Ok((1, 1_000_000_000, Style::Decimal)),
        _ => {}
    }
    let find = |table: &[(&str, u128)]| table.iter().find(|(name, _)| *name == suffix).map(|(_, unit)| *unit);
    if let Some(unit) = find(&BINARY) {
        return Ok((unit, 1, Style::Binary));
    }
    if let Some(unit) = find(&DECIMAL) {
        return Ok((unit, 1, Style::Decimal));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NotAQuantity)?;
    let exponent: i32 = exponent.parse().map_err(|_| NotAQuantity)?;
    let power = |exponent: u32| 10_u128.checked_pow(exponent).filter(|_| exponent <= 18).ok_or(NotAQuantity);
    let power = power(exponent.unsigned_abs())?;
    Ok(if exponent < 0 { (1, power, Style::Decimal) } else { (power, 1, Style::Decimal) })
}

impl Quantity {
    /// The amount in whole units (bytes, cores), rounded up.
    pub fn units(self) -> u64 {
        u64::try_from(self.thousandths.div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    /// The amount in units.
    pub fn amount(self) -> f64 {
        self.thousandths as f64 / 1_000.0
    }

    /// This share of it in percent, rounded up to what its style can show: whole Mi for memory of a Mi and more, whole
    /// thousandths otherwise.
    #[must_use]
    pub fn percent(self, percent: u32) -> Self {
        let thousandths = (self.thousandths * u128::from(percent)).div_ceil(100).min(THOUSANDTHS_MAX);
        let mebi = (1_u128 << 20) * 1_000;
        let grain = match self.style {
            Style::Binary if thousandths >= mebi => mebi,
            Style::Binary => 1_024_000,
            Style::Decimal if thousandths >= 1_000_000 => 1_000,
            Style::Decimal => 1,
        };
        Self { thousandths: thousandths.div_ceil(grain) * grain, style: self.style }
    }
}

/// Written as the API server would: the largest suffix that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.thousandths.is_multiple_of(1_000) {
            return write!(f, "{}m", self.thousandths);
        }
        let units = self.thousandths / 1_000;
        let table = match self.style {
            Style::Binary => &BINARY,
            Style::Decimal => &DECIMAL,
        };
        match table.iter().find(|(_, unit)| units > 0 && units.is_multiple_of(*unit)) {
            Some((suffix, unit)) => write!(f, "{}{suffix}", units / unit),
            None => write!(f, "{units}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_doubled_and_written() {
        let cases = [
            // as written, canonical, in units, doubled, half as much again
            ("512Mi", "512Mi", 536_870_912, "1Gi", "768Mi"),
            ("1Gi", "1Gi", 1 << 30, "2Gi", "1536Mi"),
            ("1.5Gi", "1536Mi", 3 << 29, "3Gi", "2304Mi"),
            ("100Ki", "100Ki", 102_400, "200Ki", "150Ki"),
            ("500m", "500m", 1, "1", "750m"),
            ("1", "1", 1, "2", "1500m"),
            ("1.5", "1500m", 2, "3", "2250m"),
            ("0.1", "100m", 1, "200m", "150m"),
            ("2G", "2G", 2_000_000_000, "4G", "3G"),
            ("1e3", "1k", 1_000, "2k", "1500"),
            ("536870912", "536870912", 536_870_912, "1073741824", "805306368"),
            ("129M", "129M", 129_000_000, "258M", "193500k"),
            ("333Mi", "333Mi", 349_175_808, "666Mi", "500Mi"),
            ("0", "0", 0, "0", "0"),
            ("1n", "1m", 1, "2m", "2m"),
        ];
        for (text, canonical, units, doubled, half_more) in cases {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(quantity.to_string(), canonical, "{text}");
            assert_eq!(quantity.units(), units, "{text}");
            assert_eq!(quantity.percent(200).to_string(), doubled, "{text}");
            assert_eq!(quantity.percent(150).to_string(), half_more, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in
            ["", ".", "Mi", "1Zi", "-1", "+1", "1 Gi", "1.2.3", "1e19", "1e", "9Ei", "inf", "1mi", "１"]
        {
            assert_eq!(text.parse::<Quantity>(), Err(NotAQuantity), "{text:?}");
        }
        assert!("8Ei".parse::<Quantity>().is_ok(), "the largest");
    }
}
