//! Compares two values as their type wants it (specs/soarca/cacao.md §5).

use super::{Operator, Right, cut};
use crate::domain::text;
use crate::domain::variable::Variables;
use std::cmp::Ordering;
use std::net::IpAddr;
use types::cacao::{VariableType, parse_bool, parse_mac};
use uuid::Uuid;

/// Compares what the texts are in `scope`; the first variable that is named says the type.
pub(super) fn compare(
    left: &str,
    operator: Operator,
    right: &Right,
    scope: &Variables,
) -> Result<bool, String> {
    let texts = match right {
        Right::One(one) => std::slice::from_ref(one),
        Right::Set(set) => set.as_slice(),
    };
    let named = text::first(left, scope)
        .or_else(|| texts.iter().find_map(|right| text::first(right, scope)));
    let kind = named.map_or(VariableType::String, |variable| variable.kind);
    let plain = |text: &str| text::plain(text, scope, text::COMPARED);
    let left = plain(left)?;
    match right {
        Right::One(one) => holds(kind, &left, operator, &plain(one)?),
        Right::Set(set) => {
            for member in set {
                if holds(kind, &left, Operator::Equal, &plain(member)?)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

fn holds(kind: VariableType, left: &str, operator: Operator, right: &str) -> Result<bool, String> {
    use VariableType as T;
    match kind {
        T::String | T::HexString | T::Hash | T::Md5Hash | T::Sha256Hash => match operator {
            // SOARCA's order: the left one holds the right one
            Operator::In => Ok(left.contains(right)),
            _ => ordered(kind, left.cmp(right), operator),
        },
        T::Integer | T::Long => {
            let (left, right) = both(kind, left, right, |text| text.trim().parse::<i64>().ok())?;
            ordered(kind, left.cmp(&right), operator)
        }
        T::Float => {
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
            let (left, right) = both(kind, left, right, number)?;
            ordered(kind, left.total_cmp(&right), operator)
        }
        T::Bool => {
            let (left, right) = both(kind, left, right, parse_bool)?;
            equal(kind, left == right, operator)
        }
        T::Ipv4Addr | T::Ipv6Addr if operator == Operator::In => {
            let network: web::Network =
                right.parse().map_err(|_none| format!("{:?} is no network", cut(right)))?;
            let address: IpAddr = left
                .parse()
                .map_err(|error| format!("{:?} is no {}: {error}", cut(left), kind.name()))?;
            Ok(network.contains(address))
        }
        T::Ipv4Addr | T::Ipv6Addr => {
            let (left, right) = both(kind, left, right, |text| text.parse::<web::Network>().ok())?;
            equal(kind, left == right, operator)
        }
        T::MacAddr if operator == Operator::In => Ok(left.contains(right)),
        T::MacAddr => {
            let (left, right) = both(kind, left, right, parse_mac)?;
            ordered(kind, left.cmp(&right), operator)
        }
        T::Uuid => {
            let (left, right) = both(kind, left, right, |text| text.parse::<Uuid>().ok())?;
            equal(kind, left == right, operator)
        }
        T::Uri => equal(kind, left == right, operator),
        T::Dictionary => Err("a dictionary cannot be compared".into()),
    }
}

/// Reads both sides.
fn both<T>(
    kind: VariableType,
    left: &str,
    right: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<(T, T), String> {
    let one =
        |text: &str| read(text).ok_or_else(|| format!("{:?} is no {}", cut(text), kind.name()));
    Ok((one(left)?, one(right)?))
}

fn ordered(kind: VariableType, order: Ordering, operator: Operator) -> Result<bool, String> {
    match operator {
        Operator::Equal => Ok(order.is_eq()),
        Operator::NotEqual => Ok(order.is_ne()),
        Operator::Less => Ok(order.is_lt()),
        Operator::LessOrEqual => Ok(order.is_le()),
        Operator::Greater => Ok(order.is_gt()),
        Operator::GreaterOrEqual => Ok(order.is_ge()),
        Operator::In => Err(format!("IN does not apply to {}", kind.name())),
    }
}

fn equal(kind: VariableType, same: bool, operator: Operator) -> Result<bool, String> {
    match operator {
        Operator::Equal => Ok(same),
        Operator::NotEqual => Ok(!same),
        _ => Err(format!("values of type {} are only equal or not", kind.name())),
    }
}
