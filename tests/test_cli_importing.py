"""`camreel import`: state dicts of training programs become checkpoints; no hint of an error leads back to it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from camreel.cli.importing import parse_triple
from camreel.errors import CamreelError, ConfigError
from camreel.models import checkpoint
from camreel.models.loading import load
from camreel.runtime.files import shipped
from tests.command_line import CommandLine

ANIMALS = ["cat", "dog", "elk", "fox", "gnu", "hen", "ibis"]
MOVES = ["jump", "run", "sit", "spin", "wave"]


def seeded(name: str, classes: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, num_classes=classes).eval()


@pytest.fixture(scope="module")
def image_net() -> nn.Module:
    return seeded("resnet18", len(ANIMALS))


@pytest.fixture(scope="module")
def video_net() -> nn.Module:
    return seeded("mc3_18", len(MOVES))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, image_net: nn.Module, video_net: nn.Module) -> Path:
    """Files as training programs save them."""
    folder = tmp_path_factory.mktemp("library")
    state = image_net.state_dict()
    prefixed = {f"module.{key}": value for key, value in video_net.state_dict().items()}
    torch.save(state, folder / "animals.pth")
    torch.save({f"module.{key}": value for key, value in state.items()}, folder / "prefixed.pth")
    torch.save({"epoch": 3, "state_dict": prefixed}, folder / "moves.pt")
    torch.save({"epoch": 3, "model": state}, folder / "nested.pth")
    torch.save(image_net, folder / "whole.pth")
    save_file(state, folder / "animals.safetensors")
    (folder / "animals.txt").write_text("\n".join(ANIMALS) + "\n")
    (folder / "moves.json").write_text(json.dumps({str(number): name for number, name in enumerate(MOVES)}))
    return folder


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line in a folder with links to the library."""
    for path in library.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


def logits_of(name: str, clip: Tensor) -> Tensor:
    recognizer = load(name)
    with torch.no_grad():
        logits: Tensor = recognizer.head(recognizer.features(clip))
    return logits


# -- what is imported


@pytest.mark.parametrize("file", ["animals.pth", "prefixed.pth", "nested.pth", "animals.safetensors"])
def test_an_image_network_with_its_own_classes_is_imported(run: CommandLine, file: str, image_net: nn.Module) -> None:
    outcome = run("import", file, "--arch", "resnet18", "--class-names", "animals.txt", "-o", "mine.safetensors")
    assert outcome.code == 0 and outcome.out == ""
    assert outcome.err.splitlines() == [
        f"mine.safetensors: resnet18 with 7 classes ({', '.join(ANIMALS)})",
        "now: camreel process VIDEO --model mine.safetensors",
    ]
    recognizer = load("mine.safetensors")
    assert (recognizer.name, recognizer.classes, recognizer.multilabel) == ("resnet18", tuple(ANIMALS), False)
    assert (recognizer.clip_len, recognizer.size, recognizer.mean) == (1, 224, (0.485, 0.456, 0.406))
    picture = torch.randn((2, 3, 64, 96), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = image_net(picture)
    torch.testing.assert_close(logits_of("mine.safetensors", picture.unsqueeze(2)), expected, rtol=1e-4, atol=1e-4)


def test_a_video_network_with_a_prefix_is_imported(run: CommandLine, video_net: nn.Module) -> None:
    words = "import moves.pt --arch mc3_18 --class-names moves.json -o out/mine.safetensors"
    assert run(*words.split()).code == 0
    metadata = checkpoint.read(Path("out/mine.safetensors"))[1]
    assert (metadata.classes, metadata.clip_len, metadata.frame_rate) == (tuple(MOVES), 16, 15.0)
    assert metadata.source == "imported from moves.pt"
    clip = torch.randn((1, 3, 16, 64, 96), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = video_net(clip)
    torch.testing.assert_close(logits_of("out/mine.safetensors", clip), expected, rtol=1e-4, atol=1e-4)


def test_the_last_line_of_the_message_works_as_it_stands(run: CommandLine) -> None:
    run("import", "animals.pth", "--arch", "resnet18", "--class-names", "animals.txt", "-o", "mine.safetensors")
    video = shipped("sample_videos") / "single-0007.mp4"
    words = f"process {video} --model mine.safetensors --end 0.2 --precision float32 --min-score 0 --no-video --json -"
    outcome = run(*words.split())
    assert outcome.code == 0, outcome.err
    header, *frames, _ = [json.loads(line) for line in outcome.out.splitlines()]
    assert header["model"]["classes"] == ANIMALS
    assert len(frames) == 6 and all(frame["actions"][0]["label"] in ANIMALS for frame in frames)


def test_every_option_reaches_the_checkpoint(run: CommandLine) -> None:
    words = "import moves.pt --arch mc3_18 --class-names moves.json -o mine.safetensors"
    outcome = run(
        *words.split(),
        "--multilabel",
        "--size",
        96,
        "--clip-len",
        24,
        "--frame-rate",
        "12.5",
        "--mean",
        "0.5,0.4,.3",
        "--std",
        "0.2, 0.25, 0.3",
    )
    assert outcome.code == 0, outcome.err
    metadata = checkpoint.read(Path("mine.safetensors"))[1]
    assert (metadata.multilabel, metadata.resize, metadata.crop, metadata.clip_len) == (True, (96,), (96, 96), 24)
    assert (metadata.frame_rate, metadata.mean, metadata.std) == (12.5, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def test_the_names_of_the_published_weights_serve_if_their_number_fits(run: CommandLine) -> None:
    torch.save(seeded("mnasnet0_5", 1000).state_dict(), "small.pth")
    outcome = run("import", "small.pth", "--arch", "mnasnet0_5", "-o", "mine.safetensors")
    assert outcome.code == 0
    assert "1000 classes (tench, goldfish, " in outcome.err and ", ...)" in outcome.err


# -- what is refused


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("animals.pth --arch resnet18 -o x.safetensors", 6, "its classifier has 7 rows"),
        ("animals.pth --arch resnet18 -o x.safetensors --class-names moves.json", 6, "7 rows, but there are 5 names"),
        ("animals.pth --arch resnet18 -o x.safetensors --class-names none.txt", 4, "cannot read the class names"),
        ("animals.pth --arch mc3_18 -o x.safetensors", 6, "with --arch, in place of mc3_18"),
        ("animals.pth --arch vgg11 -o x.safetensors", 6, "it has no tensor classifier.6.weight"),
        ("animals.pth --arch resnet81 -o x.safetensors", 2, "did you mean 'resnet18'"),
        ("animals.pth --arch resnet18 -o x.pth", 2, "write x.safetensors"),
        ("animals.txt --arch resnet18 -o x.safetensors", 6, "save the state dict as one of these"),
        ("nowhere.pth --arch resnet18 -o x.safetensors", 6, "there is no such file"),
        ("whole.pth --arch resnet18 -o x.safetensors", 6, "torch.save(model.state_dict(), FILE)"),
        ("animals.pth --arch resnet18 -o x.safetensors --clip-len 8", 2, "leave --clip-len out"),
        ("animals.pth --arch mvit_v2_s -o x.safetensors --size 112", 2, "leave --size and --clip-len out"),
        ("animals.pth --arch resnet18 -o x.safetensors --mean 0.5", 2, "three numbers"),
        ("animals.pth --arch resnet18 -o x.safetensors --mean 1,2,x", 2, "--mean 0.485,0.456,0.406"),
        ("moves.pt --arch mc3_18 -o x.safetensors --class-names moves.json --std 1,0,1", 2, "std must be positive"),
        ("animals.safetensors --arch resnet18 -o animals.safetensors --overwrite", 2, "is the input"),
    ],
)
def test_an_impossible_request_is_refused_and_writes_nothing(
    run: CommandLine, tmp_path: Path, words: str, code: int, message: str
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    outcome = run("import", *words.split())
    assert outcome.code == code, outcome.err
    assert message in outcome.err and "Traceback" not in outcome.err
    assert outcome.err.startswith("error: ") and len(outcome.err.splitlines()) <= 3
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_existing_checkpoint_is_overwritten_only_on_request(run: CommandLine) -> None:
    Path("mine.safetensors").write_text("mine")
    words = ["import", "animals.pth", "--arch", "resnet18", "--class-names", "animals.txt", "-o", "mine.safetensors"]
    outcome = run(*words)
    assert outcome.code == 2 and "mine.safetensors already exists" in outcome.err and "--overwrite" in outcome.err
    assert Path("mine.safetensors").read_text() == "mine"
    assert run(*words, "--overwrite").code == 0
    assert load("mine.safetensors").classes == tuple(ANIMALS)


@pytest.mark.parametrize("text", ["", "1", "1,2", "1,2,3,4", "a,b,c", "1,,3", "nan,0,0", "0,0,inf"])
def test_a_triple_is_three_finite_numbers(text: str) -> None:
    assert parse_triple(" 0.1,.2 ,3", "--mean") == (0.1, 0.2, 3.0)
    with pytest.raises(ConfigError, match="three numbers"):
        parse_triple(text, "--mean")


# -- hints


def follow(run: CommandLine, name: str, weights: str, trust: bool = False) -> list[str]:
    """Load a network, and follow the import commands of the errors until it loads; return the errors on the way."""
    seen: list[str] = []
    while True:
        try:
            assert load(name, weights, trust_pickle=trust).classes == tuple(ANIMALS)
            return seen
        except CamreelError as error:
            assert str(error) not in seen, "the hint of the error leads back to the error"
            seen.append(str(error))
            command = re.search(r"camreel (import .* -o mine\.safetensors)", error.todo)
            assert command, f"no way out of: {error}"
            words = command[1].replace("--arch NAME", "--arch resnet18").replace("NAMES.txt", "animals.txt")
            if "--class-names" not in words:
                refused = run(*shlex.split(words))
                seen.append(refused.err)
                assert refused.code == 6 and "give it with --class-names" in refused.err
                words += " --class-names animals.txt"
            assert run(*shlex.split(words)).code == 0
            name, weights = "mine.safetensors", "default"


@pytest.mark.parametrize(
    ("name", "weights", "trust"),
    [
        ("animals.pth", "default", False),
        ("animals.pth", "default", True),
        ("nested.pth", "default", True),
        ("animals.safetensors", "default", False),
        ("resnet18", "animals.pth", False),
        ("resnet18", "prefixed.pth", False),
        ("resnet18", "nested.pth", False),
        ("resnet18", "animals.safetensors", False),
    ],
)
def test_the_hint_of_every_refused_file_leads_to_a_network_that_loads(
    run: CommandLine, name: str, weights: str, trust: bool
) -> None:
    assert 1 <= len(follow(run, name, weights, trust)) <= 2


@pytest.mark.parametrize("words", [("whole.pth", "default", True), ("resnet18", "whole.pth", False)])
def test_a_pickled_module_is_refused_with_the_way_to_save_its_state_dict(
    run: CommandLine, words: tuple[str, str, bool]
) -> None:
    with pytest.raises(CamreelError) as caught:
        load(words[0], words[1], trust_pickle=words[2])
    assert "torch.save(model.state_dict(), FILE)" in caught.value.todo
    assert "import" not in caught.value.todo, "importing could not read it either"


def test_a_checkpoint_of_another_network_names_the_network_it_is_of(run: CommandLine) -> None:
    run("import", "animals.pth", "--arch", "resnet18", "--class-names", "animals.txt", "-o", "mine.safetensors")
    with pytest.raises(CamreelError, match="load it as resnet18"):
        load("mc3_18", "mine.safetensors")
    assert load("resnet18", "mine.safetensors").classes == tuple(ANIMALS)
