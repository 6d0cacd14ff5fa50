//! Actions that let an update go on: part of it stands in the status (why the controller has paused, at which step it is),
//! part in the specification (whether somebody has paused it), so that it takes up to two patches.
//!
//! Where the update stood is pinned before the intent. What is left to do is judged anew from that and from the rollout as
//! it is, before every try: a change that stopped halfway is completed, one that has taken effect is not repeated on the
//! next pause or the next step, and another update is left alone.

use async_trait::async_trait;
use selfheal_cluster::{
    Cluster, INTENT_ANNOTATION, Object, PatchKind, Reference, Run, Tries, changes, contest, contested_by,
    guarded, same_object,
};
use selfheal_contract::{
    About, Action, Applied, Assessment, Contest, Effect, Failure, FailureKind, IntentId, Parameters, Preview,
    Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Place;
use crate::rollout::{current, is_paused, is_settled, pauses, stable, step};

/// Where an update stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) stable: String,
    /// The hash of the version that is rolled out.
    pub(super) update: String,
    /// The index of its step.
    pub(super) step: i64,
    /// Why the controller had paused it.
    pub(super) pauses: Vec<Value>,
    /// Whether somebody had paused it.
    pub(super) paused: bool,
    /// Whether the analysis of its step had come to no conclusion.
    pub(super) inconclusive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<String>,
}

/// What is left to do.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// A merge patch of the status.
    pub(super) status: Option<Value>,
    /// Whether the pause of somebody is to be lifted.
    pub(super) unpause: bool,
}

/// An action that lets an update go on.
#[async_trait]
pub(super) trait GoingOn: Send + Sync + 'static {
    type Parameters: Parameters;

    /// What it says of itself.
    fn about(&self) -> About;

    /// The rollout, with all parameters checked.
    fn place<'a>(&'a self, params: &'a Self::Parameters) -> Result<Place<'a>, Failure>;

    /// Refuses what does not suit the rollout as it stands; asked before the intent alone.
    fn check(&self, params: &Self::Parameters, rollout: &Object) -> Result<(), Failure>;

    /// What is left of the status to change, for the same update as before.
    fn status(&self, params: &Self::Parameters, before: &Standing, rollout: &Object) -> Option<Value>;

    /// What it does, or has done: "resumes rollout shop/web", "resumed ..".
    fn told(&self, of: &str, done: bool) -> String;

    /// Takes it back.
    async fn undo(&self, place: Place<'_>, before: &Standing, intent: &IntentId) -> Result<Undone, Failure>;
}

/// The action that goes on.
pub(super) struct Go<G>(pub(super) G);

fn standing(rollout: &Object) -> Standing {
    let analysis = rollout.text("/status/canary/currentStepAnalysisRunStatus/status");
    Standing {
        uid: rollout.uid().to_owned(),
        version: rollout.version().to_owned(),
        stable: stable(rollout).to_owned(),
        update: current(rollout).to_owned(),
        step: step(rollout),
        pauses: pauses(rollout).to_vec(),
        paused: is_paused(rollout),
        inconclusive: analysis == "Inconclusive" && rollout.at("/status/controllerPause") == true,
        intent: rollout.annotation(INTENT_ANNOTATION).map(str::to_owned),
    }
}

/// Where somebody's pause stands, which a repository may have.
const PAUSED: [&str; 2] = ["spec", "paused"];

/// A merge patch that lifts the pause of somebody.
fn unpause() -> Value {
    json!({ "spec": { "paused": false } })
}

impl<G: GoingOn> Go<G> {
    async fn begin(&self, params: &G::Parameters) -> Result<(Object, Standing), Failure> {
        let place = self.0.place(params)?;
        let rollout = place.cluster.get(place.of).await?;
        if !is_settled(&rollout) {
            return Err(Failure::transient(format!(
                "the controller has not seen the newest specification of {} yet, so that it is open which update would go \
                 on; try later, and see that Argo Rollouts runs",
                place.of
            )));
        }
        self.0.check(params, &rollout)?;
        let standing = standing(&rollout);
        Ok((rollout, standing))
    }

    /// What is left to do, unless it is another update now or somebody has paused this one since.
    fn left(&self, params: &G::Parameters, before: &Standing, rollout: &Object) -> Result<Left, String> {
        if current(rollout) != before.update {
            let update = current(rollout);
            return Err(format!(
                "another update began meanwhile: to {update} and no longer to {}",
                before.update
            ));
        }
        if is_paused(rollout) && !before.paused {
            return Err("somebody else has paused it meanwhile".to_owned());
        }
        Ok(Left { status: self.0.status(params, before, rollout), unpause: is_paused(rollout) })
    }

    /// Makes what is left; `None` when others wrote at the same moment.
    async fn make(
        &self,
        Place { cluster, of }: Place<'_>,
        left: &Left,
        rollout: &Object,
        intent: &IntentId,
    ) -> Result<Option<()>, Failure> {
        let mut halfway = None;
        if let Some(status) = &left.status {
            let patch = guarded(status.clone(), rollout, None);
            match cluster.try_patch(of, Some("status"), PatchKind::Merge, &patch).await? {
                Some(after) => halfway = Some(after),
                None => return Ok(None),
            }
        }
        if !left.unpause {
            return Ok(Some(()));
        }
        let patch = guarded(unpause(), halfway.as_ref().unwrap_or(rollout), Some(json!(intent)));
        let run =
            if contested_by(rollout, &[PAUSED.to_vec()]).is_some() { Run::Contesting } else { Run::Real };
        match cluster.try_run(of, None, PatchKind::Merge, &patch, run).await {
            Ok(made) => Ok(made.map(drop)),
            // "Nothing happened" would be untrue of the whole.
            Err(failure) if halfway.is_some() && failure.kind == FailureKind::Refused => {
                Err(Failure::indeterminate(format!(
                    "the status of {of} was changed, its specification was not: {failure}"
                )))
            }
            Err(failure) => Err(failure),
        }
    }
}

#[async_trait]
impl<G: GoingOn> Action for Go<G> {
    type Parameters = G::Parameters;
    type Prior = Standing;

    fn about(&self) -> About {
        self.0.about()
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        Ok(self.0.place(params)?.assessment(self.0.about().reversal))
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        let place = self.0.place(params)?;
        let (rollout, standing) = self.begin(params).await?;
        let left = self.left(params, &standing, &rollout).map_err(Failure::refused)?;
        let mut preview = Preview { summary: self.0.told(&place.of.to_string(), false), changes: Vec::new() };
        let halves = [(Some("status"), left.status), (None, left.unpause.then(unpause))];
        for (subresource, patch) in halves {
            let Some(patch) = patch else { continue };
            let patch = guarded(patch, &rollout, None);
            let after =
                place.cluster.patch(place.of, subresource, PatchKind::Merge, &patch, Run::Dry).await?;
            preview.changes.extend(changes(&rollout.json, &after.json));
        }
        if preview.changes.is_empty() {
            preview.summary = format!("{}: nothing is left to do", place.of);
        }
        Ok(preview)
    }

    async fn contest(&self, params: &Self::Parameters) -> Result<Option<Contest>, Failure> {
        let place = self.0.place(params)?;
        // Only somebody's pause is a matter of the specification, which a repository may have.
        if !is_paused(&place.cluster.get(place.of).await?) {
            return Ok(None);
        }
        contest(place.cluster, place.of, &[PAUSED.to_vec()]).await
    }

    async fn related(&self, params: &Self::Parameters) -> Result<Vec<String>, Failure> {
        self.0.place(params)?.related().await
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Standing, Failure> {
        self.begin(params).await.map(|(_, standing)| standing)
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        before: &Standing,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let place = self.0.place(params)?;
        let mut tries = Tries::default();
        loop {
            let rollout = place.cluster.get(place.of).await?;
            same_object(place.of, &rollout, &before.uid)?;
            let left = self
                .left(params, before, &rollout)
                .map_err(|why| Failure::refused(format!("{}: {why}; plan again", place.of)))?;
            if left.status.is_none() && !left.unpause {
                return Ok(Applied::new(format!("{} has gone on already", place.of)));
            }
            if self.make(place, &left, &rollout, intent).await?.is_some() {
                let facts = json!({ "update": before.update, "step": before.step, "uid": before.uid });
                let summary = self.0.told(&place.of.to_string(), true);
                return Ok(Applied { summary, facts, ..Applied::default() });
            }
            tries.again(place.cluster, place.of).await?;
        }
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        before: &Standing,
        _: &IntentId,
    ) -> Result<Effect, Failure> {
        let Place { cluster, of } = self.0.place(params)?;
        let Some(rollout) = cluster.find(of).await? else {
            return Ok(Effect::Unclear(format!("{of} is no longer there")));
        };
        if rollout.uid() != before.uid {
            return Ok(Effect::Unclear(format!("{of} is another object of the same name now")));
        }
        Ok(match self.left(params, before, &rollout) {
            Err(why) => Effect::Unclear(format!("{of}: {why}")),
            Ok(left) if left.status.is_none() && !left.unpause => {
                Effect::Done(Applied::new(format!("{of} has gone on")))
            }
            // Half of it may have happened; each half names the state that it is for, so that applying again is safe.
            Ok(_) => Effect::Untouched,
        })
    }

    async fn undo(
        &self,
        params: &Self::Parameters,
        before: &Standing,
        intent: &IntentId,
    ) -> Result<Undone, Failure> {
        self.0.undo(self.0.place(params)?, before, intent).await
    }
}

/// Pauses a rollout in which the update goes on that had been held: what makes up for letting it go on.
pub(super) async fn hold(
    cluster: &Cluster,
    of: Reference<'_>,
    before: &Standing,
    intent: &IntentId,
) -> Result<Undone, Failure> {
    let mut tries = Tries::default();
    loop {
        let nothing = |words: String| Ok(Undone::Nothing(words));
        let Some(rollout) = cluster.find(of).await? else {
            return nothing(format!("{of} is no longer there"));
        };
        if rollout.uid() != before.uid {
            return nothing(format!("{of} is another object of the same name now"));
        }
        if is_paused(&rollout) {
            return nothing(format!("{of} is paused"));
        }
        if !before.paused && (before.pauses.is_empty() || pauses(&rollout) == before.pauses) {
            return nothing(format!("{of} stands where it stood"));
        }
        if current(&rollout) != before.update || stable(&rollout) != before.stable {
            return nothing(format!("the update of {of} is over, or another one began"));
        }
        let patch = guarded(json!({ "spec": { "paused": true } }), &rollout, Some(json!(intent)));
        if cluster.try_patch(of, None, PatchKind::Merge, &patch).await?.is_some() {
            return Ok(Undone::Reversed(format!("paused {of} where it is")));
        }
        tries.again(cluster, of).await?;
    }
}
