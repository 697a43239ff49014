"""What to know of a target before a run: whether it can be reached and judged, and what would let more be judged.

Everything is found out with reading calls, a bounded number of them. Only where writes are allowed a role and a user
are created, who logs in, and removed at once, because nothing else proves that callers can be made.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from cdp.contract import Contract, Operation
from cdp.contract.operation import is_pattern
from cdp.http import TOKEN_HEADER
from cdp.ledger import Created, Ledger
from cdp.secrets import Secrets
from cdp.targets import Target
from contracts.arrangement import Arrangement
from contracts.belongings import kept_from
from contracts.calls import Call
from contracts.catalogue import Catalogue
from contracts.cells import ADMIN, NO_FEATURES, Selection, build_cells
from contracts.checks import NotExercised, TargetLost
from contracts.connectivity import examine_clock, examine_tls, reach_target
from contracts.diagnosis import Diagnosis, State, some
from contracts.find_api import find_api
from contracts.finding import Unavailable
from contracts.identities import Identities
from contracts.probing import Finding, Presence, Prober, Spent
from contracts.profiles import PROFILES
from contracts.reach import CALLERS, Known, reach
from contracts.session import Identity, Obstacle, Session

MOST_REQUESTS = 240
KEPT_REQUESTS = 16  # so many are kept for what comes after the probing
DEADLINE_S = 180.0
PAGE, SEVERAL = 21, 2
CALLERS_ADVICE = "look at what it answered, or give ready-made tokens (roles in targets.toml)"
_BY_HAND = "remove it by hand"


class _Stop(Exception):
    """Nothing more can be found out."""


def diagnose(
    contract: Contract,
    catalogue: Catalogue,
    target: Target,
    profile: str = "quick",
    *,
    limit: int = MOST_REQUESTS,
    deadline_s: float = DEADLINE_S,
) -> Diagnosis:
    """Look at a target. Never raises for what the target does; what cannot be found out is a line that says so."""
    doctor = _Doctor(contract, catalogue, target, profile, limit, deadline_s)
    try:
        doctor.examine()
    except _Stop:
        pass
    except (Obstacle, TargetLost) as error:
        doctor.found.add("reachable", State.PROBLEM, str(error), "look at the target's own logs, then ask again")
    finally:
        doctor.found.requests = doctor.session.client.sent
        doctor.session.client.close()
    return doctor.found


class _Doctor:
    def __init__(
        self, contract: Contract, catalogue: Catalogue, target: Target, profile: str, limit: int, deadline_s: float
    ) -> None:
        self.contract = contract
        self.catalogue = catalogue
        self.target = target
        self.profile = PROFILES[profile]
        self.limit = limit
        self.ends = time.monotonic() + deadline_s
        secrets = Secrets()
        for secret in target.secrets():
            secrets.add(secret)
        self.session = Session(contract, target, self.profile, 1, Ledger(None), secrets)
        self.prober = Prober(self.session, limit - KEPT_REQUESTS, deadline_s)
        self.known = Known(contract, target)
        self.found = Diagnosis()
        self.cut_short = ""
        self._answered: set[str] = set()

    def examine(self) -> None:
        first = reach_target(self.session, self.found)
        if first is None:
            return
        examine_tls(self.target, self.found)
        examine_clock(first, self.found)
        self._token()
        self._bounded(self.prober.calibrate)
        identity = self._identity()
        self._lists()
        self._assumed()
        self._features(identity)
        self._callers()
        self._left_alone()
        self._limits()
        self._share()

    def _bounded(self, step: Callable[[], object]) -> bool:
        """Do one step unless the limits are reached; a call without an answer is no reason to stop."""
        if self.cut_short:
            return False
        try:
            self.prober.check_limits()
            step()
        except Spent as spent:
            self.cut_short = str(spent)
            return False
        except (TargetLost, Unavailable):
            return False
        return True

    # --- the caller ------------------------------------------------------------------------------------------------

    def _token(self) -> None:
        credentials = self.target.credentials
        how = "the token"
        token = credentials.token
        if not token:
            how = "e-mail and password"
            arrangement = Arrangement(self.session)
            try:
                token = Identities(self.session, arrangement).login(credentials.email, credentials.password, ADMIN)
            except Obstacle as error:
                self.found.add("token", State.PROBLEM, str(error), "check e-mail and password, or name a token")
                raise _Stop from None
        self.session.admin = Identity(ADMIN, token)
        known, exchange = find_api(self.session)
        self.session.health = Call(known)
        answered = f"GET {known.template} answers {exchange.outcome()}"
        if exchange.status == 401:
            self.found.add("token", State.PROBLEM, f"refused: {answered}", "get a fresh token: they end after 8 hours")
            raise _Stop
        if exchange.status == 404 or exchange.json is None:
            kind = exchange.media_type or "no media type"
            self.found.add(
                "token",
                State.PROBLEM,
                f"this is not the API: {answered} with {kind}",
                "check the base URL: it ends in /api",
            )
            raise _Stop
        self.found.add("token", State.OK, f"{how} accepted")

    def _identity(self) -> frozenset[str] | None:
        """The features that the target itself names; None when it names none."""
        operation = self.contract.operations.get("get_identity")
        if operation is None:
            return None
        named: list[frozenset[str]] = []

        def ask() -> None:
            exchange = self.session.read(Call(operation), self.session.admin)
            body = exchange.json
            body = body.get(operation.item_key) if isinstance(body, dict) and operation.item_key else body
            features = body.get("features") if isinstance(body, dict) else None
            if exchange.ok and isinstance(features, list):
                named.append(frozenset(map(str, features)))

        self._bounded(ask)
        return named[0] if named else None

    def _features(self, identity: frozenset[str] | None) -> None:
        names = self.contract.feature_names
        if identity is not None:
            self.known.held = identity
            self.known.lacking = frozenset(names) - identity
            how = "as the target names them"
        else:
            self._features_by_reads()
            how = "told by what it may read"
        held, lacking = self.known.held & set(names), self.known.lacking
        untold = len(names) - len(held) - len(lacking)
        text = f"the role holds {len(held)} of the {len(names)} features that the contract names, {how}"
        if untold:
            text += f"; {untold} could not be told"
        missing = f"not: {some(sorted(lacking))}" if lacking else ""
        advice = "use a token of a role that holds them, to judge the operations that need them"
        self.found.add_share("features", text, missing, advice)

    def _features_by_reads(self) -> None:
        held: set[str] = set()
        lacking: set[str] = set()
        for operation in self.contract.operations.values():
            needs = operation.features
            if operation.id in self.known.refused:
                if needs.any_of:
                    lacking.update(f for f in needs.any_of if not is_pattern(f))
                elif len(needs.all_of) == 1:
                    lacking.update(needs.all_of)
            elif operation.id in self._answered and not operation.extra_access:
                held.update(needs.all_of)
                if len(needs.any_of) == 1:
                    held.update(needs.any_of)
        # A refusal may have another reason (an assumed feature is a guess); what is seen to open is held.
        self.known.held, self.known.lacking = frozenset(held), frozenset(lacking - held)

    def _callers(self) -> None:
        """Whether roles and users can be made, which every check of another caller needs."""
        creates = [self.contract.by_action(entity, "create") for entity in ("user_role", "user")]
        ready = len(self.target.roles)
        also = f"; {ready} ready-made tokens are there" if ready else ""
        if not all(creates):
            self.found.add("roles and users", State.GAP, f"the contract creates none{also}", CALLERS)
            return
        lacking = [o for o in creates if o is not None and not self.known.may_call(o)]
        if lacking:
            needed = ", ".join(dict.fromkeys(o.features.text() for o in lacking))
            self.found.add(
                "roles and users",
                State.GAP,
                f"the token's role may not create them (it lacks {needed}){also}",
                "use a token with these features, or give ready-made tokens (roles in targets.toml)",
            )
        elif not self.target.allows("write"):
            self.found.add(
                "roles and users",
                State.GAP,
                f"none are created, because writes are not allowed{also}",
                "allow writes, or give ready-made tokens (roles in targets.toml)",
            )
        else:
            self._make_one(also)

    def _left_alone(self) -> None:
        """What a run does not call, though it is allowed: it is not about records of the run's own."""
        allowed = [o for o in self.contract.operations.values() if self.target.allows(o.safety)]
        left = [o.id for o in allowed if kept_from(self.contract, o, self.target)]
        if left:
            text = f"what is others' stays as it is: not called, though allowed, are {some(left)}"
            self.found.add("other people's things", State.OK, text)

    def _make_one(self, also: str) -> None:
        """Make one caller, see him logged in, and remove him again."""
        identities = Identities(self.session, Arrangement(self.session))
        told, state, advice = f"a user with a role was created, logged in and was removed{also}", State.OK, ""
        try:
            identities.make(frozenset(), NO_FEATURES)
        except NotExercised as error:
            told, state, advice = f"{error}{also}", State.GAP, CALLERS_ADVICE
            self.known.callers, self.known.passwords = False, not identities.withheld
            create = self.contract.by_action("user_role", "create")
            if create is not None and not self.session.ledger.open_records:
                self.known.refused.add(create.id)
        left = [record for record in self.session.ledger.open_records if not self._removed(record)]
        if left:
            names = ", ".join(f"{record.operation} {record.record_id}" for record in left)
            told, state, advice = f"{told}; what was created could not be removed: {names}", State.GAP, _BY_HAND
        self.found.add("roles and users", state, told, advice)

    def _removed(self, record: Created) -> bool:
        if not record.delete_url:
            return False
        headers = {TOKEN_HEADER: self.session.admin.token, "Accept": "application/json"}
        exchange = self.session.client.send("DELETE", record.delete_url, headers=headers, operation="clean")
        return exchange.ok or exchange.gone

    # --- what is there ---------------------------------------------------------------------------------------------

    def _note(self, finding: Finding) -> None:
        self.known.presence[finding.operation.id] = finding.presence
        if finding.refused:
            self.known.refused.add(finding.operation.id)
        if finding.answered:
            self._answered.add(finding.operation.id)

    def _probe(self, operation: Operation) -> None:
        if operation.id in self.known.presence:
            return

        def ask() -> None:
            finding = self.prober.probe(operation)
            self._note(finding)
            if operation.safety == "read" and operation.path_parameters:
                self.known.paths[operation.id] = self.prober.real_ids.get(operation.id, False)
            if operation.collection and finding.answered:
                self._count(operation)

        self._bounded(ask)

    def _count(self, operation: Operation) -> None:
        """How many records a list holds, seen on the answer that told that it is there."""
        path = self.prober.finder.existing_path(operation)
        try:
            records = self.prober.finder.records(operation, path)
        except Unavailable:
            return
        whole = operation.collection is not None and (operation.collection.paging or operation.query("limit") is None)
        if whole or len(records) < PAGE - 1:  # a list that was cut at its default tells no number
            self.known.counts[operation.id] = len(records)

    def _lists(self) -> None:
        lists = [o for o in self.contract.operations.values() if o.collection and o.method == "GET"]
        # Those that need no id first: the others hang below them.
        for operation in sorted(lists, key=lambda o: len(o.path_parameters)):
            self._probe(operation)
        answering = [o for o in lists if o.id in self.known.counts]
        paged = [o for o in answering if o.collection and o.collection.paging]
        self._records_for(
            "PAGE",
            paged,
            PAGE,
            "paged lists hold more than 20 records",
            "lists of more than 20 records show the default page",
        )
        self._records_for(
            "ORDER", answering, SEVERAL, "lists that answer hold 2 records or more", "an order shows on 2 records"
        )

    def _records_for(self, family: str, lists: list[Operation], needed: int, hold: str, advice: str) -> None:
        """Whether lists hold as many records as the rules of a family need."""
        if not lists:
            return
        counts = self.known.counts
        few = [f"{o.id} {counts[o.id]}" for o in lists if counts[o.id] < needed]
        text = f"{len(lists) - len(few)} of {len(lists)} {hold} ({family})"
        self.found.add_share(f"records for {family}", text, f"not {some(few)}" if few else "", advice)

    def _assumed(self) -> None:
        operations = [o for o in self.contract.operations.values() if o.provenance == "assumed"]
        # Reads first: a path that is missing for a read is missing for what writes to it.
        for operation in sorted(operations, key=lambda o: (o.method != "GET", len(o.path_parameters))):
            self._probe(operation)
        others = [o for o in self.contract.operations.values() if o.safety == "read" and o.method == "GET"]
        for operation in others:
            self._probe(operation)
        if not operations:
            return
        found = [self.known.presence.get(o.id, Presence.NOT_PROBED) for o in operations]
        told = ", ".join(f"{found.count(p)} {p}" for p in Presence if p in found)
        missing = [o.id for o in operations if self.known.presence.get(o.id) is Presence.MISSING]
        text = f"{len(operations)}: {told}"
        advice = "`cdp spec confirm` writes an overlay that confirms what exists and removes what does not"
        self.found.add_share("assumed operations", text, f"not there: {some(missing)}" if missing else "", advice)

    def _limits(self) -> None:
        if self.cut_short:
            self.found.add(
                "limits", State.GAP, f"not everything was asked: {self.cut_short}", "what was not asked counts as there"
            )

    # --- the share -------------------------------------------------------------------------------------------------

    def _share(self) -> None:
        cells = build_cells(self.contract, self.catalogue, Selection(), self.profile.listing_roles)
        self.found.reach = reach(self.known, cells)
