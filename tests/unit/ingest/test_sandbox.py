"""What the child that parses untrusted models gets to know."""

from ingest.ifc.sandbox import child_environment


def test_the_child_gets_no_address_or_secret_of_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("CIM_DATABASE__URL", "postgresql://cim:s3cret@127.0.0.1/cim")
    monkeypatch.setenv("CIM_PERSONAL_KEY", "s3cret")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    given = child_environment(tmp_path)
    assert "s3cret" not in " ".join(given.values())
    assert given["HOME"] == str(tmp_path)
    assert "PATH" in given
