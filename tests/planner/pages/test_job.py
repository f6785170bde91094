"""Jobs beside the script: first answers, results, faults, and the end of what nobody follows."""

from __future__ import annotations

import threading

import pytest

from planner.pages.job import Jobs
from planner.solver.interrupt import stop_asked


@pytest.fixture
def jobs():
    return Jobs()


def wait_until_done(job, follower="reader"):
    for _ in range(200):
        job.wait(follower, 0.1, job.latest)
        if job.done:
            return
    pytest.fail("the job did not end")


def test_an_answer_on_the_way_is_seen_before_the_result(jobs):
    go_on, kept = threading.Event(), []

    def work(say, tell):
        say(1, 2, "half")
        tell("first")
        go_on.wait(20)
        return "last"

    job = jobs.start("key", "reader", work, kept.append)
    for _ in range(200):
        job.wait("reader", 0.1)
        if job.latest is not None:
            break
    assert (job.latest, job.done, job.words) == ("first", False, (1, 2, "half"))
    assert jobs.get("key") is job
    go_on.set()
    wait_until_done(job)
    assert (job.result, kept) == ("last", ["last"])
    assert jobs.get("key") is None


def test_a_fault_is_kept_for_whoever_follows(jobs):
    def work(say, tell):
        raise ZeroDivisionError

    kept = []
    job = jobs.start("key", "reader", work, kept.append)
    wait_until_done(job)
    assert isinstance(job.fault, ZeroDivisionError)
    assert kept == []
    assert jobs.get("key") is None


def test_what_nobody_follows_stops_and_is_not_kept(jobs):
    begun, kept = threading.Event(), []

    def work(say, tell):
        begun.set()
        while not stop_asked():
            pass
        return "half-done"

    job = jobs.start("key", "one", work, kept.append)
    begun.wait(20)
    job.wait("two", 0.0)
    job.leave("one")
    assert not job.unwanted(), "another still follows it"
    job.leave("two")
    for _ in range(200):
        with job.news:
            job.news.wait(0.1)
        if job.done:
            break
    assert job.done
    assert job.stopped
    assert kept == []
    assert jobs.get("key") is None
