//! The broker's session: what goes on in it, what is forgotten with it, and when nobody can tell whether it is still ours.
//!
//! A session is known by the broker's address and our client id, so that one that the broker made afresh looks like the one
//! before. Its CONNACK tells, and only that one: when it is lost, by a crash or a cut, the next one finds a session either
//! way. What is not released is sent again under its ids and is safe in both. What is released would be taken for received
//! by the broker, which in a fresh session it is not, and PUBCOMP does not tell: 0x92 is also said of what was completed
//! before, and many brokers never say it. The protocol leaves it open, in both versions: no CONNECT asks for a session
//! without making one, another client id is another session, and who subscribes to nothing hears no more of a session than
//! these answers. So a session with released flights is written down as unusable before CONNECT,
//! and as usable again with the answer. An unusable one is ended at the broker, which throws away what it had not been
//! told to pass on, and all that is not completed is offered again: in doubt a flight is repeated and not lost.

use plantlink_buffer::{Flight, Fly};

use super::Airline;
use super::trip::{Phase, Trip};
use crate::deliver::{Ended, unreadable};
use crate::mqtt::{Link, LinkError, MqttError, Session, Tcp, open, reach};
use crate::store::Stopped;

/// How long a broker with MQTT 5 is asked to keep the session while the agent is away: seven days.
const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;
/// The identity of no session: the next connection ends whatever is there.
pub(crate) const UNUSABLE: &str = "";

impl Airline {
    fn identity(&self) -> String {
        let link = &self.config.link;
        format!("{}:{} {}", link.host, link.port, link.client_id)
    }

    fn is_ours(&self) -> bool {
        self.session.as_deref() == Some(&*self.identity())
    }

    /// Connects, and goes on with what was on its way there or forgets it because the broker has.
    pub(super) async fn connect(&mut self) -> Result<Result<(), MqttError>, Stopped> {
        let is_ours = self.is_ours();
        let link = match self.resume(is_ours).await? {
            Ok(link) => link,
            Err(error) => return Ok(Err(error)),
        };
        let is_known = is_ours && link.session_present();
        self.link = Some(link);
        if is_known {
            self.take_up().await?
        } else {
            self.begin_session(self.identity()).await?
        }
        Ok(Ok(()))
    }

    /// Asks for the session, and for a new one if it is not ours: one that was left by others may hold packet ids that
    /// are free for us.
    async fn resume(&mut self, is_ours: bool) -> Result<Result<Link, MqttError>, Stopped> {
        if !is_ours {
            match open(&Tcp, &self.config.link, Session::Clean).await {
                Ok(link) => link.close().await,
                Err(error) => return Ok(Err(error)),
            }
        }
        let reached = match reach(&Tcp, &self.config.link, Session::Kept { expiry_s: SESSION_EXPIRY_S }).await {
            Ok(reached) => reached,
            Err(error) => return Ok(Err(error)),
        };
        let is_released = |trip: &Trip| match trip.phase {
            Phase::Received | Phase::Released => true,
            Phase::Recorded | Phase::Completed => false,
        };
        let may_doubt = is_ours && self.trips.iter().any(is_released);
        if may_doubt {
            self.keep_in(UNUSABLE.to_owned()).await?;
        }
        Ok(match reached.introduce().await {
            Ok(link) if link.terms().maximum_qos < 2 => Err(MqttError::NotExactlyOnce),
            Err(MqttError::Link(error @ LinkError::Refused { .. })) => {
                // Whoever is not let in gets no session, and the one that was there stays.
                if may_doubt {
                    self.keep_in(self.identity()).await?;
                }
                Err(error.into())
            }
            done => done,
        })
    }

    /// Makes trips of what an earlier process has recorded. When they cannot all go on, the session is given up: in doubt
    /// their events are offered again.
    pub(super) async fn recover(&mut self, flights: Vec<Flight>) -> Result<(), Ended> {
        for flight in flights {
            let turn = match self.schedule.again(&flight).await {
                Ok(Some(turn)) => turn,
                Ok(None) => return Ok(self.begin_session(UNUSABLE.to_owned()).await?),
                Err(error) if error.is_damage() => return Err(Ended::Damaged(error)),
                Err(error) => {
                    unreadable(&error, &self.health);
                    return Ok(self.begin_session(UNUSABLE.to_owned()).await?);
                }
            };
            self.schedule.claim(&turn);
            self.trips.push_back(Trip::recorded(flight, turn, true));
        }
        if !self.trips.iter().all(|trip| trip.can_go_on(&self.config)) {
            self.begin_session(UNUSABLE.to_owned()).await?;
        }
        Ok(())
    }

    /// Goes on with what was on its way, and writes down how it stands: a broker that hung up may have answered some of a
    /// flight. One that allows fewer messages at once than it did could never answer all of a longer flight, so that is
    /// divided; and where the connection broke without an answer, into one message, then two, then four, by which the one
    /// that it breaks with is found.
    async fn take_up(&mut self) -> Result<(), Stopped> {
        let window = self.window().into();
        for mut trip in std::mem::take(&mut self.trips) {
            self.schedule.let_go(&trip.turn);
            let mut messages_max = self.schedule.careful_max(trip.flight.flow).unwrap_or(window).min(window);
            while trip.phase == Phase::Recorded
                && let Some(rest) = trip.split_off(messages_max)
            {
                messages_max = (messages_max * 2).min(window);
                self.schedule.claim(&trip.turn);
                self.trips.push_back(std::mem::replace(&mut trip, rest));
            }
            self.schedule.claim(&trip.turn);
            self.trips.push_back(trip);
        }
        if self.trips.is_empty() && self.is_ours() { Ok(()) } else { self.keep_in(self.identity()).await }
    }

    /// Forgets what was on its way in the session before. What had arrived there has arrived.
    async fn begin_session(&mut self, session: String) -> Result<(), Stopped> {
        for trip in std::mem::take(&mut self.trips) {
            if trip.phase == Phase::Completed {
                self.trips.push_back(trip);
            } else {
                self.schedule.let_go(&trip.turn);
            }
        }
        self.keep_in(session).await
    }

    /// Writes down the session, and that the trips are all there is in it.
    async fn keep_in(&mut self, session: String) -> Result<(), Stopped> {
        self.session = Some(session.clone());
        self.gone.clear();
        let aloft = self.trips.iter().map(|trip| trip.flight.clone()).collect();
        self.change(None, Fly { session: Some(session), aloft, ..Fly::default() }).await
    }
}
