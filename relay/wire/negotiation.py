"""Offers x answers -> mapping of presentation contexts (PS3.8 7.1.1, PS3.7 D.3).

An `Offer` is what a requestor proposes, without who it is; an `Answer` is what an acceptor made of
it. The relay takes offers apart by pool (`only`), remembers answers under an offer whose ids are
normalised, and puts answers together again (`merged`). A `Context` is a presentation context as it
holds after negotiation: two associations can serve the same message when they hold equal ones,
whatever their ids.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import partial
from itertools import count

import attrs

from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.pdu import (
    APPLICATION_CONTEXT,
    LARGEST_MAXIMUM_LENGTH,
    AssociateAC,
    AssociateRQ,
)
from relay.wire.upperlayer import peer_maximum
from relay.wire.user_information import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)

IMPLEMENTATION_CLASS_UID = "2.25.150638697653574730717290074238853519481"
"""Names this implementation for good; derived from a UUID (PS3.5 B.2)."""

IMPLEMENTATION_VERSION_NAME = "DICOM_RELAY_0_1"

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"


LONGEST_USER_INFORMATION = 0xFFFF - 4096
"""Bytes of sub-items that leave room to put ours in the place of a peer's, or beside them: maximum
length, implementation class UID, version name, and a user identity of some 3,000 bytes."""


@attrs.frozen
class Context:
    """A presentation context in force; equal ones are interchangeable.

    `roles` is (scu, scp) of the requestor as answered, None for the default; `extended` the
    answered service class application information, None where there was none.
    """

    abstract_syntax: str
    transfer_syntax: str
    roles: tuple[bool, bool] | None = None
    extended: bytes | None = None


@attrs.frozen
class Offer:
    """Presentation contexts with what belongs to their SOP classes, as proposed."""

    contexts: tuple[PresentationContextRQ, ...]
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[SOPClassExtendedNegotiation, ...] = ()
    common_extended: tuple[SOPClassCommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentityRQ | None = None

    @classmethod
    def of(cls, request: AssociateRQ) -> Offer:
        """The offer that a request makes."""
        information = request.user_information
        return cls(
            request.contexts,
            information.roles,
            information.extended,
            information.common_extended,
            information.user_identity,
        )

    def only(self, ids: Container[int]) -> Offer:
        """The part with the contexts `ids`, and with the items of their SOP classes."""
        contexts = tuple(each for each in self.contexts if each.id in ids)
        if not (self.roles or self.extended or self.common_extended):
            return Offer(contexts, user_identity=self.user_identity)
        named = {each.abstract_syntax for each in contexts}
        return Offer(
            contexts,
            tuple(each for each in self.roles if each.sop_class_uid in named),
            tuple(each for each in self.extended if each.sop_class_uid in named),
            tuple(each for each in self.common_extended if each.sop_class_uid in named),
            self.user_identity,
        )

    def without_items(self, ids: Container[int]) -> Offer:
        """The same with no role or extended negotiation for the SOP classes of the contexts `ids`:
        the defaults hold."""
        named = {each.abstract_syntax for each in self.contexts if each.id in ids}
        return attrs.evolve(
            self,
            roles=tuple(each for each in self.roles if each.sop_class_uid not in named),
            extended=tuple(each for each in self.extended if each.sop_class_uid not in named),
        )

    def normalised(self) -> Offer:
        """The same with ids 1, 3, 5, ... in the order of the contexts."""
        if all(each.id == place for place, each in zip(count(1, 2), self.contexts)):
            return self
        return self._with(
            PresentationContextRQ(place, each.abstract_syntax, each.transfer_syntaxes)
            for place, each in zip(count(1, 2), self.contexts)
        )

    def narrowed(self, answer: Answer) -> Offer:
        """What further associations propose: accepted contexts, with the one syntax accepted."""
        accepted = answer.accepted
        narrow = self.only(accepted)
        return narrow._with(
            PresentationContextRQ(each.id, each.abstract_syntax, (accepted[each.id],))
            for each in narrow.contexts
        )

    def _with(self, contexts: Iterable[PresentationContextRQ]) -> Offer:
        """The same with other contexts."""
        # Spelt out, here and elsewhere: attrs.evolve looks up the fields each time, and an offer of
        # a hundred contexts is made anew several times for each association.
        return Offer(
            tuple(contexts), self.roles, self.extended, self.common_extended, self.user_identity
        )

    def request(self, calling_field: bytes, called_field: bytes, maximum: int) -> AssociateRQ:
        """The A-ASSOCIATE-RQ that proposes this, announcing `maximum` bytes."""
        information = UserInformation(
            maximum_length=maximum,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=self.roles,
            extended=self.extended,
            common_extended=self.common_extended,
            user_identity=self.user_identity,
        )
        return AssociateRQ(
            called_field,
            calling_field,
            information,
            APPLICATION_CONTEXT,
            1,
            bytes(32),
            self.contexts,
        )


@attrs.frozen
class Answer:
    """What was answered to an offer.

    `contexts` has one entry for each that was proposed, in that order. `maximum` is the maximum
    length that the acceptor announced, in bytes.
    """

    contexts: tuple[PresentationContextAC, ...]
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[SOPClassExtendedNegotiation, ...] = ()
    user_identity_response: UserIdentityAC | None = None
    maximum: int = LARGEST_MAXIMUM_LENGTH

    @classmethod
    def of(cls, offer: Offer, acceptance: AssociateAC) -> Answer:
        """What `acceptance` says to `offer`.

        A context that it leaves out, or accepts with a syntax that was not proposed, is refused:
        it could not be used.
        """
        answers = {each.id: each for each in acceptance.contexts}
        information = acceptance.user_information
        return cls(
            tuple(_judged(each, answers.get(each.id)) for each in offer.contexts),
            information.roles,
            information.extended,
            information.user_identity_response,
            peer_maximum(information),
        )

    @classmethod
    def refusing(cls, offer: Offer, result: ContextResult) -> Answer:
        """Every context of `offer` refused alike."""
        return cls(tuple(_refused(each, result) for each in offer.contexts))

    @classmethod
    def accepting(cls, offer: Offer) -> Answer:
        """Every context of `offer` accepted, and the roles as proposed: with the syntax that
        everybody has to take, or else the first (PS3.5 10.1)."""
        return cls(tuple(map(_accepted, offer.contexts)), offer.roles)

    @property
    def accepted(self) -> Mapping[int, str]:
        """Transfer syntax by id of the contexts that were accepted."""
        return {
            each.id: each.transfer_syntax
            for each in self.contexts
            if each.result == ContextResult.ACCEPTANCE
        }

    def narrowed(self, further: Answer) -> Answer:
        """What holds with both, where `further` answers what this one has accepted."""
        said = {each.id: each for each in further.contexts}
        contexts = tuple(said.get(each.id, each) for each in self.contexts)
        maximum = min(self.maximum, further.maximum)
        return attrs.evolve(further, contexts=contexts, maximum=maximum)

    def renumbered(self, offer: Offer) -> Answer:
        """The same answers with the ids of `offer`, which proposed the same in the same order."""
        contexts = tuple(
            PresentationContextAC(proposed.id, answer.result, answer.transfer_syntax)
            for answer, proposed in zip(self.contexts, offer.contexts, strict=True)
        )
        return Answer(
            contexts, self.roles, self.extended, self.user_identity_response, self.maximum
        )

    def in_force(self, offer: Offer) -> dict[int, Context]:
        """The contexts that hold, by id."""
        roles = {each.sop_class_uid: (each.scu, each.scp) for each in self.roles}
        extended = {each.sop_class_uid: each.information for each in self.extended}
        accepted = self.accepted
        return {
            each.id: Context(
                each.abstract_syntax,
                accepted[each.id],
                roles.get(each.abstract_syntax),
                extended.get(each.abstract_syntax),
            )
            for each in offer.contexts
            if each.id in accepted
        }


def _judged(
    proposed: PresentationContextRQ, answer: PresentationContextAC | None
) -> PresentationContextAC:
    if answer is None:
        return _refused(proposed, ContextResult.NO_REASON)
    if answer.result != ContextResult.ACCEPTANCE:
        return answer
    if answer.transfer_syntax not in proposed.transfer_syntaxes:
        return _refused(proposed, ContextResult.NO_REASON)
    return answer


def _refused(proposed: PresentationContextRQ, result: ContextResult) -> PresentationContextAC:
    # A refusal names a syntax all the same; it is not significant (PS3.8 9.3.3.2).
    return PresentationContextAC(proposed.id, result, proposed.transfer_syntaxes[0])


def _accepted(proposed: PresentationContextRQ) -> PresentationContextAC:
    syntaxes = proposed.transfer_syntaxes
    chosen = IMPLICIT_VR_LITTLE_ENDIAN
    if chosen not in syntaxes:
        chosen = syntaxes[0]
    return PresentationContextAC(proposed.id, ContextResult.ACCEPTANCE, chosen)


def merged(offer: Offer, parts: Iterable[Answer]) -> Answer:
    """The answers to the parts of `offer` as one, in its order; what no part answers is refused."""
    parts = tuple(parts)
    if len(parts) == 1 and len(parts[0].contexts) == len(offer.contexts):
        return parts[0]
    answers = {each.id: each for part in parts for each in part.contexts}
    refused = partial(_refused, result=ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    responses = [part.user_identity_response for part in parts if part.user_identity_response]
    return Answer(
        tuple(answers.get(each.id) or refused(each) for each in offer.contexts),
        tuple(role for part in parts for role in part.roles),
        tuple(each for part in parts for each in part.extended),
        responses[0] if responses else None,
        min((part.maximum for part in parts), default=LARGEST_MAXIMUM_LENGTH),
    )


def window(request: AssociateRQ, most: int) -> AsynchronousOperationsWindow | None:
    """The answer to a proposed asynchronous operations window, None where there is none.

    The requestor may invoke `most` operations at a time, or as few as it proposed (0: any number);
    one at a time is invoked on it (PS3.7 D.3.3.3).
    """
    proposed = request.user_information.asynchronous_operations_window
    if proposed is None:
        return None
    return AsynchronousOperationsWindow(min(proposed.invoked or most, most), 1)


def acceptance(
    request: AssociateRQ,
    answer: Answer,
    maximum: int,
    window: AsynchronousOperationsWindow | None = None,
) -> AssociateAC:
    """The A-ASSOCIATE-AC to `request`, announcing `maximum` bytes; fields echoed as they came."""
    information = UserInformation(
        maximum_length=maximum,
        implementation_class_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        asynchronous_operations_window=window,
        roles=answer.roles,
        extended=answer.extended,
        user_identity_response=answer.user_identity_response,
    )
    return AssociateAC(
        request.called_field,
        request.calling_field,
        information,
        APPLICATION_CONTEXT,
        1,
        request.reserved,
        answer.contexts,
    )
