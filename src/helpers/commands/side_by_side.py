"""Chapters that do not need each other run at the same time, as far as the workers go round."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

import psutil

from helpers.commands.record import StepResult

# Whose results each chapter reads. What these read in turn it needs as well.
NEEDS: dict[str, tuple[str, ...]] = {
    "01": (),
    "02": ("01",),
    "03": ("02",),
    "04": ("03",),
    "05": ("04",),
    "06": ("05",),
    "07": ("06",),
    "08": ("06",),
    "09": (),
    "10": ("06",),
    "11": ("06",),
    "12": ("06",),
    "13": ("07", "08"),
    "14": (),
    "15": ("10",),
    "16": ("06",),
}

ON_ONE = {"04"}  # the part that it shares among workers is so small that it does as well with one


def behind(step: str) -> set[str]:
    """All chapters that ``step`` needs, however many lie between."""
    return {*NEEDS[step], *(earlier for one in NEEDS[step] for earlier in behind(one))}


class Turns:
    """Whose turn it is, and with how many workers.

    Parameters
    ----------
    steps : sequence of str
        The chapters to do, in order. A need that is not among them counts as met.
    work : mapping of str to float
        Seconds that each would take one worker.
    parallel : collection of str
        Those that share their work among workers; the others take one.
    workers : int
        How many there are for all chapters together.
    """

    def __init__(
        self, steps: Sequence[str], work: Mapping[str, float], parallel: Collection[str], workers: int
    ) -> None:
        self.waiting = list(steps)
        self.running: dict[str, int] = {}  # their share of the workers
        self.work, self.parallel, self.workers = work, parallel, workers
        self.rendering = False  # whether the book so far is to be rendered
        self._begun: dict[str, float] = {}

    def _load(self, step: str) -> float:
        """Work from a chapter's start to the end of all that need it, along the longest way."""
        return self.work[step] + max(map(self._load, self._later(step)), default=0.0)

    def _later(self, step: str) -> list[str]:
        return [one for one in self.work if step in NEEDS[one]]

    def ready(self) -> list[str]:
        """Those that wait for no other chapter; first the one with the longest way to the end."""
        unfinished = {*self.waiting, *self.running}
        ready = [step for step in self.waiting if unfinished.isdisjoint(NEEDS[step])]
        return sorted(ready, key=lambda step: -self._load(step))

    def following(self) -> tuple[str, int] | None:
        """The next chapter to start and its share of the workers; None while it has to wait for them.

        Shares are as the ways to the end. No smaller chapter slips in before one that waits for its share,
        or will: the book takes as long as its longest way.
        """
        ready = self.ready()
        for step in ready:
            share = self._share(step, {*ready, *self.running})
            if share > self.free():
                return None
            if not self._holds_up(step, share):
                return step, share
        return None

    def _share(self, step: str, rivals: set[str]) -> int:
        """Workers for a chapter that is among ``rivals`` for them."""
        if step not in self.parallel:
            return 1
        load = sum(map(self._load, rivals)) or 1
        return max(round(self.workers * self._load(step) / load), 1)

    def _holds_up(self, step: str, share: int) -> bool:
        """Whether a chapter that is next, or the book so far, would have to wait for this one's workers."""
        ready = {*self.ready()}
        rest = max((self._rest(one) / width for one, width in self.running.items()), default=0.0)
        coming = {one for one in self.waiting if one not in ready and behind(one) & {*self.running}}
        wanted = max((self._share(one, {one, *ready}) for one in coming), default=0)
        wanted = self.workers if self.rendering else wanted
        return wanted > self.workers - share and self.work[step] / share > rest

    def _rest(self, step: str, pace: float = 1.0) -> float:
        """Work that a running chapter still has, when everything takes ``pace`` times as long."""
        spent = self.running[step] * (time.perf_counter() - self._begun[step])
        return max(self.work[step] - spent / pace, 0.0)

    def free(self) -> int:
        """Workers that have nothing to do."""
        return self.workers - sum(self.running.values())

    def start(self, step: str, share: int) -> None:
        """Give a chapter its workers."""
        self.waiting.remove(step)
        self.running[step], self._begun[step] = share, time.perf_counter()

    def settle(self, step: str) -> None:
        """A chapter is done, or was nothing to do."""
        self.running.pop(step, None)
        self.waiting = [one for one in self.waiting if one != step]

    def give_up(self, step: str) -> None:
        """A chapter failed: nothing that needs it starts any more."""
        self.settle(step)
        self.waiting = [one for one in self.waiting if step not in behind(one)]

    def seconds_to_go(self, pace: float) -> float:
        """Until all are done, when everything takes ``pace`` times as long as `work` says."""
        rest = {step: self.work[step] for step in self.waiting}
        rest |= {step: self._rest(step, pace) for step in self.running}
        ways: dict[str, float] = {}
        for step in sorted(rest, reverse=True):  # what needs a chapter comes after it
            width = self.running.get(step) or (self.workers if step in self.parallel else 1)
            later = max((ways.get(one, 0.0) for one in self._later(step)), default=0.0)
            ways[step] = rest[step] / width + later
        return pace * max(sum(rest.values()) / self.workers, *ways.values(), 0.0)


def in_turns(
    turns: Turns,
    is_settled: Callable[[str], bool],
    execute: Callable[[str, int], StepResult],
    ended: Callable[[str, StepResult], bool],
    render: Callable[[], None],
) -> dict[str, Exception]:
    """Do all chapters, each when what it needs is done; returns the errors of those that failed.

    What does not need a chapter that failed is done all the same.

    Parameters
    ----------
    turns : Turns
    is_settled : callable
        Whether a chapter, when its turn comes, is nothing to do. It is asked once, in this thread.
    execute : callable
        Does a chapter with so many workers, in a thread of its own.
    ended : callable
        Told of each chapter that was done, in this thread; whether the book so far is to be rendered.
    render : callable
        Renders it, in this thread, when no chapter runs: one that does has written half of its results.
    """
    failed: dict[str, Exception] = {}
    threads_of: dict[Future, str] = {}
    asked: set[str] = set()
    with ThreadPoolExecutor(len(NEEDS)) as threads, _children_end_with_us():
        while turns.waiting or turns.running:
            while fresh := [step for step in turns.ready() if step not in asked]:
                asked.add(fresh[0])
                if is_settled(fresh[0]):
                    turns.settle(fresh[0])
            while chosen := turns.following():
                turns.start(*chosen)
                threads_of[threads.submit(execute, *chosen)] = chosen[0]
            if turns.rendering and not turns.running:
                render()
                turns.rendering = False
                continue
            for future in wait(threads_of, return_when=FIRST_COMPLETED).done:
                step, error = threads_of.pop(future), future.exception()
                if error is None:
                    turns.settle(step)
                    turns.rendering |= ended(step, future.result())
                else:
                    failed[step] = error
                    turns.give_up(step)
    return failed


@contextmanager
def _children_end_with_us() -> Iterator[None]:
    """When somebody stops the run, its notebooks' processes stop too; threads that wait for them end then."""
    before = set(psutil.Process().children())
    try:
        yield
    except BaseException:
        for child in set(psutil.Process().children()) - before:
            with suppress(psutil.NoSuchProcess):
                child.terminate()
        raise
