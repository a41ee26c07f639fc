"""The rules of the building census: id, severity, words. E refuses the record, W accepts and counts, I informs."""

# ruff: noqa: E501 - Chinese characters count double

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rule:
    """A rule.

    Parameters
    ----------
    id
        As in reports and reject rows.
    severity
        E refused, W warning, I information, EW either: the record decides.
    en, zh
        What the rule demands.
    """

    id: str
    severity: Literal["E", "W", "I", "EW"]
    en: str
    zh: str


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("A01", "E", "required fields and the natural key are filled", "必填字段和自然键不为空"),
        Rule("A02", "E", "values are in the profile's dictionary, numbers are numbers", "取值在字典范围内,数值有效"),
        Rule("A03", "E", "the natural key is unique in the file and in the register", "自然键在文件和登记库中唯一"),
        Rule("A04", "EW", "storeys 1-150 above, 0-10 below ground; a rural single dwelling has at most 6", "地上1至150层、地下0至10层;农村独立住宅不超过6层"),
        Rule("A05", "EW", "height above 0 and below 1000 m; 2.2-6 m per storey (dwellings), 2.2-15 m (others)", "建筑高度有效;层高住宅2.2至6米、其他2.2至15米"),
        Rule("A06", "W", "floor area fits footprint and storeys (factor 0.4-1.3)", "建筑面积与基底面积、层数相符(0.4至1.3倍)"),
        Rule("A07", "E", "year built is 1800 to now and agrees with the era", "建成年份在1800年至今且与建造年代一致"),
        Rule("A08", "E", "retrofit year exists if and only if retrofitted, not before the year built, not in the future", "加固年份与是否加固一致,不早于建成年份"),
        Rule("A09", "E", "renovation, extension and appraisal years likewise", "改造、扩建、鉴定年份同上"),
        Rule("A10", "E", "appraisal grade or verdict exists if and only if appraised", "有鉴定才有鉴定等级或结论"),
        Rule("A11", "W", "masonry at most 7, earth 3, cave 2, timber 6 storeys", "砌体不超过7层、土木3层、窑洞2层、木结构6层"),
        Rule("A12", "E", "ten storeys or more are not masonry, earth, cave or mixed", "砌体、土木、窑洞、混杂结构不应达到10层"),
        Rule("A13", "W", "seismic isolation only from 1990 on", "1990年以前的房屋一般不采用减隔震"),
        Rule("A14", "E", "code 'other' comes with its text, and the text only with the code", "选择“其他”时须填写说明"),
        Rule("A15", "W", "at least one photo; visible damage has a photo of it", "至少一张照片;有明显损伤须附照片"),
        Rule("A16", "E", "flags of school and hospital buildings only with the use they belong to", "教育、医疗设施标志与用途一致"),
        Rule("A17", "W", "households and residents 0-20,000, at most 12 residents per household", "户数、人口在合理范围,户均不超过12人"),
        Rule("G01", "EW", "the outline is a valid polygon of at least 1 m2 (repaired where possible)", "轮廓为有效多边形且不小于1平方米(可修复的自动修复)"),
        Rule("G02", "E", "the outline lies in the city", "轮廓位于本市范围内"),
        Rule("G03", "W", "footprint 4-50,000 m2 and no sliver", "基底面积4至50000平方米且非狭长碎片"),
        Rule("G04", "EW", "footprints do not overlap by more than 10 % of the smaller; over 80 % of both is a duplicate", "轮廓重叠不超过较小者的10%;双方重叠超过80%视为重复"),
        Rule("G05", "E", "the layer is not shifted as GCJ-02 or BD-09 would be", "图层无GCJ-02或BD-09偏移"),
        Rule("G06", "W", "parts of one building are at most 50 m apart", "同一建筑各部分相距不超过50米"),
        Rule("G07", "EW", "a village or community contains the building, the one the record declares", "所在村(居)委会存在且与申报一致"),
        Rule("P01", "W", "the identity number passes its check digit (GB 11643)", "身份证号校验码正确"),
        Rule("L01", "W", "a re-survey does not change structure or year built without a reason", "复查不应无故更改结构或建成年份"),
        Rule("X01", "E", "a re-surveyed building is one known building or a new one, not several", "复查建筑应唯一对应已登记建筑或为新建"),
    )
}  # fmt: skip
