"""The log as lines of JSON: what an event becomes, and where the lines go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import syslog
import time
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application, Service
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogLevel,
    eventAsJSON,
    eventFromJSON,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

from relay import logs
from relay.logs import Logged, ToSyslog, as_json, as_text, observer
from relay.tap import makeService
from tests.test_tap import GOOD, TWISTD, parsed

PATIENCE_S = 30.0


def event(text: str = "", namespace: str = "relay.x", **fields: Any) -> dict[str, Any]:
    common = {"log_time": 1_800_000_000.0, "log_level": LogLevel.warn, "log_namespace": namespace}
    return {**common, "log_format": text, **fields}


def read(given: dict[str, Any]) -> dict[str, Any]:
    said = as_json(given)
    assert said is not None
    return json.loads(said)


def broken() -> Failure:
    try:
        raise ValueError("JANE^DOE")
    except ValueError:
        return Failure()


# what an event becomes


def test_an_event_of_the_relay_is_told_with_its_fields():
    found = read(event("{peer} left", event="left", peer="::1", secret=object()))
    assert found == {
        "time": "2027-01-15T08:00:00.000Z",
        "level": "warn",
        "namespace": "relay.x",
        "event": "left",
        "message": "::1 left",
        "peer": "::1",
    }


@pytest.mark.parametrize("namespace", ["twisted.web", "relayed", "stdout"])
def test_an_event_of_others_is_told_without(namespace):
    found = read(event("{what} left", namespace, what="x"))
    assert found["message"] == "x left"
    assert "what" not in found


def test_an_event_that_says_nothing_is_no_line():
    assert as_json(event("")) is None


def test_what_broke_is_told_without_its_words():
    said = as_json(event("a crossing failed", log_failure=broken()))
    assert said is not None
    found = json.loads(said)
    assert (found["message"], found["error"]) == ("a crossing failed", "ValueError")
    assert found["traceback"][-1].startswith("test_logs.py:")
    assert found["traceback"][-1].endswith(" broken")
    assert "JANE" not in said


def test_what_broke_in_the_old_way_of_twisted_is_told_likewise():
    old = event("{log_text}", "log_legacy", log_text="Traceback: JANE^DOE", isError=1)
    said = as_json({**old, "log_failure": broken(), "why": None})
    assert said is not None
    assert json.loads(said)["message"] == "unhandled error"
    assert "JANE" not in said


def test_an_event_of_a_worker_is_told_as_one_of_the_first_process():
    here = event("it is {what}", what="so", outcome=object(), counts={"C-STORE": 2})
    there = eventFromJSON(eventAsJSON(dict(here)))
    assert read(there) == read(here)
    failed = event("no", log_failure=broken())
    there = eventFromJSON(eventAsJSON(dict(failed)))
    assert read(there) == read(failed)


# text


def test_an_event_in_text_is_its_time_who_says_it_and_its_words():
    said = as_text(event("{peer} left", peer="::1"))
    assert said is not None
    when, who, words = said.split(" ", 2)
    assert datetime.fromisoformat(when).timestamp() == 1_800_000_000
    assert (who, words) == ("[relay.x#warn]", "::1 left")
    assert as_text(event("")) is None


@pytest.mark.parametrize("form", [as_text, as_json])
def test_whatever_an_event_holds_it_is_one_line_of_bounded_length(form):
    for what in ("a\r\nb\x1b[2J\u2028", "x" * 100_000):
        said = form(event("{what}", what=what, log_failure=broken()))
        assert said is not None and said.isprintable()
        assert len(said) < 10_000


def test_in_text_too_what_broke_is_told_without_its_words():
    old = event("{log_text}", "log_legacy", log_text="Traceback: JANE^DOE", isError=1)
    for given in (event("no"), {**old, "why": None}):
        said = as_text({**given, "log_failure": broken()})
        assert said is not None
        assert " ValueError Traceback (most recent call last): test_logs.py:" in said
        assert "JANE" not in said


# where the lines go


def test_without_a_daemon_they_go_to_standard_output(monkeypatch):
    out = StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    for twistd in ({"nodaemon": 1}, {"nodaemon": 1, "logfile": "-"}):
        observer(as_json, twistd)(event("so"))
    first, second = out.getvalue().splitlines()
    assert first == second == as_json(event("so"))
    observer(as_json, {"nodaemon": 1})(event(""))
    assert len(out.getvalue().splitlines()) == 2


def test_a_daemon_has_no_standard_output():
    with pytest.raises(SystemExit, match="daemon"):
        observer(as_json, {"logfile": "-"})


@pytest.mark.parametrize("twistd", [{}, {"logfile": "relay.log", "nodaemon": 1}])
def test_they_go_to_a_file(twistd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "getsignal", lambda number: True)
    observer(as_text, twistd)(event("so"))
    (file,) = tmp_path.iterdir()
    assert file.name == twistd.get("logfile", "twistd.log")
    assert file.read_text() == f"{as_text(event('so'))}\n"


def test_the_file_is_turned_over_by_a_signal(tmp_path, monkeypatch):
    handlers: dict[int, Any] = {}
    turned: list[LogFile] = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(logs, "_turn_over", turned.append)
    made = observer(as_json, {"logfile": str(tmp_path / "relay.log")})
    assert isinstance(made, FileLogObserver)
    handlers[signal.SIGUSR1](signal.SIGUSR1, None)
    assert [file.path for file in turned] == [str(tmp_path / "relay.log")]


def test_they_go_to_syslog_with_a_priority(monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(syslog, "openlog", lambda prefix, *_: opened.append(prefix))
    assert isinstance(observer(as_json, {"syslog": 1, "prefix": "dicom"}), ToSyslog)
    assert opened == ["dicom"]
    said: list[tuple[int, str]] = []
    to = ToSyslog(as_json, lambda *each: said.append(each))
    to(event("so"))
    to(event(""))
    assert said == [(syslog.LOG_WARNING, as_json(event("so")))]


# the application


def test_the_application_has_the_observer_once_its_services_are_in_it():
    made = ToSyslog(as_json)
    services = Logged(lambda: made)
    application: Any = Application("relay")
    services.addService(Service())
    services.setServiceParent(application)
    assert application.getComponent(ILogObserver) is made


def test_a_logger_of_ones_own_comes_first(tmp_path):
    path = tmp_path / "relay.toml"
    path.write_text(f'{GOOD.format(port=0)}[log]\nformat = "json"\n')
    options: Any = parsed("--config", str(path))
    assert isinstance(makeService(options), Logged)
    path.write_text(GOOD.format(port=0))
    assert isinstance(makeService(parsed("--config", str(path))), Logged)
    options.parent = {"logger": print}
    assert not isinstance(makeService(options), Logged)


def run(tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    """A relay of its own, whose upstream is asked at once, and is not there."""
    path = tmp_path / "relay.toml"
    (tmp_path / "log-key").write_bytes(b"0123456789abcdef")
    probed = GOOD.format(port=0).replace("[pool", "probe_interval = 0.1\n[pool")
    path.write_text(f'{probed}[log]\nformat = "json"\nkey_file = "log-key"\n')
    command = [str(TWISTD), "--pidfile=relay.pid", *options, "relay", "--config", str(path)]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in text.splitlines()]


def test_by_twistd_every_line_is_json_from_the_first_to_the_last(tmp_path):
    with run(tmp_path, "--nodaemon") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline())]
        while "is out" not in lines[-1]["message"]:
            lines.append(json.loads(process.stdout.readline()))
        process.terminate()
        lines += lines_of(process.stdout.read())
    assert lines[0]["message"].startswith("twistd ")
    assert lines[-1]["message"] == "Server Shut Down."
    assert all(each["time"].endswith("Z") for each in lines)


def test_by_twistd_as_a_daemon_too(tmp_path):
    with run(tmp_path) as process:
        pass
    assert process.returncode == 0
    log = tmp_path / "twistd.log"
    wait_for(lambda: log.exists() and "is out" in log.read_text())
    os.kill(int((tmp_path / "relay.pid").read_text()), signal.SIGTERM)
    wait_for(lambda: "Server Shut Down." in log.read_text())
    assert len(lines_of(log.read_text())) > 2


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends
        os.sched_yield()
