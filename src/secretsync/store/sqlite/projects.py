"""The tables of projects and environments."""

from collections.abc import Sequence

from sqlite_utils import Database

from secretsync.domain.entities import Environment, Project
from secretsync.store.sqlite.rows import Record

PROJECTS = Record("projects", Project)
ENVIRONMENTS = Record("environments", Environment)


class Projects:
    """Implements `ProjectTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, project: Project) -> None:
        PROJECTS.insert(self._database, project)

    def get(self, slug: str) -> Project | None:
        return PROJECTS.one(self._database, "SELECT * FROM projects WHERE slug = ?", [slug])

    def list(self, after: str, limit: int) -> Sequence[Project]:
        return PROJECTS.all(
            self._database,
            "SELECT * FROM projects WHERE slug > ? ORDER BY slug LIMIT ?",
            [after, limit],
        )

    def update(self, project: Project) -> None:
        PROJECTS.update(self._database, project)

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM projects WHERE uid = ?", [uid])


class Environments:
    """Implements `EnvironmentTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, environment: Environment) -> None:
        ENVIRONMENTS.insert(self._database, environment)

    def get(self, project_uid: str, slug: str) -> Environment | None:
        return ENVIRONMENTS.one(
            self._database,
            "SELECT * FROM environments WHERE project_uid = ? AND slug = ?",
            [project_uid, slug],
        )

    def list(self, project_uid: str, after: str, limit: int) -> Sequence[Environment]:
        return ENVIRONMENTS.all(
            self._database,
            "SELECT * FROM environments WHERE project_uid = ? AND slug > ? ORDER BY slug LIMIT ?",
            [project_uid, after, limit],
        )

    def update(self, environment: Environment) -> None:
        ENVIRONMENTS.update(self._database, environment)

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM environments WHERE uid = ?", [uid])
