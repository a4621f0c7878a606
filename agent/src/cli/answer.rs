//! The members of what an agent answers, as far as it has them: it may be of another release.

use serde_json::Value;

/// What was asked for is not in the answer.
#[derive(Debug, thiserror::Error)]
#[error("the agent's answer has no `{0}`: it may be of another release than this command")]
pub(super) struct Lacking(&'static str);

/// What an answer is about.
pub(super) fn part(mut answer: Value, key: &'static str) -> Result<Value, Lacking> {
    answer.get_mut(key).map(Value::take).ok_or(Lacking(key))
}

/// Empty where there is none.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// 0 where there is none.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_another_shape_is_an_error_and_no_panic() {
        for answer in [json!(null), json!([1]), json!("dead"), json!(7), json!({ "alive": [] })] {
            assert!(part(answer.clone(), "dead").is_err(), "{answer}");
        }
        assert_eq!(part(json!({ "dead": null }), "dead").unwrap(), Value::Null);
        assert_eq!(part(json!({ "dead": { "id": 7 } }), "dead").unwrap(), json!({ "id": 7 }));
    }
}
