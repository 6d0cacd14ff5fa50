//! What an unquoted scalar means: the core schema of YAML 1.2 (section 10.3.2), and nothing older.
//!
//! So `yes`, `off`, `1_000`, `0777` as octal and `12:30` as a number of another base are not read as such.

use super::node::Value;

/// The value that an unquoted scalar stands for.
///
/// A whole number outside the range of `i64` becomes a [`Value::Float`], so that a reader of whole numbers refuses it.
/// Never returns [`Value::Open`], a list or a map.
pub fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Value> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Value::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if is_digits(unsigned) {
        return match text.parse() {
            Ok(value) => Some(Value::Integer(value)),
            Err(_) => text.parse().ok().map(Value::Float),
        };
    }
    is_decimal(unsigned).then(|| text.parse().ok().map(Value::Float)).flatten()
}

fn radix(digits: &str, radix: u32) -> Option<Value> {
    // `from_str_radix` would also take a sign, which the schema does not allow after the prefix.
    let valid = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    valid.then(|| i64::from_str_radix(digits, radix).ok().map(Value::Integer)).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether an unsigned text is `digits[.digits][e[sign]digits]`, where one side of the point may be empty.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => is_digits(fraction),
        Some((whole, fraction)) => is_digits(whole) && (fraction.is_empty() || is_digits(fraction)),
        None => is_digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|digits| is_digits(digits.strip_prefix(['-', '+']).unwrap_or(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("nULL", text("nULL")),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("yes", text("yes")),
            ("off", text("off")),
            ("0", Value::Integer(0)),
            ("-12", Value::Integer(-12)),
            ("+12", Value::Integer(12)),
            ("0777", Value::Integer(777)),
            ("0o17", Value::Integer(15)),
            ("0xfF", Value::Integer(255)),
            ("0x", text("0x")),
            ("0x-1", text("0x-1")),
            ("-0x1", text("-0x1")),
            ("1_000", text("1_000")),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
            ("1.5", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("5.", Value::Float(5.0)),
            ("-1.5e-3", Value::Float(-0.0015)),
            ("1e3", Value::Float(1000.0)),
            ("1e", text("1e")),
            (".", text(".")),
            ("-", text("-")),
            ("1.2.3", text("1.2.3")),
            ("12:30", text("12:30")),
            ("inf", text("inf")),
            ("nan", text("nan")),
            (".inf", Value::Float(f64::INFINITY)),
            ("-.Inf", Value::Float(f64::NEG_INFINITY)),
            ("5m", text("5m")),
        ];
        for (given, expected) in cases {
            assert_eq!(scalar(given), expected, "{given:?}");
        }
        assert!(matches!(scalar(".NaN"), Value::Float(value) if value.is_nan()));
    }
}
