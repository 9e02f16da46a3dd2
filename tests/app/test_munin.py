"""The plugin of Munin under a real munin-node, asked as its master asks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collima.app import munin
from collima.app.munin import Field, Graph
from collima.app.status import unreachable
from tests.app.watched import Watched, watched
from tests.servers.munin import COLLIMA, Node, munin_node

PLUGIN = Path(__file__).parents[2] / "examples/munin/collima"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as one:
        yield one


@pytest.fixture
def node(site: Watched, tmp_path: Path) -> Iterator[Node]:
    environment = {"collima": str(COLLIMA), "COLLIMA_CONFIG": str(site.config.path)}
    with munin_node(tmp_path / "munin", PLUGIN, environment) as one:
        yield one


def taken_apart(answer: str) -> dict[str, dict[str, str]]:
    """graph -> key -> value."""
    graphs: dict[str, dict[str, str]] = {}
    for line in answer.splitlines():
        key, _, value = line.partition(" ")
        if key == "multigraph":
            graphs[value] = {}
        else:
            graphs[next(reversed(graphs))][key] = value
    return graphs


@pytest.mark.soak
def test_a_master_is_told_of_thresholds_and_values_by_a_real_node(site: Watched, node: Node) -> None:
    site.service()
    site.run(state="failed", held=43)
    capabilities, plugins, config, values = node.ask("cap multigraph", "list", "config collima", "fetch collima")
    assert "multigraph" in capabilities
    assert plugins.split() == ["collima"]
    told, found = taken_apart(config), taken_apart(values)

    assert told["collima_jobs"] == {
        "graph_title": "Collima: jobs",
        "graph_vlabel": munin.LEVEL,
        "graph_category": "mail",
        "graph_args": "--base 1000 --lower-limit 0",
        "job_lists.label": "lists",
        "job_lists.warning": "0:0",
        "job_lists.critical": "0:1",
        "job_by_hand.label": "by-hand",
        "job_by_hand.warning": "0:0",
        "job_by_hand.critical": "0:1",
    }
    assert found["collima_jobs"] == {"job_lists.value": "2", "job_by_hand.value": "0"}
    assert found["collima"] == {"level.value": "2"}
    assert found["collima_seconds"] == {"job_lists.value": "3"}
    assert found["collima_held"] == {"held.value": "43"}
    assert told["collima_ages"]["hold_age.warning"] == "0:86400"
    assert told["collima_ages"]["tick_age.critical"] == "0:300"
    assert int(found["collima_ages"]["tick_age.value"]) > 300
    assert {name: [key for key in keys if key.endswith(".label")] for name, keys in told.items()} == {
        name: [key.replace(".value", ".label") for key in keys] for name, keys in found.items()
    }


def test_munin_run_says_the_same_and_autoconf_says_yes(site: Watched, node: Node) -> None:
    site.run()
    values, autoconf = node.run("collima"), node.run("collima", "autoconf")
    assert (values.returncode, taken_apart(values.stdout)["collima"]) == (0, {"level.value": "0"})
    assert autoconf.stdout == "yes\n"


def test_a_state_that_is_down_is_the_level_alone() -> None:
    graphs = munin.graphs(unreachable("gone"), None)
    assert list(munin.values(graphs)) == ["multigraph collima", "level.value 2"]
    assert "level.critical 0:1" in list(munin.config(graphs))


def test_the_plugin_finds_the_program_in_the_path(site: Watched) -> None:
    site.run()
    done = subprocess.run(
        [PLUGIN],
        env={"PATH": f"{COLLIMA.parent}:/usr/bin:/bin", "COLLIMA_CONFIG": str(site.config.path)},
        capture_output=True,
        encoding="ascii",
        check=True,
    )
    assert done.stdout.startswith("multigraph collima\nlevel.value 0\n")


def test_fields_have_names_that_munin_takes_and_two_things_never_have_one() -> None:
    names = [munin.field_name("volume", "disks", name) for name in ("home", "ho me", "ho_me", "ho-me", "hò me", "7")]
    assert names[0] == "volume_disks_home"
    assert len(set(names)) == len(names) - 1  # of names of volumes `-` and `_` are told apart by nobody
    assert all(name.isidentifier() and name.isascii() for name in names)


def test_what_has_no_threshold_has_none() -> None:
    graph = Graph("g", "t", "a", (Field("f", "l", 1),))
    assert not [line for line in munin.config([graph]) if ".warning" in line or ".critical" in line]
