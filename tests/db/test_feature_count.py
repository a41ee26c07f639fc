"""Maintained totals under concurrency: at every moment the total that a transaction sees is the number of rows it sees."""

import random
import threading

import psycopg

from cim.db import changes, engine

WRITERS, TRANSACTIONS = 4, 40


def test_totals_are_right_at_every_moment_while_many_write(module_settings):
    with engine.connect(module_settings) as connection:
        change = changes.open_change_set(connection, author="t", operation="ingest", reason="t")
    failures, wrong, done = [], [], threading.Event()

    def write(number):
        draw = random.Random(number)  # noqa: S311 - a schedule, no secret
        mine = 0
        try:
            with engine.connect(module_settings, autocommit=True) as connection:
                for turn in range(TRANSACTIONS):
                    level = psycopg.IsolationLevel.REPEATABLE_READ if turn % 5 == 0 else psycopg.IsolationLevel.READ_COMMITTED
                    connection.isolation_level = level
                    try:
                        with connection.transaction() as transaction:
                            for _ in range(draw.randint(1, 3)):
                                mine += 1
                                connection.execute(
                                    """INSERT INTO building (code, code_scheme, county_code, division_code, geom, change_set_id)
                                       VALUES (%s, 'CIM-BC27-v1', '420111', '420111001001',
                                               ST_Multi(ST_MakeEnvelope(114, 30, 114.1, 30.1, 4490)), %s)""",
                                    [f"{number:013d}{mine:014d}", change],
                                )
                            if turn % 4 == 1:
                                connection.execute(
                                    "DELETE FROM building WHERE code = (SELECT min(code) FROM building WHERE code LIKE %s)",
                                    [f"{number:013d}%"],
                                )
                            if turn % 4 == 2:
                                # Retired rows stay rows.
                                connection.execute(
                                    """UPDATE building SET status = 'demolished', version = version + 1, change_set_id = %s
                                       WHERE code = (SELECT max(code) FROM building WHERE code LIKE %s)""",
                                    [change, f"{number:013d}%"],
                                )
                            if turn % 7 == 3:
                                raise psycopg.Rollback(transaction)
                    except psycopg.errors.SerializationFailure:
                        continue
        except Exception as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    def read():
        with engine.connect(module_settings, autocommit=True) as connection:
            while not done.is_set():
                # One statement, one snapshot.
                seen = connection.execute(
                    """SELECT (SELECT count(*) FROM building),
                              (SELECT coalesce(sum(n), 0)::bigint FROM feature_count WHERE collection = 'buildings')"""
                ).fetchone()
                if seen[0] != seen[1]:
                    wrong.append(seen)

    writers = [threading.Thread(target=write, args=[number]) for number in range(WRITERS)]
    reader = threading.Thread(target=read)
    reader.start()
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    done.set()
    reader.join()
    assert failures == []
    assert wrong == []
    with engine.connect(module_settings) as connection:
        n = connection.execute("SELECT count(*) FROM building").fetchone()[0]
        assert n > WRITERS * TRANSACTIONS / 2
        total, entries = connection.execute("SELECT sum(n), count(*) FROM feature_count WHERE collection = 'buildings'").fetchone()
        assert total == n
        # Entries are folded: the total stays one look-up, however many have written.
        assert entries <= 2 * WRITERS + TRANSACTIONS
