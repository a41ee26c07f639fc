"""The city model and its store: register, models, networks, history, codes."""

from importlib.metadata import version

__version__ = version("cim-platform")
