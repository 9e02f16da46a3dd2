"""Calls of the API: at the pace of the bucket, one by one or in batches; what may help is tried again, here only.

After a lost answer nobody can tell whether a call was done, and httplib2 itself sends a request twice when a connection
turns out to be stale. So every change is one that may be done twice, and whoever asks for it reads its second answer as
such.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from googleapiclient.http import BatchHttpRequest, HttpRequest
from tenacity import RetryCallState, Retrying, retry_if_result

from connectors.google.access import Authorized
from connectors.google.bucket import Bucket
from connectors.google.trouble import LOST, MOST, Trouble, understood

K = TypeVar("K", bound=Hashable)
Make: TypeAlias = Callable[[], HttpRequest]

_ROUND = 20  # batches; what failed in them is tried again before the next ones
_LONGEST = 64.0  # seconds from one try to the next, unless Google says more
_PATIENCE = 300.0  # seconds of waiting in which nothing succeeds: then each call has one try


@dataclass(slots=True)
class Calls:
    bucket: Bucket
    batch: int  # calls in one request
    batch_uri: str  # where batches for the Directory API go
    sleep: Callable[[float], None]
    chance: Callable[[], float]  # from 0 to 1
    _idle: float = 0.0  # seconds of waiting since something succeeded

    def one(self, make: Make, http: Authorized) -> Any:
        """The answer. Raises Trouble, and SourceError when Google gives no token."""
        outcome: Any = None
        for attempt in self._attempts():
            request = make()
            self.bucket.take(1)
            try:
                outcome = request.execute(http=http)
            except LOST as err:
                outcome = understood(err)
                self._heed([outcome], http)
            attempt.retry_state.set_result(_worth(outcome, attempt.retry_state.attempt_number))
        if isinstance(outcome, Trouble):
            raise outcome
        self._idle = 0.0
        return outcome

    def pages(self, listing: Callable[[str], HttpRequest], http: Authorized) -> Iterator[Mapping[str, Any]]:
        """Every page of a list; `listing` takes a page's token, "" for the first. Raises as `one`."""
        token, before = "", set()
        while True:
            page: Mapping[str, Any] = self.one(lambda: listing(token), http)  # noqa: B023  # called at once
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return
            if token in before:
                raise Trouble(200, "pages", "its pages come again and again")
            before.add(token)

    def many(self, calls: Mapping[K, Make], http: Authorized) -> Iterator[tuple[K, Any]]:
        """(key, answer or Trouble) of each, in any order, as they are known. Raises SourceError without a token."""
        each = iter(calls)
        while keys := list(islice(each, _ROUND * self.batch)):
            yield from self._settled(dict.fromkeys(keys), calls, http)

    def _settled(self, left: dict[K, None], calls: Mapping[K, Make], http: Authorized) -> Iterator[tuple[K, Any]]:
        """`left` has an order, which makes a day with faults repeatable."""
        tries: Counter[K] = Counter()
        troubles: dict[K, Trouble] = {}
        for attempt in self._attempts():
            lost = 0
            for keys in _batched(list(left), self.batch):
                outcomes, whole = self._sent(keys, calls, http)
                for key, outcome in outcomes:
                    tries[key] += 1
                    if isinstance(outcome, Trouble) and tries[key] < outcome.tries:
                        troubles[key] = outcome
                        continue
                    if not isinstance(outcome, Trouble):
                        self._idle = 0.0
                    left.pop(key)
                    yield key, outcome
                lost = lost + 1 if whole else 0
                if lost == 2:  # it is not this batch: wait, and do not try the others meanwhile
                    break
            attempt.retry_state.set_result([troubles[key] for key in left if key in troubles])
        for key in left:
            yield key, troubles[key] if key in troubles else next(iter(troubles.values()))

    def _sent(self, keys: Sequence[K], calls: Mapping[K, Make], http: Authorized) -> tuple[list[tuple[K, Any]], bool]:
        """What came of one batch, and whether it failed as a whole."""
        outcomes: list[tuple[K, Any]] = []

        def told(place: str, answer: Any, err: Exception | None) -> None:
            outcomes.append((keys[int(place)], understood(err) if err else answer))

        requests = [calls[key]() for key in keys]
        self.bucket.take(len(requests))
        batch = BatchHttpRequest(callback=told, batch_uri=self.batch_uri)
        for place, request in enumerate(requests):
            batch.add(request, request_id=str(place))
        whole = False
        try:
            batch.execute(http=http)
        except LOST as err:
            trouble, whole = understood(err), True
            outcomes = [(key, trouble) for key in keys]
        self._heed([outcome for _, outcome in outcomes if isinstance(outcome, Trouble)], http)
        return outcomes, whole

    def _heed(self, troubles: Iterable[Trouble], http: Authorized) -> None:
        if any(trouble.slow for trouble in troubles):
            self.bucket.refused()
        if any(trouble.status == 401 for trouble in troubles):
            http.forget()

    def _attempts(self) -> Retrying:
        """Each must be given the troubles that are worth another try, as its result; an empty one is the last."""
        return Retrying(
            retry=retry_if_result(bool),
            stop=lambda state: state.attempt_number >= MOST or self._idle >= _PATIENCE,
            wait=self._pause,
            sleep=self._wait,
            retry_error_callback=lambda _: None,
        )

    def _pause(self, state: RetryCallState) -> float:
        """2^n seconds and up to one more, as Google asks for; at least what it says in Retry-After."""
        assert state.outcome
        wished: float = max(trouble.after for trouble in state.outcome.result())
        return max(wished, min(2.0 ** (state.attempt_number - 1), _LONGEST) + self.chance())

    def _wait(self, seconds: float) -> None:
        self._idle += seconds
        self.sleep(seconds)


def _worth(outcome: Any, tried: int) -> list[Trouble]:
    """What of one call is worth another try. That something is not there is an answer, to who reads."""
    worth = isinstance(outcome, Trouble) and outcome.status != 404 and tried < outcome.tries
    return [outcome] if worth else []


def _batched(keys: Sequence[K], size: int) -> Iterator[Sequence[K]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
