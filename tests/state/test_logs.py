import pymysql
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.state.conftest import State
from tests.state.runs import run


def test_a_log_is_stored_also_when_another_process_comes_at_once(lite: State) -> None:
    journal = lite.open()
    with run(journal) as record:
        journal.logs.put(record.run, "begin", 5)
    victims = [1213, 1020]

    def deadlock(*what: object) -> None:
        if victims and str(what[2]).startswith("INSERT INTO logs"):
            raise OperationalError("", {}, pymysql.err.OperationalError(victims.pop()))

    event.listen(journal.database._engine, "before_cursor_execute", deadlock)
    journal.logs.put(record.run, "begin, end", 10)
    found = journal.logs.of(record.run)
    assert found is not None
    assert (found.text, found.size, victims) == ("begin, end", 10, [])
