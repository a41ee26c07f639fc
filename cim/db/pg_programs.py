"""Where PostgreSQL's programs are, who may run them, and how."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cim.errors import ClusterError, ToolMissingError

_INSTALL_HINT = (
    "install PostgreSQL 15 or newer with PostGIS and pgRouting, on Debian 12: apt-get install postgresql-15-postgis-3 "
    "postgresql-15-pgrouting; or set CIM_DATABASE__URL"
)


@dataclass(frozen=True)
class PgPrograms:
    """A PostgreSQL installation.

    Parameters
    ----------
    bin_dir
        Folder of ``initdb``, ``pg_ctl`` and ``postgres``.
    major
        Major version.
    """

    bin_dir: Path
    major: int

    def path(self, name: str) -> str:
        """Return the full path of a program."""
        return str(self.bin_dir / name)


def _candidates() -> list[Path]:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("pg_ctl")] if found]
    red_hat = sorted(Path("/usr").glob("pgsql-*/bin"), reverse=True)
    return [*debian, *on_path, *red_hat]


def _share_dir(bin_dir: Path) -> Path:
    out = subprocess.run([str(bin_dir / "pg_config"), "--sharedir"], capture_output=True, text=True, check=False)
    if out.returncode == 0 and out.stdout.strip():
        return Path(out.stdout.strip())
    return Path("/usr/share/postgresql") / bin_dir.parent.name


def find_programs() -> PgPrograms:
    """Find the newest PostgreSQL >= 15 that has PostGIS.

    Raises
    ------
    ToolMissingError
        None is installed, or none has PostGIS and pgRouting; names the packages.
    """
    seen: list[str] = []
    for bin_dir in _candidates():
        if not (bin_dir / "initdb").exists():
            continue
        out = subprocess.run([str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=False)
        major = int(out.stdout.split()[2].split(".")[0]) if out.returncode == 0 else 0
        extensions = _share_dir(bin_dir) / "extension"
        missing = [name for name in ("postgis", "postgis_sfcgal", "pgrouting") if not (extensions / f"{name}.control").exists()]
        if major >= 15 and not missing:
            return PgPrograms(bin_dir, major)
        seen.append(f"{bin_dir} (version {major}, missing {', '.join(missing) or 'nothing'})")
    found = "; ".join(seen) or "none"
    raise ToolMissingError(
        f"PostgreSQL with PostGIS: found {found}, expected version 15 or newer with postgis and pgrouting",
        hint=_INSTALL_HINT,
    )


def server_account() -> pwd.struct_passwd | None:
    """Return the unprivileged account the server runs as when this process is root; None = run as ourselves.

    Raises
    ------
    ClusterError
        We are root and there is neither ``postgres`` nor ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ClusterError("PostgreSQL refuses to run as root and no account postgres or nobody exists", hint="create a user postgres")


def as_server(argv: list[str], account: pwd.struct_passwd | None) -> list[str]:
    """Put ``setpriv`` before a command so that it runs as the server's account."""
    if account is None:
        return argv
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--", *argv]


def reachable_by(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Tell whether the server's account can enter a folder."""
    if account is None:
        return True
    return subprocess.run(as_server(["test", "-x", str(folder)], account), capture_output=True, check=False).returncode == 0
