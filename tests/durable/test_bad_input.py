"""What can't be used is said clearly, and nothing of it is lost."""

import asyncio
import sqlite3
import sys

import pytest

from labkit.durable.dbos_engine import DbosEngine
from labkit.durable.engine import OtherVersion, Twin
from labkit.durable.journal import Journal
from labkit.durable.rehearsal import Shop
from labkit.system.errors import LabError, Refused


async def two_steps(run, order_id):
    async def do(key):
        return key

    return [await run.step("first", do), await run.step("second", do)]


def run(engine, workflow=two_steps, id="o-1"):
    async def whole():
        try:
            return await engine.run(workflow, id, order_id=id)
        finally:
            await engine.close()

    return asyncio.run(whole())


def test_an_engine_that_is_not_installed_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dbos", None)
    with pytest.raises(LabError, match=r'pip install "orchestration-or-choreography\[dbos\]"'):
        run(DbosEngine(tmp_path / "orders.db"))


@pytest.fixture(params=[Journal, DbosEngine], ids=["journal", "dbos"])
def kind(request):
    if request.param is DbosEngine:
        request.getfixturevalue("dbos")
    return request.param


def test_a_database_that_is_locked_says_so_and_goes_on_when_it_is_free(tmp_path, kind):
    path = tmp_path / "orders.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LabError, match=r"orders\.db is locked: another process") as refused:
        run(kind(path, patience_seconds=0.01))
    assert "Nothing is lost" in str(refused.value)
    other.rollback()
    if kind is Journal:  # DBOS keeps its threads, and so is tried in processes only
        assert run(kind(path)) == ["o-1:1", "o-1:2"]


def test_a_folder_that_is_not_there_is_named(tmp_path, kind):
    with pytest.raises(LabError, match=r"nowhere"):
        run(kind(tmp_path / "nowhere" / "orders.db"))


def test_a_journal_that_is_locked_in_the_middle_of_a_run_loses_nothing(tmp_path):
    path = tmp_path / "orders.db"
    other = sqlite3.connect(path, isolation_level=None)

    async def locked_between(run, order_id):
        async def do(key):
            other.execute("BEGIN IMMEDIATE")
            return key

        return await run.step("first", do)

    with pytest.raises(LabError, match="is locked"):
        run(Journal(path, patience_seconds=0.01), locked_between)
    other.rollback()

    async def free_again(run, order_id):
        async def do(key):
            return f"{key} again"

        return await run.step("first", do)

    free_again.__name__ = "locked_between"
    assert run(Journal(path), free_again) == "o-1:1 again"


def test_a_file_that_is_no_journal_is_not_touched(tmp_path):
    path = tmp_path / "orders.db"
    path.write_text("a shopping list, longer than the head of a database would be" * 3)
    with pytest.raises(LabError, match="can't be used as a journal"):
        run(Journal(path))
    assert path.read_text().startswith("a shopping list")


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 7", "CREATE TABLE orders (id TEXT)"])
def test_a_journal_from_another_labkit_is_left_as_it_is(tmp_path, statement):
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as file:
        file.execute(statement)
    with pytest.raises(LabError, match="is no journal of this labkit"):
        run(Journal(path))
    with sqlite3.connect(path) as file:
        tables = file.execute("SELECT name FROM sqlite_schema").fetchall()
    assert "steps" not in {name for (name,) in tables}


def test_a_run_of_another_version_stays_open(tmp_path):
    path = tmp_path / "orders.db"

    async def dies(run, order_id):
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(Journal(path), dies)
    with pytest.raises(OtherVersion, match=r"version '1'.*version '2'"):
        run(Journal(path, version="2"), dies)
    with pytest.raises(asyncio.CancelledError):
        run(Journal(path), dies)


def test_an_answer_that_cannot_be_written_down_is_refused_and_the_run_stays_open(tmp_path):
    path = tmp_path / "orders.db"

    async def workflow(run, order_id):
        async def do(key):
            return {1, 2} if wrong else [1, 2]

        return await run.step("first", do)

    wrong = True
    with pytest.raises(LabError, match=r"can't be \(Object of type set"):
        run(Journal(path), workflow)
    wrong = False
    assert run(Journal(path), workflow) == [1, 2]


def test_a_mistake_in_a_workflow_leaves_its_run_open(tmp_path):
    path = tmp_path / "orders.db"

    async def workflow(run, order_id):
        done = await two_steps(run, order_id)
        return done + missing  # noqa: F821 - that is the mistake

    with pytest.raises(NameError):
        run(Journal(path), workflow)
    two_steps.__name__ = "workflow"
    assert run(Journal(path)) == ["o-1:1", "o-1:2"]


def test_the_elder_of_two_executors_is_told_who_came(tmp_path):
    async def both():
        elder, younger = Journal(tmp_path / "orders.db"), Journal(tmp_path / "orders.db")
        assert await elder.waiting() == {}
        assert await younger.waiting() == {}
        with pytest.raises(Twin, match="number 2; this is number 1"):
            await elder.run(two_steps, "o-1", order_id="o-1")
        answer = await younger.run(two_steps, "o-1", order_id="o-1")
        await elder.close()
        await younger.close()
        return answer

    assert asyncio.run(both()) == ["o-1:1", "o-1:2"]


def test_the_same_order_asked_for_twice_at_once_is_played_once(tmp_path):
    asked = []

    async def workflow(run, order_id):
        async def do(key):
            asked.append(key)
            await asyncio.sleep(0)
            return key

        return await run.step("first", do)

    async def twice():
        journal = Journal(tmp_path / "orders.db")
        answers = await asyncio.gather(*(journal.run(workflow, "o-1", order_id="o") for _ in "ab"))
        await journal.close()
        return answers

    assert asyncio.run(twice()) == ["o-1:1", "o-1:1"]
    assert asked == ["o-1:1"]


def test_an_executor_with_a_name_that_is_no_name_is_refused():
    with pytest.raises(LabError, match="can't be called 'a/b'"):
        DbosEngine("orders.db", executor="a/b")


@pytest.mark.usefixtures("dbos")
def test_a_password_is_not_told():
    with pytest.raises(LabError, match="DBOS can't use postgresql") as refused:
        run(DbosEngine("postgresql://shop:secret@127.0.0.1:1/orders"))
    assert "secret" not in str(refused.value)


@pytest.mark.usefixtures("dbos")
def test_a_second_dbos_in_one_process_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(DbosEngine, "_here", DbosEngine(tmp_path / "first.db"))
    with pytest.raises(LabError, match=r"first\.db, and can be there only once"):
        run(DbosEngine(tmp_path / "second.db"))


def test_a_shop_has_no_point_of_death_that_nobody_reaches():
    with pytest.raises(LabError, match=r"'after charging'.*after charge"):
        Shop(dies_at="after charging")


def test_a_failure_comes_back_as_what_it_was(tmp_path):
    async def workflow(run, order_id):
        async def no(key):
            raise Refused("the carrier has no van")

        await run.step("ship", no)

    for _ in range(2):
        with pytest.raises(Refused, match="the carrier has no van"):
            run(Journal(tmp_path / "orders.db"), workflow)
