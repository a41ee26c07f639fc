"""Words of the building register: canonical uses, structures, states and safety grades."""

USES = (
    "residential", "commercial", "office", "education", "medical", "culture", "sports", "hotel", "industrial", "storage",
    "transport", "infrastructure", "religious", "agricultural", "mixed", "other",
)  # fmt: skip
STRUCTURES = ("MAS", "RC", "SRC", "STL", "TMB", "ETH", "MIX", "CAV", "OTH")
STATUSES = ("planned", "under_construction", "existing", "demolished", "retired")
GRADES = ("A", "B", "C", "D")
