"""The rules of all formats by id, for reports."""

from ingest.census import rules as census
from ingest.census.rules import Rule
from ingest.citymodel import rules as citymodel
from ingest.network.rules import NETWORK_RULES
from ingest.planning import rules as planning

RULES: dict[str, Rule] = {**census.RULES, **citymodel.RULES, **planning.RULES, **NETWORK_RULES}


def rule_text(rule_id: str, language: str) -> str:
    """Return what a rule demands, in words; the id itself for a rule without words."""
    rule = RULES.get(rule_id)
    return rule_id if rule is None else rule.zh if language == "zh" else rule.en
