"""The rooms of the code may import only the rooms below. Names of modules in strings count as imports."""

import ast
import re
import subprocess
import sys
from functools import cache

import pytest

from tests.helpers.paths import ROOT

ORDER = (
    {"ground floor"},
    {"datasets"},
    {"features"},
    {"trackers"},
    {"search", "evaluation"},
    {"registry"},
    {"envs", "report", "clients"},
    {"apps"},
    {"commands"},
    {"cli"},
    {"play"},
)
"""Rooms of tracking_env, lowest first. A room may use what stands before it."""
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
GROUND_FLOOR = {"errors", "boxes", "names", "files", "rendering", "log_levels", "terminal", "program"}
COMMAND = "tracking_env.cli"
"""Other programs start this module; its name in a string is a command line, not an import."""
BELOW = {"tracking_env": set(), "agents": {"tracking_env"}, "train": {"tracking_env", "agents"}}
"""What each package may use of the others."""
NEEDS_TORCH = {
    f"tracking_env/features/{name}.py"
    for name in (
        "pretrained",
        "mobilenet_v2",
        "torch_device",
        "darknet/network",
        "darknet/layers",
        "darknet/weighted_layers",
    )
}
LARGEST_ROOM = 14  # files, without __init__.py
FILES = sorted(path for package in BELOW for path in (ROOT / package).rglob("*.py"))
LIBRARY = [path for path in FILES if path.is_relative_to(ROOT / "tracking_env")]
MODULE_NAME = re.compile(r"(?<![\w./])((?:tracking_env|agents|train)(?:\.[a-z_]\w*)+)(?::[\w.]+)?(?![\w/])")


def name(path):
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes):
    """Names of the modules that these nodes import; for ``from a import b`` both ``a`` and ``a.b``."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def docstrings(root):
    for node in ast.walk(root):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield id(statement.value)


def named(root):
    """Modules named in strings that are not docstrings, since such names may be imported."""
    documentation = set(docstrings(root))
    for node in ast.walk(root):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield from {*MODULE_NAME.findall(node.value)} - {COMMAND}


def used(source):
    """Every module that a file imports, also inside functions, or names in a string."""
    root = ast.parse(source) if isinstance(source, str) else tree(source)
    return {*imported(ast.walk(root)), *named(root)}


def room(module):
    first = module.removeprefix("tracking_env.").partition(".")[0]
    return "ground floor" if first in GROUND_FLOOR else first


def upward(own_room, modules):
    """The modules of the library that stand beside or above a room."""
    others = {module for module in modules if module.startswith("tracking_env.") and room(module) in LEVEL}
    return {module for module in others if room(module) != own_room and LEVEL[room(module)] >= LEVEL[own_room]}


def at_import(nodes):
    """The nodes that run when a module is imported: all but the bodies of functions."""
    for node in nodes:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import(ast.iter_child_nodes(node))


def tops(modules):
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_packages_import_downwards_only(path):
    package = path.relative_to(ROOT).parts[0]
    assert tops(used(path)) & {*BELOW, "tests"} <= BELOW[package] | {package}


@pytest.mark.parametrize("path", [path for path in LIBRARY if path.parent != ROOT / "tracking_env"], ids=name)
def test_rooms_import_downwards_only(path):
    assert not upward(room(".".join(path.relative_to(ROOT).parts[:2])), used(path))


@pytest.mark.parametrize("path", sorted((ROOT / "tracking_env").glob("*.py")), ids=name)
def test_the_ground_floor_imports_downwards_only(path):
    if path.stem not in ("__init__", "__main__"):  # these may import rooms above: the four registrations, the command
        assert not upward(room(path.stem), used(path))


@pytest.mark.parametrize(
    ("own_room", "source"),
    [
        ("features", "from tracking_env.envs import rewards"),
        ("features", "def later():\n    from tracking_env import registry"),
        ("evaluation", "ENTRY = 'tracking_env.envs.rewards:iou'"),
        ("trackers", "resolve('tracking_env.search.best_proposal:tracker')"),
        ("report", "import tracking_env.envs"),
    ],
)
def test_a_planted_upward_import_is_found(own_room, source):
    assert upward(own_room, used(source))


@pytest.mark.parametrize(
    "source", ["ENTRY = 'agents.checkpoints.drlt:tracker'", "def f():\n    import agents", "NAME = 'train.run.steps'"]
)
def test_a_planted_string_that_names_agents_is_found(source):
    assert tops(used(source)) & {"agents", "train"}


def test_every_room_has_a_level():
    packages = {path.parent.name for path in (ROOT / "tracking_env").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "tracking_env").glob("*.py")} - {"__init__", "__main__"}
    assert packages | {room(module) for module in modules} == set(LEVEL)
    assert modules >= GROUND_FLOOR


def test_modules_of_a_room_form_no_cycle():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in LIBRARY}
    modules = {module: path for module, path in modules.items() if not module.endswith("__init__")}
    uses = {module: set(imported(ast.walk(tree(path)))) & modules.keys() for module, path in modules.items()}
    rest = dict(uses)
    while free := {module for module, others in rest.items() if not others & rest.keys()}:
        rest = {module: others for module, others in rest.items() if module not in free}
    assert not rest


FOLDERS = sorted({path.parent for path in [*FILES, *(ROOT / "benchmarks").rglob("*.py")]})


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_no_room_has_too_many_files(folder):
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= LARGEST_ROOM


def test_importing_all_rooms_loads_no_heavy_packages():
    rooms = sorted(path.parent.name for path in (ROOT / "tracking_env").glob("*/__init__.py"))
    heavy = {"torch", "matplotlib", "jinja2", "gradio", "agents", "train"}
    imports = ", ".join(f"tracking_env.{room}" for room in rooms)
    code = f"import sys, {imports}; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_only_pretrained_networks_need_torch(path):
    assert ("torch" in tops(imported(at_import([tree(path)])))) == (name(path) in NEEDS_TORCH)


@pytest.mark.parametrize("path", [path for path in FILES if path.is_relative_to(ROOT / "agents")], ids=name)
def test_agents_parse_no_flags_and_touch_no_files(path):
    modules = tops(imported(ast.walk(tree(path))))
    assert not modules & {"argparse", "tyro", "tqdm", "tensorboard", "logging"}
    if path.parent.name == "checkpoints":
        return
    assert not modules & {"pathlib", "os", "json", "pickle", "shutil", "safetensors"}
    calls = {node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    assert not {call.id for call in calls if isinstance(call, ast.Name)} & {"open", "print"}
    assert not {call.attr for call in calls if isinstance(call, ast.Attribute)} & {"open", "load", "save", "read_text"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_programs_print_and_only_with_functions_that_take_any_text(path):
    names = {node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
    assert "print" not in names
    if path in LIBRARY and path.parent.name != "commands":
        assert not {"print_result", "print_error"} & names


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_module_has_a_docstring(path):
    assert ast.get_docstring(tree(path))
