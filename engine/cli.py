"""`meg`: the engine from the command line, for servers and scripts.

Results go to standard output, progress and sentences to standard error. Exit codes: 0 done · 1 a fault of the program
· 2 the command's words are off · 3 something that you can mend, said in one sentence · 130 stopped by Ctrl+C (the
same `meg fit` goes on where it stopped).
"""

from __future__ import annotations

import os
import sys

import typer

from engine.commands.ask import ask
from engine.commands.bench import bench
from engine.commands.compare import compare
from engine.commands.console import say
from engine.commands.convert import convert
from engine.commands.editors import editors
from engine.commands.evaluate import evaluate
from engine.commands.fit import fit
from engine.commands.models import models
from engine.decoding import DecodingError
from engine.edits import EditError
from engine.faults import memory_that_ran_out
from engine.formats.source import FormatError
from engine.metrics import MetricsError
from engine.packs import PackError
from engine.run_folder import RunError
from engine.runs import Cancelled
from engine.setting_fields import SettingError
from engine.waiting_threads import spin_briefly

MENDABLE = 3
INTERRUPTED = 130
_FULL = {
    "memory": "The machine's memory is full: close other programs, or take fewer edits or a smaller model.",
    "gpu memory": "The GPU's memory is full: close other programs that use it, take fewer edits or a smaller model, or "
    "say “--device cpu”.",
}

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=(__doc__ or "").partition("\n")[0]
)
for command in (fit, ask, evaluate, compare, convert, bench, models, editors):  # as `meg --help` lists them
    app.command()(command)


def main() -> None:
    """Run `meg`; what the user can mend is one sentence and exit code 3."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a bar for every file loaded, before `meg` has its own
    spin_briefly(os.environ)
    try:
        app()
    except Cancelled:
        say("Stopped.")
        sys.exit(INTERRUPTED)
    except _mendable() as error:
        print(error, file=sys.stderr)  # of several processes, it may be this one alone that cannot go on
        sys.exit(MENDABLE)
    except (MemoryError, RuntimeError) as error:
        full = memory_that_ran_out(error)
        if full is None:
            raise
        print(_FULL[full], file=sys.stderr)
        sys.exit(MENDABLE)


def _mendable() -> tuple[type[Exception], ...]:
    """The errors whose message is a sentence for the user; torch is loaded only once something went wrong."""
    from assets.catalogue import CatalogueError
    from engine.checkpoints import CheckpointError
    from engine.evaluation.protocol import ProtocolError
    from engine.evaluation.record import EvaluationError

    plain: tuple[type[Exception], ...] = (
        EditError,
        SettingError,
        FormatError,
        DecodingError,
        PackError,
        RunError,
        MetricsError,
        CheckpointError,
        CatalogueError,
        EvaluationError,
        ProtocolError,
    )
    if "torch" not in sys.modules:
        return plain
    from engine.device import DeviceError
    from engine.language_model import QueryError
    from engine.meg.encoder import EncoderError
    from engine.model_files import ModelError

    return (*plain, DeviceError, ModelError, QueryError, EncoderError)


if __name__ == "__main__":
    main()
