//! Reading tags once, for a person: each with its raw words, and none spoiled by a neighbor that the device refuses.

use plantlink_config::{Device, Tag};

use super::decode;
use super::exchange::Answer;
use super::inquiry::{Question, Reply};
use super::line_time::LineTime;
use super::pass::value;
use super::plan::{Limits, Request, Terms, plan};
use super::scaling::scaled;

use crate::reading::{Fault, Quality, Value};

/// What one tag was seen to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// As they came, a bit as 0 or 1; none when nothing came.
    pub(crate) words: Vec<u16>,
    pub(crate) value: Quality<Value>,
}

/// Reads the tags at these places, and those that they are scaled by, in as few requests as the device takes. Gives what was
/// seen by the tags' places, `None` of the others. Fails with the first failure of `ask`.
pub(crate) async fn inspect<E>(
    device: &Device,
    time: LineTime,
    places: &[usize],
    mut ask: impl AsyncFnMut(Question) -> Result<Reply, E>,
) -> Result<Vec<Option<Seen>>, E> {
    let tags = &device.tags;
    let exponent = |tag: &Tag| tags.iter().position(|other| Some(&other.name) == tag.scale_from.as_ref());
    let mut wanted = places.to_vec();
    wanted.extend(places.iter().filter_map(|place| exponent(tags.get(*place)?)));
    wanted.sort_unstable();
    wanted.dedup();

    let terms =
        Terms { limits: Limits { registers: device.max_registers, bits: device.max_bits }, time, barriers: &[] };
    let mut requests = plan(tags, &wanted, terms);
    requests.reverse();
    let mut seen: Vec<Option<Seen>> = vec![None; tags.len()];
    let mut silence: Option<Fault> = None;
    while let Some(request) = requests.pop() {
        let question = Question { unit: device.unit, table: request.table, first: request.first, count: request.count };
        let answer = match &silence {
            Some(fault) => Err(fault.clone()),
            None => match ask(question).await? {
                Reply::Words(words) => Ok(Answer::Words(words)),
                Reply::Bits(bits) => Ok(Answer::Bits(bits)),
                Reply::Refused(_) if request.tags.len() > 1 => {
                    requests.extend(request.tags.iter().rev().flat_map(|place| plan(tags, &[*place], terms)));
                    continue;
                }
                Reply::Refused(fault) => Err(fault),
                Reply::Silent(fault) => Err(silence.insert(fault).clone()),
            },
        };
        for &place in &request.tags {
            if let (Some(slot), Some(tag)) = (seen.get_mut(place), tags.get(place)) {
                *slot = Some(see(tag, &request, &answer));
            }
        }
    }
    let raw = seen.clone();
    for (tag, slot) in tags.iter().zip(&mut seen) {
        let exponent = exponent(tag).and_then(|place| raw.get(place)?.as_ref()).map(|seen| &seen.value);
        if let Some(seen) = slot {
            seen.value = scaled(tag, seen.value.clone(), exponent);
        }
    }
    Ok(seen)
}

fn see(tag: &Tag, request: &Request, answer: &Result<Answer, Fault>) -> Seen {
    match answer {
        Ok(answer) => Seen { words: own_words(tag, request, answer), value: value(tag, request, answer) },
        Err(fault) => Seen { words: Vec::new(), value: Quality::Bad(fault.clone()) },
    }
}

fn own_words(tag: &Tag, request: &Request, answer: &Answer) -> Vec<u16> {
    let from = usize::from(tag.at.wire.saturating_sub(request.first));
    match answer {
        Answer::Bits(bits) => bits.get(from).map(|bit| u16::from(*bit)).into_iter().collect(),
        Answer::Words(words) => words.iter().skip(from).take(decode::width(tag).into()).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use plantlink_config::Table;
    use tokio::time::Duration;

    use super::super::fake::{device, good, holding};
    use super::*;

    const TIME: LineTime = LineTime { request: Duration::from_millis(2), byte: Duration::from_nanos(80) };

    #[tokio::test]
    async fn a_register_that_is_refused_spoils_no_other() {
        let device = device(7, holding(&[0, 1, 2]));
        let mut asked = Vec::new();
        let seen = inspect(&device, TIME, &[0, 1, 2], async |question: Question| {
            asked.push((question.unit, question.table, question.first, question.count));
            let end = question.first + question.count;
            Ok::<_, Infallible>(match (question.first..end).contains(&1) {
                true => Reply::Refused(Fault::Exception(2)),
                false => Reply::Words((question.first..end).map(|wire| wire + 100).collect()),
            })
        })
        .await
        .unwrap();
        let refused = Seen { words: Vec::new(), value: Quality::Bad(Fault::Exception(2)) };
        let held = |word: u16| Some(Seen { words: vec![word], value: good(word.into()) });
        assert_eq!(seen, [held(100), Some(refused), held(102)]);
        let alone = |first| (7, Table::Holding, first, 1);
        assert_eq!(asked, [(7, Table::Holding, 0, 3), alone(0), alone(1), alone(2)]);
    }

    #[tokio::test]
    async fn a_silent_unit_is_asked_once() {
        let device = device(7, holding(&[0, 500, 1000]));
        let mut asked = 0;
        let seen = inspect(&device, TIME, &[0, 2], async |_| {
            asked += 1;
            Ok::<_, Infallible>(Reply::Silent(Fault::Timeout))
        })
        .await
        .unwrap();
        let silent = Some(Seen { words: Vec::new(), value: Quality::Bad(Fault::Timeout) });
        assert_eq!((seen, asked), (vec![silent.clone(), None, silent], 1));
    }
}
