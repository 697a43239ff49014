"""Callers with chosen features: roles and users made through the API itself, one token per set of features, used again
and again.

A target on which nobody can be made who logs in (single sign-on alone, invitations, a second factor) is judged without
them: every cell that needs a caller says why there is none, and the run goes on with the token that it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from cdp.contract import Operation
from cdp.contract.operation import is_pattern
from cdp.secrets import new_password
from cdp.targets import ReadyRole
from contracts.arrangement import Arrangement
from contracts.calls import Call
from contracts.checks import NotExercised, TargetLost
from contracts.feature_sets import FeatureSets
from contracts.finding import Unavailable
from contracts.held_features import HeldFeatures
from contracts.logins import OPTIONS, LoginRefused, Withheld, log_in, switched_off, wants_a_token
from contracts.session import Identity, Session

_FEW = 2  # more features than that are no role that anybody has ready
MOST_REFUSED = 3  # sets of features on end, before it is clear that no caller can be made
PAUSE_S = 60.0  # before the next caller is made, once a target has had enough of logins
NO_CALLERS = "no callers with other roles can be made: "


@dataclass(frozen=True)
class Callers:
    """The callers of a run as they are handed to another process of it. `changeable` is for that process alone."""

    holding: Mapping[frozenset[str], Identity]
    ended: Sequence[tuple[str, Identity]] | None
    logged_out: Identity | None
    renewed: Identity | None
    changeable: Identity | None
    unavailable: str
    closed: Mapping[frozenset[str], str]
    withheld: str
    held: HeldFeatures


def _ready_made(features: frozenset[str]) -> str:
    """What would serve in place of a caller that cannot be made; a role of many features is not worth asking for."""
    if len(features) > _FEW:
        return ""
    held = "with just what the operation needs" if features else "without features"
    return f"; a ready-made token of a role {held} (roles in targets.toml) would do as well"


class Identities:
    """Makes and keeps callers. Everything made is in the ledger and removed at the end."""

    def __init__(self, session: Session, arrangement: Arrangement) -> None:
        self.session = session
        self.arrangement = arrangement
        self._ready = {role.features: role for role in session.target.roles}
        self._holding: dict[frozenset[str], Identity] = {}
        self._unavailable = ""
        self._closed: dict[frozenset[str], str] = {}  # sets of features that the target did not take
        self._paused = ("", 0.0)  # why no caller is made, and until when
        self.withheld = ""  # why no account of the run's own is used
        self._asked = False  # whether passwords are taken
        self._proven = False  # that users of the run's own can be made and log in
        self._ended: list[tuple[str, Identity]] | None = None
        self._changeable: Identity | None = None
        self._changeable_elsewhere: list[Identity] = []
        self._logged_out: Identity | None = None
        self._renewed: Identity | None = None
        self.made = 0  # callers, each with a user and a role of its own
        self.accounts: dict[str, tuple[str, str]] = {}  # e-mail and password of each, by the user's id
        contract = session.contract
        self._features = frozenset(contract.feature_names)
        self.held = HeldFeatures(self._features)
        self.sets = FeatureSets(self._features, session.seed, session.profile.feature_sets)

    def login(self, email: str, password: str, role: str) -> str:
        """Log in and return the token. Raises Obstacle in one line when the target does not give one."""
        return log_in(self.session, email, password, role)

    def another_creator(self) -> Identity:
        """Somebody else who may create everything. Raises NotExercised like `holding`."""
        return self.holding(frozenset(self.session.contract.feature_names), "another-creator")

    def holding(self, features: frozenset[str], label: str) -> Identity:
        """A caller whose role holds exactly these features: a ready-made one of the target where there is one, else
        one that is made. Raises NotExercised when there is none and none can be made."""
        known = self._holding.get(features)
        if known is None:
            ready = self._ready.get(features)
            try:
                known = self._admitted(ready) if ready else self.make(features, label)
            except NotExercised as error:
                raise NotExercised(f"{error}{_ready_made(features)}") from None
            self._holding[features] = known
        if not known.token:
            raise NotExercised(f"the ready-made token of the role {known.role} is refused with 401; renew it")
        lost = features - self.held.of(features) if features not in self._ready else frozenset[str]()
        if lost and len(features) <= _FEW:
            raise NotExercised(
                f"a role that is made with {' and '.join(sorted(lost))} does not hold it{_ready_made(features)}"
            )
        return Identity(label, known.token, known.user_id, known.role_id)

    def _admitted(self, ready: ReadyRole) -> Identity:
        """A ready-made caller; without a token when the target does not know it (any more), which is no fault of the
        operation that it was meant for."""
        health = self.session.health
        if health is not None:
            exchange = self.session.send(health, Identity(ready.name, ready.token), judged=False)
            if exchange.status == 401:
                return Identity(ready.name)
        return Identity(ready.name, ready.token)

    def make(self, features: frozenset[str], label: str) -> Identity:
        """A new caller, shared with nobody. Raises NotExercised when roles or users cannot be created, or cannot log
        in."""
        self._ask_for_logins()
        why, until = self._paused
        known = self._unavailable or self._closed.get(features) or (why if time.monotonic() < until else "")
        if known:
            raise NotExercised(known)
        try:
            with self.session.ledger.lasting():
                # A name opens nothing, whatever it promises.
                name = self.arrangement.sampler.text("administrator")
                role = self.arrangement.create(
                    "user_role", {"name": name, "features": sorted(features), "invisible_attributes_tag_ids": []}
                )
                self.held.note(features, role.record)
                password = self.session.secrets.add(new_password())
                user = self.arrangement.create("user", {"role_id": role.record["id"], "password": password})
            email = user.sent["email"]
            token = self.login(email, password, label)
        except Unavailable as error:
            raise NotExercised(self._refused(features, str(error))) from None
        except LoginRefused as error:
            raise NotExercised(self._not_admitted(error, email, password)) from None
        except TargetLost as error:  # it has had enough of logins, or of what makes them, for a while
            raise NotExercised(self._pause(NO_CALLERS + str(error))) from None
        self.made, self._proven = self.made + 1, True
        self.accounts[str(user.record["id"])] = (email, password)
        return Identity(label, token, str(user.record["id"]), str(role.record["id"]))

    def _refused(self, features: frozenset[str], why: str) -> str:
        """Note that the target took no role or user with a set of features; the reason. It may be the set alone: a
        target may check the names, and lack some. Where nobody has been made, several sets on end mean all."""
        why = self._closed[features] = NO_CALLERS + why
        if not self._proven and len(self._closed) >= MOST_REFUSED:
            self._unavailable = why
        return why

    def _not_admitted(self, error: LoginRefused, email: str, password: str) -> str:
        """Note that a user who was made got no token; the reason.

        Where others did before, logins are counted, and there may be enough of them for a while only. Where nobody
        did, users of the run's own cannot log in with a password at all.
        """
        why = f"{NO_CALLERS}a user of the run's own cannot log in: {error}"
        if self._proven:
            return self._pause(why)
        self._unavailable = why
        if error.refusal and not wants_a_token(self.session, email, password):
            self._withhold(why)
        return why

    def _pause(self, why: str) -> str:
        self._paused = why, time.monotonic() + PAUSE_S
        return why

    def _withhold(self, why: str) -> None:
        """Let nobody use an account of the run's own, which would not be admitted."""
        self.withheld = why
        self.arrangement.credentials = Withheld(why)

    def _ask_for_logins(self) -> None:
        """Ask once whether the target takes passwords, unless the run itself has logged in with one."""
        if not self._asked and self.session.target.credentials.token:
            self._asked = True
            if switched_off(self.session):
                self._unavailable = f"{NO_CALLERS}nobody logs in with a password here, as {OPTIONS} tells"
                self._withhold(self._unavailable)

    def changeable(self) -> Identity:
        """A caller whose role is not shared with any other cell, for granting and withdrawing features."""
        if self._changeable is None:
            self._changeable = self.make(frozenset(), "changed-role")
        return self._changeable

    def shifted(self, features: frozenset[str]) -> Identity | None:
        """The caller whose role is given one set of features after the other; None where the target does not take the
        set. Raises NotExercised when no caller can be made."""
        caller = self.changeable()
        return caller if self.grant(caller, sorted(features)) else None

    def logged_out(self) -> Identity:
        """A caller who held every feature until the token was ended by logout."""
        self._end_and_renew()
        assert self._logged_out is not None
        return self._logged_out

    def renewed(self) -> Identity | None:
        """The same user with a renewed token; None when the target does not renew tokens."""
        self._end_and_renew()
        return self._renewed

    def _end_and_renew(self) -> None:
        if self._logged_out is not None:
            return
        contract, session = self.session.contract, self.session
        ended, kept = self.make(self._features, "ended-token"), self.make(self._features, "renewed-token")
        session.ended.add(ended.token)
        logout = session.send(
            Call(contract.operations["logout_user"]).sending({"token": ended.token}), ended, judged=False
        )
        if not logout.ok:
            raise NotExercised(f"the logout answers {logout.outcome()}")
        renewal = session.send(
            Call(contract.operations["refresh_token"]).sending({"token": kept.token}), kept, judged=False
        )
        token = renewal.json.get("token") if isinstance(renewal.json, dict) else None
        self._logged_out = ended
        if renewal.ok and isinstance(token, str) and token:
            self._renewed = Identity("renewed-token", session.secrets.add(token))
            session.admitted.add(token)

    def ended(self) -> list[tuple[str, Identity]]:
        """Callers that must be refused: of a disabled and of a deleted user. Each with what was done to it."""
        if self._ended is None:
            ended = []
            for what, end in (("disabled", self._disable), ("deleted", self._delete)):
                caller = self.make(self._features, "ended-user")
                self.session.ended.add(caller.token)
                if end(caller):
                    ended.append((what, caller))
            self._ended = ended
        if not self._ended:
            raise NotExercised("no user could be disabled or deleted on this target")
        return self._ended

    def _disable(self, caller: Identity) -> bool:
        operation = self.session.contract.by_action("user", "update")
        return self._done(operation, lambda o: Call(o, {"user_id": caller.user_id}).sending({"disabled": 1}))

    def _delete(self, caller: Identity) -> bool:
        operation = self.session.contract.by_action("user", "delete")
        return self._done(operation, lambda o: Call(o, {"user_id": caller.user_id}))

    def grant(self, caller: Identity, features: list[str]) -> bool:
        """Give a caller's role other features; whether the target took it. One that no role keeps is not given."""
        if features and self.held.never.issuperset(features):
            return False
        operation = self.session.contract.by_action("user_role", "update")
        return self._done(operation, lambda o: Call(o, {"role_id": caller.role_id}).sending({"features": features}))

    def move(self, caller: Identity, role_id: str) -> bool:
        """Give a caller's user another role; whether the target took it."""
        operation = self.session.contract.by_action("user", "update")
        body = {"role_id": int(role_id) if role_id.isdigit() else role_id}
        return self._done(operation, lambda o: Call(o, {"user_id": caller.user_id}).sending(body))

    def _done(self, operation: Operation | None, call: Callable[[Operation], Call]) -> bool:
        if operation is None:
            return False
        return self.session.send(call(operation), self.session.admin, judged=False).ok

    def prepare(self, operations: list[Operation], roles_wanted: bool, processes: int = 1) -> None:
        """Make every caller that the cells will need before anything is read, so that lists of users and roles hold
        still meanwhile. `processes`: how many of them judge, each with a changeable caller of its own."""
        if not roles_wanted:
            return
        sets = {
            frozenset[str](): "no-features",
            self.sets.lookalikes(): "feature-sets",
            self.sets.names_for_many(): "feature-sets",
            self.sets.all_but_one(): "feature-sets",
            **dict.fromkeys(self.sets.drawn, "feature-sets"),
        }
        for operation in operations:
            for minimal in operation.features.minimal_sets():
                if not any(map(is_pattern, minimal)):
                    sets.setdefault(frozenset(minimal), minimal[0])
            sets.setdefault(self.sets.all_but_one(operation), "feature-sets")
            if operation.features.needed:
                for _, features in self.sets.near_misses(operation):
                    sets.setdefault(features, "feature-sets")
        steps: list[Callable[[], object]] = [partial(self.holding, features, label) for features, label in sets.items()]
        steps += [self.changeable, *[self._another_changeable] * (processes - 1), self.logged_out, self.ended]
        for step in steps:
            with suppress(NotExercised):  # each cell that needs a caller will say so itself
                step()

    def _another_changeable(self) -> None:
        self._changeable_elsewhere.append(self.make(frozenset(), "changed-role"))

    def handed_over(self, place: int) -> Callers:
        """What has been prepared, for the process at this place."""
        changeable = [c for c in (self._changeable, *self._changeable_elsewhere) if c is not None]
        return Callers(
            dict(self._holding),
            self._ended,
            self._logged_out,
            self._renewed,
            changeable[place] if place < len(changeable) else None,
            self._unavailable,
            dict(self._closed),
            self.withheld,
            self.held,
        )

    def take_over(self, callers: Callers) -> None:
        """Use what another process has prepared."""
        self._holding = dict(callers.holding)
        self._ended = None if callers.ended is None else list(callers.ended)
        self._logged_out, self._renewed = callers.logged_out, callers.renewed
        self._changeable, self._unavailable = callers.changeable, callers.unavailable
        self._closed, self._asked, self.held = dict(callers.closed), True, callers.held
        self._proven = callers.changeable is not None or any(c.user_id for c in callers.holding.values())
        if callers.withheld:
            self._withhold(callers.withheld)
        self.session.ended.update(caller.token for _, caller in callers.ended or ())
        if self._logged_out is not None:
            self.session.ended.add(self._logged_out.token)
        for caller in (*self._holding.values(), self._logged_out, self._renewed, self._changeable):
            if caller is not None:
                self.session.secrets.add(caller.token)
                self.session.admitted.add(caller.token)
