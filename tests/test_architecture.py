"""The house: who may import whom, where threads and heavy packages live, what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "pipeline" / "camreel"
FILES = sorted(HOUSE.rglob("*.py"))

NOUNS = {"structures", "screen", "errors"}
PURE = {"shrink", "guided", "optical_flow"}
"""What several stages do with pictures."""
STAGES = {
    "sample", "windows", "recognize", "stitch", "project", "smooth", "delimit", "refine", "locate", "link",
    "sources", "models", "cams", "sinks", "overlay", "prefetch", "meter", "shrink", "guided", "optical_flow",
}  # fmt: skip
BESIDE = {
    "truth": NOUNS,
    "figures": NOUNS | {"truth"},
    "learn": NOUNS | {"figures", "models", "prefetch", "recognize", "sample", "sources"},
}
"""Rooms beside the flow, and what each may import."""
SEES_ALL = {"flow", "settings", "live", "bench", "evaluate"}
ENTRANCES = {"cli", "live", "bench", "evaluate", "__init__", "__main__"}


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path, *, types: bool = False) -> set[str]:
    """Dotted names that a file imports; with `types`, also those for type checking only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            return
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("camreel.")}


def users(package: str) -> set[str]:
    return {room(path) for path in FILES if any(name.split(".")[0] == package for name in imports(path))}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_imports_go_one_way(path):
    here = room(path)
    others = ours(path) - {here}
    if here in NOUNS | {"prefetch"}:
        assert others <= ({"structures"} if here == "screen" else set())
    elif here in STAGES:
        allowed = NOUNS | (PURE - {here}) | ({"overlay"} if here == "sinks" else set())
        assert others <= allowed, f"{here} is a stage or room and imports {others - allowed}"
    elif here in BESIDE:
        assert others <= BESIDE[here], f"{here} imports {others - BESIDE[here]}"
    elif here not in SEES_ALL:
        assert not others & STAGES - {"sources", "models"} or here in ENTRANCES
    if here not in ENTRANCES:
        assert "flow" not in others
        assert "cli" not in others
    assert "config" not in others or here in {"flow", "settings", "live", "bench", "evaluate", "cli", "layers", "schema"}, (
        "stages take values, never a Config"
    )


def test_heavy_packages_live_where_they_are_needed():
    assert users("torch") == {"models", "cams", "recognize", "bench", "learn"}
    assert users("torchvision") == {"models"}
    assert users("av") == {"sources", "sinks", "figures"}
    # cli asks whether it is the main thread, for signals; the page has a loop of its own.
    assert users("threading") | users("queue") | users("asyncio") == {"prefetch", "cli", "sinks"}
    waiting = [path for path in FILES if imports(path) & {"threading", "queue", "asyncio"}]
    assert {path.parent.name for path in waiting if room(path) == "sinks"} == {"web"}
    assert users("multiprocessing") == {"bench", "learn"}
    assert users("typer") == users("rich") == {"cli"}


@pytest.mark.parametrize(
    "module",
    [
        "flow", "live", "sources", "sinks.video.sink", "sinks.video.recorder", "sinks.publish.publisher",
        "learn.clips", "figures.write", "evaluate",
    ],  # fmt: skip
)
def test_opencv_is_imported_before_pyav(module):
    """The other way round its windows hang."""
    code = f"import sys, camreel.{module}; m = list(sys.modules); print(m.index('cv2') < m.index('av'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


def test_nothing_is_pickled():
    for path in FILES:
        assert not imports(path) & {"pickle", "dill", "joblib", "cloudpickle"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                assert {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg == "weights_only"} == {
                    "weights_only": True
                }


def test_files_and_functions_stay_small():
    for path in FILES:
        text = path.read_text()
        assert text.count("\n") <= 320, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name not in {"process", "localize"}:
                assert node.end_lineno - node.lineno <= 60, f"{path}: {node.name}"


def test_the_public_names_are_complete_sorted_and_there():
    import camreel

    assert camreel.__all__ == sorted(camreel.__all__)
    assert all(getattr(camreel, name) is not None for name in camreel.__all__)
    with pytest.raises(AttributeError):
        camreel.nothing  # noqa: B018


def test_the_top_level_is_what_the_user_fixed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    top = {name.split("/")[0] for name in tracked}
    fixed = {"pyproject.toml", "pipeline", "tests", "configs", "sample_videos", "README.md"}
    assert top - fixed <= {"Makefile", ".ci", "CHANGELOG.md", "LICENSE", ".gitignore"}
    assert fixed <= top | {"README.md"}
