"""The rules of networks: N at ingest, T in the topology check of what is stored. E refuses or is an error, W warns."""

from ingest.census.rules import Rule

NETWORK_RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("N01", "E", "a point or line has a number, and it occurs once", "点号、线号不为空且唯一"),
        Rule("N02", "E", "numbers are numbers, sizes are DN300 or 800X600", "数值有效,管径形如DN300或800X600"),
        Rule("N03", "E", "words are in the vocabulary of the profile", "取值在词表中"),
        Rule("N04", "E", "a line ends in points that exist", "管线端点在点表中"),
        Rule("N05", "E", "a line's end lies at most 0.5 m from its point", "管线端点与点位相差不超过0.5米"),
        Rule("N06", "E", "a line starts and ends in different points", "管线起点与终点不同"),
        Rule("N07", "W", "depth is 0-15 m", "埋深0至15米"),
        Rule("N08", "W", "diameter is DN15-DN4000", "管径DN15至DN4000"),
        Rule("N09", "W", "a gravity line falls in the direction of flow", "重力流管线沿流向下降"),
        Rule("N10", "E", "a point has a position: two finite numbers inside the city", "点位坐标有效且位于本市范围内"),
        Rule("N11", "W", "longitude comes before latitude", "坐标顺序为经度、纬度"),
        Rule("N12", "W", "the elevation is known, or the ground under a known depth", "高程已知,或埋深与地面高程已知"),
        Rule("N13", "W", "the length told fits the geometry (10 %, 1 m)", "填报长度与几何长度相符(10%或1米)"),
    )
}  # fmt: skip
