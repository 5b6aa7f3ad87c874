"""The architecture: imports go one way, threads and heavy packages stay in their rooms, files and functions stay
small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pipeline" / "camreel"
FILES = sorted(PACKAGE.rglob("*.py"))

GROUND_FLOOR = {"structures", "interfaces", "errors", "options"}
HELPERS = {"imageops", "runtime"}
ALLOWED: dict[str, set[str]] = {
    "structures": set(),
    "errors": set(),
    "interfaces": {"structures"},
    "options": {"errors"},
    "imageops": GROUND_FLOOR,
    "runtime": GROUND_FLOOR,
    "sources": GROUND_FLOOR | HELPERS,
    "stages": GROUND_FLOOR | HELPERS,
    "cams": GROUND_FLOOR | HELPERS,
    "models": GROUND_FLOOR | HELPERS | {"cams"},
    "recognize": GROUND_FLOOR | HELPERS,
    "overlay": GROUND_FLOOR | HELPERS,
    "records": GROUND_FLOOR,
    "annotations": GROUND_FLOOR | HELPERS,
    "metrics": GROUND_FLOOR | HELPERS,
    "testing": GROUND_FLOOR | HELPERS | {"models"},
    "sinks": GROUND_FLOOR | HELPERS | {"overlay", "records"},
    "synthetic": GROUND_FLOOR | HELPERS | {"annotations"},
    "reports": GROUND_FLOOR | HELPERS | {"metrics", "overlay"},
    "config": GROUND_FLOOR | {"runtime", "models", "stages", "sinks", "live"},
    "run_plan": GROUND_FLOOR | HELPERS | {"cams", "config", "recognize", "stages"},
    "flow": GROUND_FLOOR | HELPERS | {"config", "models", "recognize", "run_plan", "sinks", "sources", "stages"},
    "live": GROUND_FLOOR
    | HELPERS
    | {"config", "flow", "overlay", "recognize", "records", "run_plan", "sinks", "sources", "stages"},
    "bench": GROUND_FLOOR | HELPERS | {"config", "flow", "live", "overlay", "run_plan", "sinks", "sources", "stages"},
    "train": GROUND_FLOOR
    | HELPERS
    | {"annotations", "metrics", "models", "recognize", "sources", "stages", "synthetic"},
    "evaluate": GROUND_FLOOR
    | HELPERS
    | {"annotations", "config", "flow", "metrics", "models", "overlay", "recognize", "reports", "run_plan", "sources"}
    | {"stages", "synthetic"},
}
"""Room -> rooms that it may import, for types too. `cli`, `__init__` and `__main__` may import everything."""
OPTION_MODULES = {
    "camreel.models.options",
    "camreel.stages.options",
    "camreel.sinks.options",
    "camreel.live.options",
    "camreel.runtime.files",
}
"""The only modules of other rooms that `config` is composed of."""


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return the dotted names of the modules that a file imports, those for type checking included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def rooms_that_import(package: str) -> set[str]:
    return {room(path) for path in FILES if any(name.split(".")[0] == package for name in imports(path))}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.walk(ast.parse(path.read_text()))
    return [node for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_every_room_has_a_rule():
    assert {room(path) for path in FILES} == ALLOWED.keys() | {"cli", "__init__", "__main__"}


def test_the_rules_have_no_cycles():
    done: set[str] = set()
    while rest := {name for name in ALLOWED if name not in done}:
        ready = {name for name in rest if ALLOWED[name] - GROUND_FLOOR - {name} <= done | {"live"}}
        assert ready, f"cyclic: {rest}"
        done |= ready


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    here = room(path)
    others = {name.split(".")[1] for name in imports(path) if name.startswith("camreel.")} - {here}
    if here in ALLOWED:
        assert others <= ALLOWED[here], f"{here} imports {others - ALLOWED[here]}"
    else:
        assert here != "cli" or "cli" not in others


def test_modules_do_not_import_each_other_in_circles():
    """Imports for type checking do not count, nor those inside functions."""
    names = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in FILES
    }
    graph = {}
    for name, path in names.items():
        nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        targets = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = {
            target for target in targets & names.keys() if target != name and not name.startswith(f"{target}.")
        }
    while graph:
        leaves = {name for name, targets in graph.items() if not targets & graph.keys()}
        assert leaves, f"imports in circles: {sorted(graph)}"
        graph = {name: targets for name, targets in graph.items() if name not in leaves}


def test_the_configuration_is_composed_of_option_classes_alone():
    for path in FILES:
        if room(path) == "config":
            names = {name for name in imports(path) if name.startswith("camreel.") and name.count(".") > 1}
            assert {name for name in names if not name.startswith("camreel.config.")} <= OPTION_MODULES


def test_stages_never_see_the_configuration():
    for path in FILES:
        if room(path) in {"stages", "cams", "models", "recognize", "overlay", "sinks", "sources"}:
            assert not any(name.startswith("camreel.config") for name in imports(path)), path


def test_heavy_packages_live_where_they_are_needed():
    # `bench` runs the loop of another package; `interfaces` names types.
    assert rooms_that_import("torch") - {"bench", "interfaces"} == {"models", "cams", "recognize", "train", "testing"}
    assert rooms_that_import("torchvision") == {"models"}
    assert rooms_that_import("av") == {"sources", "sinks", "synthetic"}
    assert rooms_that_import("multiprocessing") <= {"bench", "train"}
    assert rooms_that_import("typer") == rooms_that_import("rich") == {"cli"}
    assert rooms_that_import("jinja2") == {"reports"}
    assert rooms_that_import("sklearn") == {"metrics", "train"}


def test_threads_are_started_in_one_place():
    """The command line asks whether it is the main thread, for signals; the web page has an event loop of its own."""
    waiting = {path for path in FILES if imports(path) & {"threading", "queue", "asyncio"}}
    places = {path.relative_to(PACKAGE).as_posix() for path in waiting}
    allowed = {"runtime/concurrency.py", "cli/batch.py"}
    assert {place for place in places if not place.startswith("sinks/web/")} <= allowed


@pytest.mark.parametrize("module", ["interfaces", "config.schema", "sinks", "cams", "models.registry"])
def test_names_and_protocols_are_known_without_torch(module):
    code = f"import sys, camreel.{module}; print('torch' in sys.modules, 'av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


OPENS_VIDEOS = ["flow", "live.session", "sources", "sinks.video.sink", "sinks.publish.publisher", "synthetic.write"]


@pytest.mark.parametrize("module", [*OPENS_VIDEOS, "train.tasks.clips", "evaluate.evaluation"])
def test_opencv_is_imported_before_pyav(module):
    """In the other order the windows of OpenCV hang."""
    code = (
        f"import sys, camreel.{module}; m = list(sys.modules); print('av' not in m or m.index('cv2') < m.index('av'))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "True"
    )


def test_nothing_is_pickled():
    for path in FILES:
        assert not imports(path) & {"pickle", "dill", "joblib", "cloudpickle"}, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                safe = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg == "weights_only"}
                assert safe == {"weights_only": True}, path


def test_files_and_functions_stay_small():
    lengths = sorted(path.read_text().count("\n") for path in FILES if path.name != "__init__.py")
    assert lengths[-1] <= 400
    assert 100 <= lengths[len(lengths) // 2] <= 200
    for path in FILES:
        for node in functions(path):
            code = node.body[1:] if ast.get_docstring(node) else node.body
            length = (code[-1].end_lineno or 0) - code[0].lineno + 1 if code else 0
            assert length <= 50, f"{path}: {node.name} has {length} lines"


def test_functions_of_the_flow_take_few_parameters():
    for name in ("flow.py", "run_plan.py"):
        for node in functions(PACKAGE / name):
            count = len(
                [a for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs] if a.arg != "self"]
            )
            assert count <= 6, f"{name}: {node.name} takes {count}"


def test_the_public_names_are_complete_sorted_and_there():
    import camreel

    assert camreel.__all__ == sorted(camreel.__all__)
    assert dir(camreel) == camreel.__all__
    assert all(getattr(camreel, name) is not None for name in camreel.__all__)
    with pytest.raises(AttributeError):
        camreel.nothing  # noqa: B018


def test_public_names_have_a_worked_example():
    import camreel

    for name in ("load_recognizer", "localize", "process", "wrap"):
        assert "Example:" in getattr(camreel, name).__doc__, name


def test_the_top_level_is_what_the_user_fixed():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {name.split("/")[0] for name in listed}
    fixed = {"pyproject.toml", "pipeline", "tests", "configs", "sample_videos", "README.md"}
    assert top - fixed <= {"Makefile", "Dockerfile", ".ci", "CHANGELOG.md", "LICENSE", ".gitignore"}
    assert fixed <= top
