"""`camreel import`: the weights that a training program saved become a camreel checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from camreel.cli.flags import Debug, Overwrite, Quiet, Verbose
from camreel.cli.outputs import refuse_existing
from camreel.cli.terminal import Terminal
from camreel.errors import ConfigError
from camreel.models.registry import ARCHITECTURES

MAX_NAMED_CLASSES = 8
"""Maximum number of class names in the message about the result."""

Weights = Annotated[Path, typer.Argument(metavar="WEIGHTS", help="file with a state dict: .pth, .pt or .safetensors")]
Arch = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="network that the weights belong to: a name that `camreel models` lists",
        autocompletion=lambda: list(ARCHITECTURES),
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="the checkpoint, FILE.safetensors")]
NAMES_HELP = (
    "names of the classes, one per line or as JSON; default: those of the published weights, if their number fits"
)
ClassNames = Annotated[Path | None, typer.Option(metavar="FILE", help=NAMES_HELP)]
Multilabel = Annotated[
    bool, typer.Option("--multilabel", help="scores are sigmoids, so that several classes can be present at once")
]
Size = Annotated[int | None, typer.Option(min=16, metavar="PIXELS", help="short side of the pictures in training")]
ClipLen = Annotated[int | None, typer.Option(min=1, metavar="COUNT", help="samples per clip in training")]
FrameRate = Annotated[
    float | None, typer.Option(min=0.01, max=1000, metavar="RATE", help="samples per second in training")
]
Mean = Annotated[str | None, typer.Option(metavar="R,G,B", help="mean of RGB in [0, 1] for normalization")]
Std = Annotated[str | None, typer.Option(metavar="R,G,B", help="standard deviation of RGB in [0, 1] for normalization")]


def import_command(
    context: typer.Context,
    weights: Weights,
    arch: Arch,
    output: Output,
    class_names: ClassNames = None,
    multilabel: Multilabel = False,
    size: Size = None,
    clip_len: ClipLen = None,
    frame_rate: FrameRate = None,
    mean: Mean = None,
    std: Std = None,
    overwrite: Overwrite = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert the weights of a network that `camreel models` lists to a checkpoint.

    WEIGHTS holds a state dict as training programs save it, for any number of
    classes; prefixes such as "module." are removed. Everything else that is not
    given is as for the published weights of the network.
    """
    terminal: Terminal = context.obj
    given: dict[str, Any] = {"multilabel": multilabel or None, "clip_len": clip_len, "frame_rate": frame_rate}
    if size is not None:
        given |= {"resize": (size,), "crop": (size, size)}
    given["mean"] = parse_triple(mean, "--mean") if mean is not None else None
    given["std"] = parse_triple(std, "--std") if std is not None else None
    if weights.exists() and output.exists() and output.samefile(weights):
        raise ConfigError(f"{output} is the input and would be written over", todo="choose another output with -o")
    if not overwrite:
        refuse_existing([output], alternative=", or choose another name with -o")
    from camreel.models.importing import import_weights, read_names

    names = read_names(class_names) if class_names is not None else None
    fields = {key: value for key, value in given.items() if value is not None}
    metadata = import_weights(weights, arch, output, class_names=names, fields=fields)
    shown = ", ".join(metadata.classes[:MAX_NAMED_CLASSES]) + ", ..." * (len(metadata.classes) > MAX_NAMED_CLASSES)
    terminal.note(f"{output}: {metadata.arch} with {len(metadata.classes)} classes ({shown})")
    terminal.note(f"now: camreel process VIDEO --model {output}")


def parse_triple(text: str, flag: str) -> tuple[float, float, float]:
    """Convert the value "R,G,B" of a flag to three numbers.

    Raises:
        ConfigError: it is not three finite numbers between commas.

    Example:
        >>> parse_triple("0.485,0.456,0.406", "--mean")
        (0.485, 0.456, 0.406)
    """
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        red = green = blue = math.nan
    if not all(map(math.isfinite, (red, green, blue))):
        todo = f"write for example {flag} 0.485,0.456,0.406"
        raise ConfigError(f"{flag} {text} is not possible", "it takes three numbers, for red, green and blue", todo)
    return red, green, blue
