"""What must not leave the computer with a report of trouble: tokens, the home folder, the user's name."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_TOKEN = re.compile(r"\b(hf_|ghp_|github_pat_|sk-)[A-Za-z0-9_-]{8,}")
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_USER = ("USER", "LOGNAME", "USERNAME")
_USERINFO = re.compile(r"(://)[^/\s:@]+:[^/\s@]+@")


def redacted(text: str) -> str:
    """`text` with tokens shortened, ~ for the home folder, and no folder that is called like the user."""
    for name in _SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) >= 8:
            text = text.replace(secret, "…")
    text = _TOKEN.sub(r"\1…", text)
    text = _USERINFO.sub(r"\1…@", text)
    text = text.replace(sys.prefix, "<environment>")
    for home in {str(Path.home()), str(Path.home().resolve())} - {os.sep, ""}:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    for user in {Path.home().name, *(os.environ.get(name, "") for name in _USER)} - {""}:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?![\w.-])", "<user>", text)
    return text
