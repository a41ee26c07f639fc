"""Write ``schemas/ids/cim-delivery.ids``, the profile that ``cim bim check`` uses by default."""

from pathlib import Path

from ifctester import ids
from ifctester.facet import Attribute, Entity, PartOf

OUT = Path(__file__).parent.parent / "schemas" / "ids" / "cim-delivery.ids"
_NAMED = (("IFCDOOR", "Doors", "门"), ("IFCWINDOW", "Windows", "窗"), ("IFCWALL", "Walls", "墙"), ("IFCSLAB", "Slabs", "楼板"))


def profile() -> ids.Ids:
    """Return the profile: what the city needs to find storeys, rooms and elements by name."""
    made = ids.Ids(
        title="Delivery of building models to the city 建筑模型交付", version="1.0", date="2026-11-27",
        purpose="Storeys, spaces and elements that the city can query 楼层、空间与构件可查询",
        description="What a model needs so that its storeys, spaces and elements are of use in the city. 模型入库可用所需的最低信息。",
    )  # fmt: skip

    def rule(name: str, entity: str, requirements: list[object], least: int, why: str) -> None:
        specification = ids.Specification(name=name, minOccurs=least, maxOccurs="unbounded", description=why)
        specification.applicability.append(Entity(name=entity))
        specification.requirements += requirements
        made.specifications.append(specification)

    rule(
        "Project has a name 项目有名称", "IFCPROJECT", [Attribute(name="Name")], 1, "The project that the model belongs to. 模型所属项目。"
    )
    rule(
        "Storeys have name and elevation 楼层有名称和标高", "IFCBUILDINGSTOREY", [Attribute(name="Name"), Attribute(name="Elevation")], 0,
        "Storeys become rows of the city; basements are told by their elevation. 楼层入库,地下层由标高区分。",
    )  # fmt: skip
    rule("Spaces have a name 空间有名称", "IFCSPACE", [Attribute(name="Name")], 0, "Rooms and dwellings are found by number. 按房号查找。")
    rule(
        "Spaces are part of a storey 空间属于楼层", "IFCSPACE", [PartOf(name="IFCBUILDINGSTOREY", relation="IFCRELAGGREGATES")], 0,
        "A room belongs to a storey. 房间归属楼层。",
    )  # fmt: skip
    for entity, english, chinese in _NAMED:
        rule(
            f"{english} have a name {chinese}有名称", entity, [Attribute(name="Name")], 0, "Elements are listed by name. 构件按名称列出。"
        )  # fmt: skip
    return made


def main() -> None:
    """Write the file."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(profile().to_string() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
