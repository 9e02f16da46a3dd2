"""`python -m bench.bare_query SOCKET USER DATABASE SINCE UNTIL`: the streaming query alone. Prints how many rows."""

import sys

import pymysql
from pymysql.cursors import SSCursor

QUERY = (
    "SELECT STRAIGHT_JOIN m.partition_tag, m.mail_id, r.rseqnum, a.email, m.time_num "
    "FROM msgs m FORCE INDEX (msgs_idx_time_num) "
    "JOIN msgrcpt r ON r.partition_tag = m.partition_tag AND r.mail_id = m.mail_id LEFT JOIN maddr a ON a.id = r.rid "
    "WHERE m.time_num >= %s AND m.time_num < %s AND m.quar_type = 'Q' AND r.ds = 'D' AND r.rs = ' '"
)


def main(socket: str, user: str, database: str, since: str, until: str) -> None:
    connection = pymysql.connect(unix_socket=socket, user=user, database=database, cursorclass=SSCursor)
    with connection, connection.cursor() as cursor:
        cursor.execute(QUERY, (int(since), int(until)))
        print(sum(1 for _ in cursor.fetchall_unbuffered()))


if __name__ == "__main__":
    main(*sys.argv[1:])
