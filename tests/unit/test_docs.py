"""The documentation tells of all that there is and of nothing else; what there is, is read from the
code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.runtime.configuration import CONFIG_VARIABLE, load
from shared.runtime.settings import ENV_PREFIX
from tests.support import documents, inventory, settings_reference
from tests.support.documents import ROOT, code, name, prose, text

CONFIGURATION, API, METRICS, OPERATIONS, GLOSSARY = (
    ROOT / "docs" / f"{page}.md"
    for page in ("configuration", "api", "metrics", "operations", "glossary")
)
PAGES = documents.PAGES
DEPLOY = ROOT / "deploy"  # its files may name others from where they are
# Files whose comments tell of settings and of other files.
COMMENTED = [
    ROOT / "docker-compose.yml",
    ROOT / "Makefile",
    *sorted(each for each in DEPLOY.rglob("*") if each.is_file()),
]
EXAMPLES = [
    (name(page), number, block)
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
    )
]


def _compare(page: Path, kind: str, told: set[str], there: set[str]) -> None:
    assert not there - told, f"{name(page)} lacks {kind}: {sorted(there - told)}"
    assert not told - there, f"{name(page)} names {kind} that do not exist: {sorted(told - there)}"


@pytest.mark.parametrize(
    ("page", "number", "block"), EXAMPLES, ids=[f"{p}-{n}" for p, n, _ in EXAMPLES]
)
def test_configurations_load(tmp_path: Path, page: str, number: int, block: str) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(block.replace('source: "…"', 'source: "push:"'), encoding="utf-8")
    secrets = dict.fromkeys(
        re.findall(r"\{(PLATEREEL_[A-Z_]+)\}", block), "a-secret-of-some-length"
    )
    assert load(path, secrets)


def _told_settings() -> set[str]:
    """Dotted names of the tables' first columns; a heading such as "Cameras (`cameras:`)" says what
    they begin with.
    """
    told = set()
    for table in documents.tables(CONFIGURATION):
        begin = re.search(r"`([a-z_.]+):`", table.heading)
        if table.header[0] == "key":
            told |= {f"{begin[1]}.{key}" if begin else key for key in table.names()}
        elif table.header[0] == "variable":
            told |= {
                key.removeprefix(ENV_PREFIX).lower()
                for key in table.names()
                if key != CONFIG_VARIABLE
            }
    return told


def test_every_setting_is_in_a_table() -> None:
    there = dict(inventory.settings())
    told = _told_settings()
    holders = {key for key, holds in there.items() if holds}
    _compare(CONFIGURATION, "settings", told | holders, set(there))


def test_every_variable_is_described() -> None:
    missing = {key for key in inventory.variables() if key not in text(CONFIGURATION)}
    assert not missing, f"{name(CONFIGURATION)} lacks variables: {sorted(missing)}"


def _unknown_variables(page: Path) -> set[str]:
    """A name that stands in braces somewhere is the reader's own, and so is the file of its
    value.
    """
    own = {
        key
        for each in [*PAGES, *COMMENTED]
        for key in re.findall(r"\{(PLATEREEL_[A-Z_]+)\}", text(each))
    }
    known = own | inventory.variables() | inventory.setting_variables()
    told = set(re.findall(r"PLATEREEL_[A-Z_]*[A-Z](?![A-Z_*…])", text(page)))
    return {key for key in told if not {key, key.removesuffix("_FILE")} & known}


def _route(told: str) -> str:
    """`GET segments/ID?x=1` as `GET /v2/video/segments/{}`."""
    method, path = told.partition("?")[0].split(" ")[:2]
    path = path if path.startswith("/") else f"/v2/video/{path}"
    return f"{method} " + re.sub(r"\{\w+\}|\b[A-Z]+\b", "{}", path)


def test_every_route_is_in_the_table_with_its_role() -> None:
    table = documents.table(API, "route")
    assert table is not None, f"{name(API)} lacks the table of routes"
    there = {_route(route): role for route, role in inventory.routes().items()}
    told = {_route(route): row[1] for row in table.rows for route in code(row[0])}
    _compare(API, "routes", set(told), set(there))
    wrong = {route: role for route, role in there.items() if told[route] != role}
    assert not wrong, f"{name(API)} has another role for {wrong}"


def _unknown_routes(page: Path) -> set[str]:
    known = set(map(_route, inventory.routes()))
    told = {
        span for span in code(prose(page)) if re.match(r"(GET|HEAD|POST|PUT|PATCH|DELETE) \S", span)
    }
    return {span for span in told if _route(span) not in known}


def _command(words: list[str]) -> str | None:
    """The command that a line begins with."""
    begins = [" ".join(words[:count]) for count in (2, 1)]
    return next((begin for begin in begins if begin in inventory.commands()), None)


def test_every_command_is_in_the_table_with_its_options() -> None:
    table = documents.table(OPERATIONS, "command")
    assert table is not None, f"{name(OPERATIONS)} lacks the table of commands"
    general = {
        option
        for span in code(prose(OPERATIONS).split("| command")[0])
        for option in re.findall(r"-[-\w]+", span)
    }
    told = {}
    for row in table.rows:
        (line,) = [span for span in code(row[0]) if span.startswith("platereel ")]
        words = line.split()[1:]
        told[_command(words) or line] = set(re.findall(r"(?<!\w)--?[a-z][-\w]*", line))
    _compare(OPERATIONS, "commands", set(told), set(inventory.commands()))
    for command, options in inventory.commands().items():
        _compare(
            OPERATIONS,
            f"options of platereel {command}",
            told[command] | (options & general),
            options,
        )


def _unknown_commands(page: Path) -> set[str]:
    """Command lines whose command, or one of whose options, does not exist."""
    groups = {command.split()[0] for command in inventory.commands() if " " in command} | {
        "--version",
        "--help",
    }
    found = set()
    for words in documents.commands(page, "platereel"):
        command = _command(words)
        options = {option for word in words for option in re.findall(r"(?<!\w)--[a-z][-\w]*", word)}
        group = words[0] in groups and len(words) == 1
        if not group and (command is None or options - inventory.commands()[command]):
            found.add(" ".join(words))
    return found


def _unknown_targets(page: Path) -> set[str]:
    return {words[0] for words in documents.commands(page, "make")} - inventory.targets()


def test_every_metric_is_in_the_table_with_its_type_and_labels() -> None:
    rows = [
        row for each in documents.tables(METRICS) if each.header[0] == "metric" for row in each.rows
    ]
    told = {code(row[0])[0]: (row[1], tuple(code(row[2]))) for row in rows}
    _compare(METRICS, "metrics", set(told), set(inventory.counted()))
    for metric, facts in inventory.counted().items():
        assert told[metric] == facts, f"{name(METRICS)}: {metric} has type and labels {facts}"


def _unknown_metrics(page: Path) -> set[str]:
    told = {span for span in code(prose(page)) if re.fullmatch(r"platereel_[a-z_]+[a-z]", span)}
    return told - set(inventory.counted())


@pytest.mark.parametrize(
    ("title", "values"), inventory.enumerations().items(), ids=inventory.enumerations()
)
def test_values_of_an_enumeration_are_in_a_table_and_in_the_glossary(
    title: str, values: set[str]
) -> None:
    found = [(page, table) for page in PAGES if (table := documents.table(page, title)) is not None]
    assert found, f"no page has a table whose first column is called {title}"
    for page, table in found:
        _compare(page, f"values of {title}", set(table.names()), values)
    entry = documents.entries(GLOSSARY).get(title)
    assert entry is not None, f"{name(GLOSSARY)} has no entry {title}"
    _compare(GLOSSARY, f"values of {title}", set(code(entry)), values)


def test_the_list_of_settings_is_the_codes() -> None:
    assert settings_reference.FILE.read_text() == settings_reference.reference(), (
        "run make reference"
    )


def test_the_glossary_is_in_order() -> None:
    words = list(documents.entries(GLOSSARY))
    assert len(words) > 30
    assert words == sorted(words, key=str.casefold), (
        f"{name(GLOSSARY)} is not in alphabetical order"
    )


_PATH = re.compile(
    r"(?<![\w/.{}:$-])(?:(?:\.ci|benchmarks|deploy|docs|platereel|requirements|services|shared|tests|workers)/[\w./*-]*"
    r"|[\w./*-]+\.(?:md|py|sql|toml|yml)\b)"
)


def _unknown_files(page: Path) -> set[str]:
    """Files and folders are named from the root of the repository, or from beside a file of
    settings; a link leads from its page.

    A route may begin like a folder.
    """
    routes = {each.partition("/v2/video/")[2] for each in inventory.routes()}
    told = set(_PATH.findall(re.sub(r"https?://\S+|\]\([^)]*\)", "", text(page)))) - routes
    own = {path for path in told if not path.startswith("/")}  # a container's or a host's are not
    return {
        path
        for path in own
        if not any(ROOT.glob(path.rstrip(".").removesuffix("/") or path))
        and not any(
            (each / path).exists() for each in page.parents if DEPLOY in (each, *each.parents)
        )
    }


def _dead_links(page: Path) -> set[str]:
    """Links to a page, or to a heading of a page, that is not there."""
    dead = set()
    for target in documents.links(page):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in documents.anchors(there)):
            dead.add(target)
    return dead


UNKNOWN: dict[str, tuple[Callable[[Path], set[str]], list[Path]]] = {
    "variables": (_unknown_variables, [*PAGES, *COMMENTED]),
    "routes": (_unknown_routes, PAGES),
    "commands": (_unknown_commands, PAGES),
    "targets of make": (_unknown_targets, PAGES),
    "metrics": (_unknown_metrics, PAGES),
    "files": (_unknown_files, [*PAGES, *COMMENTED]),
    "places that it links to": (_dead_links, [*PAGES, ROOT / "CHANGELOG.md"]),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_a_page_names_exists(kind: str) -> None:
    unknown_of, pages = UNKNOWN[kind]
    wrong = [
        f"{name(page)} names {kind} that do not exist: {sorted(found)}"
        for page in pages
        if (found := unknown_of(page))
    ]
    assert not wrong, "\n".join(wrong)
