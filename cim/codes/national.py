"""Codes of other schemes: checked and explained, never issued by this store."""

from cim.codes.scheme import CodeScheme, Segment


def _check_jgjt246(body: str) -> str:
    # An unknown digit of the completion year is written "*" and counts 10 in the sum, as X does in ISO 7064.
    total = sum((10 if char == "*" else int(char)) * pow(2, place + 1, 11) for place, char in enumerate(reversed(body)))
    return "10X98765432"[total % 11]


JGJT246 = CodeScheme(
    id="JGJT246-23",
    title_en="House code of JGJ/T 246-2012 (withdrawn), 23 characters",
    title_zh="房屋代码(JGJ/T 246-2012,已废止,23位)",
    pattern=r"\d{9}[\d*]{4}\d{4}\d{5}[\dX]",
    segments=(
        Segment("street_code", 0, 9, "county and street", "行政区划代码"),
        Segment("completion_year", 9, 13, "year of completion (* unknown digit)", "竣工年份"),
        Segment("zhuang_seq", 13, 17, "building sequence", "幢顺序码"),
        Segment("hu_seq", 17, 22, "suite sequence (00000 = building)", "户顺序码"),
        Segment("check", 22, 23, "check digit, ISO 7064 MOD 11-2", "校验码"),
    ),
    check=_check_jgjt246,
    n_check=1,
    issued=False,
    source="JGJ/T 246-2012",
)

REAL_ESTATE = CodeScheme(
    id="CN-REU28",
    title_en="Real-estate unit code, 28 characters",
    title_zh="不动产单元代码(28位)",
    pattern=r"\d{12}[GJZ][ABSXCDEFGHWYLN]\d{5}([FLQ]\d{8}|W0{8})",
    segments=(
        Segment("county", 0, 6, "county", "县级行政区划"),
        Segment("cadastral_area", 6, 9, "cadastral area", "地籍区"),
        Segment("cadastral_subarea", 9, 12, "cadastral sub-area", "地籍子区"),
        Segment("parcel_type", 12, 14, "parcel type", "宗地特征码"),
        Segment("parcel", 14, 19, "parcel sequence", "宗地顺序号"),
        Segment("fixture_type", 19, 20, "fixture type (F building, L forest, Q other, W none)", "定着物特征码"),
        Segment("fixture", 20, 28, "fixture unit", "定着物单元编号"),
    ),
    check=None,
    n_check=0,
    issued=False,
    source="GB/T 37346-2019",
)

DIVISION = CodeScheme(
    id="CN-DIV12",
    title_en="Statistical division code, 12 digits",
    title_zh="统计用区划代码(12位)",
    pattern=r"\d{12}",
    segments=(
        Segment("county", 0, 6, "county and above (GB/T 2260)", "县级及以上行政区划"),
        Segment("town", 6, 9, "town or street (GB/T 10114)", "乡镇/街道"),
        Segment("village", 9, 12, "village or residents' committee", "村(居)委会"),
    ),
    check=None,
    n_check=0,
    issued=False,
    source="National Bureau of Statistics, statistical division codes",
)

COMPONENT = CodeScheme(
    id="CN-MC16",
    title_en="Municipal component code, 16 digits",
    title_zh="城市管理部件编码(16位)",
    pattern=r"\d{6}0[1-5]\d{2}\d{6}",
    segments=(
        Segment("county", 0, 6, "county", "县级行政区划"),
        Segment("big_class", 6, 8, "big class", "大类"),
        Segment("small_class", 8, 10, "small class", "小类"),
        Segment("sequence", 10, 16, "sequence", "顺序码"),
    ),
    check=None,
    n_check=0,
    issued=False,
    source="GB/T 30428.2",
)

SHENZHEN = CodeScheme(
    id="SZ-25",
    title_en="Shenzhen house code, 25 digits",
    title_zh="深圳市房屋编码(25位)",
    pattern=r"4403\d{21}",
    segments=(
        Segment("county", 0, 6, "province, city, district", "省市区"),
        Segment("street", 6, 9, "street", "街道"),
        Segment("community", 9, 12, "community", "社区"),
        Segment("grid", 12, 14, "base grid", "基础网格"),
        Segment("building", 14, 19, "building", "楼栋"),
        Segment("room", 19, 25, "room", "房屋"),
    ),
    check=None,
    n_check=0,
    issued=False,
    source="Shenzhen unified address specification for social management, 2017",
)

ALL = (JGJT246, REAL_ESTATE, DIVISION, COMPONENT, SHENZHEN)
