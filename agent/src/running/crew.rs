//! Tasks that serve one configured thing each, and can be ended and replaced without the others noticing.

use std::collections::BTreeMap;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::run::RunError;

/// Tasks by the name of what they serve, each with the brief that it was started for.
pub(crate) struct Crew<B> {
    tasks: JoinSet<Result<(), RunError>>,
    members: BTreeMap<String, Member<B>>,
    /// Ends all of them.
    stop: CancellationToken,
}

struct Member<B> {
    brief: B,
    task: Id,
    stop: CancellationToken,
}

impl<B: PartialEq + Clone> Crew<B> {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Crew { tasks: JoinSet::new(), members: BTreeMap::new(), stop }
    }

    /// Ends those who are not wanted, or wanted with another brief, waits for them, and gives the briefs that they had.
    pub(crate) async fn dismiss(&mut self, wanted: &BTreeMap<String, B>) -> Result<Vec<B>, RunError> {
        let leaves = |(name, member): &(&String, &Member<B>)| wanted.get(*name) != Some(&member.brief);
        let leaving: Vec<_> = self.members.iter().filter(leaves).collect();
        let briefs = leaving.iter().map(|(_, member)| member.brief.clone()).collect();
        let names: Vec<String> = leaving.iter().map(|(name, _)| (*name).clone()).collect();
        leaving.iter().for_each(|(_, member)| member.stop.cancel());
        while names.iter().any(|name| self.members.contains_key(name)) {
            match self.ended().await {
                Some(ended) => ended?,
                None => break,
            }
        }
        Ok(briefs)
    }

    /// Whether there is somebody of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The names of those who are wanted again, by what they were and are to be.
    pub(crate) fn those<'a>(&self, wanted: &'a BTreeMap<String, B>, is_meant: impl Fn(&B, &B) -> bool) -> Vec<&'a str> {
        let known = |name: &str, brief: &B| self.members.get(name).is_some_and(|member| is_meant(&member.brief, brief));
        wanted.iter().filter(|(name, brief)| known(name, brief)).map(|(name, _)| name.as_str()).collect()
    }

    /// Starts a task, which ends when its token is cancelled.
    pub(crate) fn hire<F, E>(&mut self, name: String, brief: B, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<RunError>,
    {
        let stop = self.stop.child_token();
        let work = work(stop.clone());
        let task = self.tasks.spawn(async { work.await.map_err(Into::into) }).id();
        self.members.insert(name, Member { brief, task, stop });
    }

    /// The same for one that has no way to fail.
    pub(crate) fn hire_unfailing<F>(&mut self, name: String, brief: B, work: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hire(name, brief, |stop| {
            let work = work(stop);
            async {
                work.await;
                Ok::<(), RunError>(())
            }
        });
    }

    /// Waits for the first that fails; one that just ends has had nothing to do.
    pub(crate) async fn failure(&mut self) -> RunError {
        loop {
            match self.ended().await {
                Some(Err(error)) => return error,
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Ends everybody. Every task is joined; the first failure is told.
    pub(crate) async fn stop(&mut self) -> Result<(), RunError> {
        self.stop.cancel();
        let mut first = Ok(());
        while let Some(ended) = self.ended().await {
            first = first.and(ended);
        }
        first
    }

    async fn ended(&mut self) -> Option<Result<(), RunError>> {
        let (task, ended) = match self.tasks.join_next_with_id().await? {
            Ok((task, ended)) => (task, ended),
            Err(failed) => (failed.id(), Err(failed.into())),
        };
        self.members.retain(|_, member| member.task != task);
        Some(ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::store::Stopped;

    fn wanted(briefs: &[(&str, u8)]) -> BTreeMap<String, u8> {
        briefs.iter().map(|(name, brief)| ((*name).to_owned(), *brief)).collect()
    }

    /// Says its name when it ends, and when that was because it was told to.
    fn hire(crew: &mut Crew<u8>, name: &'static str, brief: u8, ended: &mpsc::UnboundedSender<&'static str>) {
        let ended = ended.clone();
        crew.hire(name.to_owned(), brief, |stop| async move {
            stop.cancelled().await;
            ended.send(name).unwrap();
            Ok::<(), Stopped>(())
        });
    }

    #[tokio::test]
    async fn only_who_is_not_wanted_any_more_or_for_something_else_leaves() {
        let (ended, mut endings) = mpsc::unbounded_channel();
        let mut crew = Crew::new(CancellationToken::new());
        for (name, brief) in [("same", 1), ("changed", 1), ("gone", 1)] {
            hire(&mut crew, name, brief, &ended);
        }
        let left = crew.dismiss(&wanted(&[("same", 1), ("changed", 2), ("new", 1)])).await.unwrap();
        assert_eq!(left, [1, 1]);
        assert_eq!([crew.has("same"), crew.has("changed"), crew.has("gone")], [true, false, false]);
        let mut names = [endings.recv().await.unwrap(), endings.recv().await.unwrap()];
        names.sort_unstable();
        assert_eq!(names, ["changed", "gone"]);
        crew.stop().await.unwrap();
        assert_eq!(endings.recv().await, Some("same"));
    }

    #[tokio::test]
    async fn a_failure_is_told_while_others_are_waited_for() {
        let (ended, _endings) = mpsc::unbounded_channel();
        let mut crew = Crew::new(CancellationToken::new());
        hire(&mut crew, "sound", 1, &ended);
        crew.hire("broken".to_owned(), 1, |_| async { Err::<(), _>(Stopped) });
        assert!(matches!(crew.failure().await, RunError::Stopped(_)));
        crew.hire("broken".to_owned(), 1, |_| async { Err::<(), _>(Stopped) });
        assert!(matches!(crew.stop().await, Err(RunError::Stopped(_))));
    }
}
