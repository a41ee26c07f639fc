"""Names of collections and attributes for people, in English and Chinese."""

# ruff: noqa: E501 - Chinese characters count double

from cim.profile import Names

COLLECTIONS: dict[str, tuple[str, str, str, str]] = {
    "divisions": (
        "Administrative divisions", "行政区划",
        "Administrative and statistical divisions with their boundaries where known.", "行政与统计区划及其已知边界。",
    ),
    "buildings": (
        "Buildings", "建筑物",
        "Building register: one feature per coded building; the feature id is the building code.", "建筑物登记:每栋赋码建筑一个要素,要素标识即建筑编码。",
    ),
    "units": ("Units", "建筑单元", "Dwellings and other units inside buildings.", "建筑物内的户室及其他单元。"),
    "addresses": ("Addresses", "地址", "Addresses and the buildings they belong to.", "地址及其所属建筑物。"),
    "bim-models": (
        "BIM models", "BIM 模型",
        "Building and infrastructure information models, placed in the city.", "已定位到城市中的建筑与基础设施信息模型。",
    ),
    "bim-storeys": ("BIM storeys", "BIM 楼层", "Storeys of BIM models.", "BIM 模型的楼层。"),
    "bim-spaces": ("BIM spaces", "BIM 空间", "Spaces (rooms) of BIM models.", "BIM 模型的空间(房间)。"),
    "bim-elements": ("BIM elements", "BIM 构件", "Elements of BIM models with their property sets.", "BIM 模型的构件及其属性集。"),
    "city-objects": (
        "City objects", "城市对象",
        "Objects of city models: buildings and their parts, relief, water, vegetation, roads, bridges, furniture; those that show a building of the register carry its code.",
        "城市模型中的对象:建筑及其部件、地形、水体、植被、道路、桥梁、城市家具;与建筑物登记对应者带有建筑编码。",
    ),
    "planning-controls": (
        "Planning control", "规划管控",
        "Zones of plans with the rules that hold in them: land use, red and other coloured lines, height limits, floor area ratios, protection areas.",
        "规划管控分区及其规则:用地、各类控制线、限高、容积率、保护范围。",
    ),
}  # fmt: skip
"""Collection id: title and description, English and Chinese."""

KINDS: dict[str, tuple[str, str]] = {
    "water": ("Water supply", "给水"), "rainwater": ("Rainwater", "雨水"), "sewage": ("Sewage", "污水"), "gas": ("Gas", "燃气"),
    "heat": ("Heating", "热力"), "power": ("Power", "电力"), "lighting": ("Street lighting", "路灯"),
    "telecom": ("Telecommunication", "通信"), "road": ("Road", "道路"), "tunnel": ("Utility tunnel", "综合管廊"),
}  # fmt: skip

FIELDS: dict[str, tuple[str, str]] = {
    "code": ("Code", "编码"), "name": ("Name", "名称"), "address": ("Address", "地址"), "division_code": ("Division", "所属区划"),
    "height_m": ("Height", "高度"), "ground_elevation_m": ("Ground elevation", "地面高程"),
    "ground_mean_m": ("Mean ground elevation", "地面平均高程"), "ground_max_m": ("Highest ground elevation", "地面最高高程"),
    "ground_min_m": ("Lowest ground elevation", "地面最低高程"), "storeys_above": ("Storeys above ground", "地上层数"),
    "storeys_below": ("Storeys below ground", "地下层数"), "use": ("Use", "用途"), "structure": ("Structure", "结构类型"),
    "year_built": ("Year of completion", "建成年份"), "footprint_area_m2": ("Footprint area", "基底面积"),
    "floor_area_m2": ("Floor area", "建筑面积"), "safety_grade": ("Safety grade", "安全等级"), "status": ("Status", "状态"),
    "source_dataset": ("Source dataset", "来源数据集"), "version": ("Version", "版本"), "valid_from": ("Valid from", "生效时间"),
    "level": ("Level", "级别"), "parent_code": ("Parent division", "上级区划"), "urban_rural_class": ("Urban-rural class", "城乡分类"),
    "is_synthetic": ("Generated data", "合成数据"), "building_code": ("Building code", "建筑编码"), "staircase": ("Staircase", "单元号"),
    "floor": ("Floor", "所在楼层"), "room": ("Room", "房号"), "full_text": ("Full address", "地址全称"), "road": ("Road", "道路"),
    "house_number": ("House number", "门牌号"), "match_method": ("Match method", "匹配方式"), "distance_m": ("Distance to building", "到建筑距离"),
    "effective_from": ("In force from", "启用日期"), "effective_to": ("Withdrawn on", "停用日期"), "successor_code": ("Successor", "接替编码"),
    "components": ("Address components", "地址要素"), "match_score": ("Match score", "匹配得分"),
    "attributes": ("Further attributes", "其他属性"), "survey_no": ("Survey point number", "物探点号"), "feature": ("Point feature", "特征"),
    "appendage": ("Equipment", "附属物"), "type_code": ("Type code", "管线类型代码"), "elevation_m": ("Elevation", "高程"),
    "depth_m": ("Depth", "埋深"), "owner": ("Owner", "权属单位"), "start_node": ("Start node", "起点编码"), "end_node": ("End node", "终点编码"),
    "diameter_mm": ("Diameter", "管径"), "width_mm": ("Profile width", "断面宽"), "height_mm": ("Profile height", "断面高"),
    "material": ("Material", "材质"), "embedding": ("Embedding", "埋设方式"), "depth_reference": ("Depth reference", "埋深基准"),
    "start_depth_m": ("Depth at start", "起点埋深"), "end_depth_m": ("Depth at end", "终点埋深"), "length_m": ("Length", "长度"),
    "slope": ("Slope", "坡度"), "flow_direction": ("Flow direction", "流向"), "pressure": ("Pressure", "压力"), "voltage": ("Voltage", "电压"),
    "n_cables": ("Number of cables", "电缆条数"), "year_laid": ("Year laid", "埋设年份"),
    "component_code": ("Component code", "部件编码"), "state": ("Valve or switch state", "阀门(开关)状态"), "condition": ("Condition", "状况"),
    "maintainer": ("Maintenance unit", "养护单位"), "roughness": ("Roughness", "粗糙度"), "roughness_kind": ("Kind of roughness", "粗糙度类型"),
    "link_method": ("Link method", "关联方式"),
    "link_score": ("Link score", "关联得分"), "stage": ("Project stage", "项目阶段"), "discipline": ("Discipline", "专业"),
    "ifc_schema": ("IFC schema", "IFC 版本"), "authoring_tool": ("Authoring tool", "建模软件"), "sha256": ("SHA-256", "文件校验和"),
    "file_size_bytes": ("File size", "文件大小"), "n_elements": ("Number of elements", "构件数"), "georef_method": ("Georeferencing", "定位方式"),
    "georef_note": ("Georeferencing note", "定位说明"), "projected_crs": ("Projected CRS", "投影坐标系"),
    "base_elevation_m": ("Base elevation", "底部高程"), "note": ("Note", "备注"), "model_code": ("Model code", "模型编码"),
    "global_id": ("IFC GlobalId", "IFC GlobalId"), "storey_code": ("Storey", "所属楼层"), "space_code": ("Space", "所属空间"),
    "long_name": ("Long name", "全名"), "area_source": ("Source of the area", "面积来源"), "ifc_class": ("IFC class", "IFC 类"),
    "object_type": ("Object type", "对象类型"), "tag": ("Tag", "标记"), "geom_status": ("Geometry status", "几何状态"),
    "fix_hint": ("Command that places the model", "定位命令"), "project_global_id": ("GlobalId of the project", "项目 GlobalId"),
    "project_code": ("Project code", "项目编码"), "number": ("Number", "层号"), "parent_global_id": ("GlobalId of the parent", "上级 GlobalId"),
    "predefined_type": ("Predefined type", "预定义类型"), "height_source": ("Source of the height", "高度来源"), "volume_m3": ("Volume", "体积"),
    "volume_source": ("Source of the volume", "体积来源"), "classifications": ("Classifications", "分类编码"),
    "occurrence": ("Occurrence of the GlobalId", "GlobalId 序次"), "type_name": ("Type", "类型"), "type_global_id": ("GlobalId of the type", "类型 GlobalId"),
    "host_global_id": ("GlobalId of the host", "宿主 GlobalId"), "materials": ("Materials", "材料"), "original_units": ("Original units", "原始单位"),
    "property_hash": ("Hash of the properties", "属性哈希"), "geometry_hash": ("Hash of the geometry", "几何哈希"),
    "top_elevation_m": ("Top elevation", "顶部高程"),
    "type": ("Class", "类别"), "highest_lod": ("Highest level of detail", "最高细节层次"), "city_object.parent_code": ("Part of", "所属对象"),
    "control": ("Kind of control", "管控类型"), "land_use": ("Land use", "用地性质"), "height_limit_m": ("Height limit", "建筑限高"),
    "elevation_limit_m": ("Elevation limit", "限制高程"), "far_max": ("Greatest floor area ratio", "容积率上限"),
    "far_min": ("Least floor area ratio", "容积率下限"), "coverage_max": ("Greatest building coverage", "建筑密度上限"),
    "green_ratio_min": ("Least green ratio", "绿地率下限"), "setback_m": ("Setback", "退界距离"), "plan_name": ("Plan", "规划名称"),
    "plan_status": ("State of the plan", "规划状态"), "approved_on": ("Approved on", "批准日期"), "approval_no": ("Approval number", "批复文号"),
    "properties": ("Property sets", "属性集"), "base_m": ("Lowest point", "最低点"), "top_m": ("Highest point", "最高点"),
}  # fmt: skip

VALUES: dict[str, dict[str, tuple[str, str]]] = {
    "use": {
        "residential": ("residential", "居住"), "commercial": ("commercial", "商业"), "office": ("office", "办公"),
        "education": ("education", "教育"), "medical": ("medical", "医疗"), "culture": ("culture", "文化"), "sports": ("sports", "体育"),
        "hotel": ("hotel", "旅馆"), "industrial": ("industrial", "工业"), "storage": ("storage", "仓储"), "transport": ("transport", "交通"),
        "infrastructure": ("infrastructure", "市政设施"), "religious": ("religious", "宗教"), "agricultural": ("agricultural", "农业"),
        "mixed": ("mixed", "综合"), "other": ("other", "其他"),
    },
    "structure": {
        "MAS": ("masonry", "砌体"), "RC": ("reinforced concrete", "钢筋混凝土"), "SRC": ("steel-reinforced concrete", "型钢混凝土"),
        "STL": ("steel", "钢结构"), "TMB": ("timber", "木结构"), "ETH": ("earth", "土结构"), "MIX": ("mixed", "混合"), "CAV": ("cave dwelling", "窑洞"),
        "OTH": ("other", "其他"),
    },
    "status": {
        "planned": ("planned", "规划"), "under_construction": ("under construction", "在建"), "existing": ("existing", "现状"),
        "demolished": ("demolished", "已拆除"), "retired": ("retired", "已注销"), "in_use": ("in use", "在用"), "abandoned": ("abandoned", "废弃"),
        "loaded": ("loaded", "已加载"), "quarantined": ("quarantined", "待定位"),
    },
    "control": {
        "land_use": ("land use", "用地"), "plot": ("plot", "地块"), "road_red_line": ("road red line", "道路红线"), "green_line": ("green line", "绿线"),
        "blue_line": ("blue line", "蓝线"), "purple_line": ("purple line", "紫线"), "yellow_line": ("yellow line", "黄线"),
        "height_limit": ("height limit", "限高区"), "protection_area": ("protection area", "保护范围"),
        "ecological_red_line": ("ecological red line", "生态保护红线"), "urban_boundary": ("urban boundary", "城镇开发边界"), "other": ("other", "其他"),
    },
    "plan_status": {"draft": ("draft", "草案"), "approved": ("approved", "已批准"), "withdrawn": ("withdrawn", "已废止")},
    "depth_reference": {"crown": ("crown", "管顶"), "invert": ("invert", "管底"), "centre": ("centre", "管中心")},
    "geom_status": {"meshed": ("meshed", "已生成"), "without_openings": ("meshed without openings", "未扣洞口"), "box": ("bounding box", "包围盒"),
         "empty": ("no geometry in the file", "文件无几何"), "failed": ("failed", "失败")},
}  # fmt: skip

SYNTHETIC = Names(en="Contains generated (synthetic) data, not surveyed facts.", zh="含合成(生成)数据,非实测。")


def field_title(name: str, table: str = "") -> Names:
    """Return the name of an attribute for people; the attribute's own name where it has none; a table may have one of its own."""
    english, chinese = FIELDS.get(f"{table}.{name}") or FIELDS.get(name, (name, name))
    return Names(en=english, zh=chinese)


def value_title(field: str, value: str) -> Names:
    """Return the name of an enumeration value for people; the value itself where it has none."""
    english, chinese = VALUES.get(field, {}).get(value, (value, value))
    return Names(en=english, zh=chinese)
