"""The rules of planning layers: id, severity, words."""

# ruff: noqa: E501 - Chinese characters count double

from ingest.census.rules import Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("Z01", "EW", "the zone is a valid polygon of at least 1 m2 (repaired where possible)", "分区为有效多边形且不小于1平方米(可修复的自动修复)"),
        Rule("Z02", "E", "the natural key is filled and unique in the file", "自然键不为空且在文件中唯一"),
        Rule("Z03", "E", "values are in the profile's dictionary, numbers and dates are such and in range", "取值在字典范围内,数值和日期有效"),
        Rule("Z04", "E", "the least floor area ratio is not above the greatest", "容积率下限不大于上限"),
        Rule("Z05", "E", "the zone lies in the city", "分区位于本市范围内"),
        Rule("Z06", "W", "the zone has a rule: a height limit has a limit, a plot a ratio, land use a code", "分区应有管控指标:限高区有限高,地块有指标,用地有代码"),
        Rule("Z07", "W", "land use is a code of GB 50137 or of the national land and sea use classification", "用地代码符合GB 50137或国土空间用地用海分类"),
        Rule("Z08", "W", "zones of land use and plots do not overlap", "用地、地块之间不重叠"),
    )
}  # fmt: skip
"""E refuses the zone, W accepts and counts, EW either: the record decides."""
