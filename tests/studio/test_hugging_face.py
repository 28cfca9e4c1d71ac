"""The list of models goes by the variables of Hugging Face's own programs, and asks nobody in the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.model_files import EMBEDDED
from tests.tiny_models import tiny_model

REVISION = "a" * 40
TOKEN = "hf_" + "s" * 34
LOOK = """
import json, socket

def refuse(*asked, **named):
    raise AssertionError(f"the network was asked for {asked}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from studio.model_jobs import ModelSource, load_model, look_around, look_at_model
from engine.model_files import ModelError, find_model
from pathlib import Path

told = {"models": [[one.name, one.fault, str(one.path)] for one in look_around().models]}
told["fits"] = look_at_model(ModelSource("some/tiny", "cpu"), 1, 1, Path(".")).obstacle
told["loaded"] = load_model(ModelSource("some/tiny", "cpu")).name
try:
    find_model("some/other")
except ModelError as error:
    told["missing"] = str(error)
print(json.dumps(told))
"""


def cached(hub: Path, name: str) -> Path:
    """A whole tiny model as a download leaves it in the cache `hub`."""
    repo = hub / f"models--{name.replace('/', '--')}"
    folder = repo / "snapshots" / REVISION
    (repo / "refs").mkdir(parents=True)
    (repo / "blobs").mkdir()
    (repo / "refs" / "main").write_text(REVISION)
    tiny = tiny_model()
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    return folder


def look(**variables: str) -> dict[str, object]:
    """What the studio lists and loads in a process with these variables alone of Hugging Face's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, env={**kept, **variables}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_the_cache_is_where_the_variables_say_whatever_token_and_endpoint(variable: str, tmp_path: Path) -> None:
    place = tmp_path / "hub"
    folder = cached(place, "some/tiny")
    named = {variable: str(place.parent if variable == "HF_HOME" else place)}
    told = look(**named, HF_TOKEN=TOKEN, HF_ENDPOINT="https://mirror.invalid")
    models = told["models"]
    assert isinstance(models, list)
    assert [one[:2] for one in models] == [[EMBEDDED, ""], ["some/tiny", ""]]
    assert models[1][2] == str(folder)
    assert told["fits"] == ""
    assert told["loaded"] == "some/tiny"
    assert "neither" in str(told["missing"])


def test_without_a_cache_there_is_the_embedded_model(tmp_path: Path) -> None:
    probe = LOOK.split("told =", 1)[0] + "print([one.name for one in look_around().models])"
    variables = {"HF_HOME": str(tmp_path / "nothing"), "HF_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert done.stdout.splitlines()[-1] == f"['{EMBEDDED}']", done.stderr
