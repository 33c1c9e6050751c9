"""The changes of the schema that this version knows, in their order."""

from sqlite_utils import Migrations

migrations = Migrations("secretsync")
