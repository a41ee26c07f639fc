/** Pulls the storeys of a model apart: every tile of a storey is moved up by its rank. */
import { Cartesian3, Matrix4, type Cesium3DTile, type Cesium3DTileset } from "cesium";

const NUDGE = new Cartesian3(1e-6, 0, 0);

/** What of a tile the engine's own declarations leave out. */
interface Tile {
  parent: Tile | undefined;
  children: Tile[];
  transform: Matrix4;
  computedTransform: Matrix4;
  content?: { featuresLength: number; getFeature(index: number): { getProperty(name: string): unknown } };
  _header: { boundingVolume: { box?: number[] } };
}

/** Moves tiles of one tileset; tiles that come later are moved as they come. */
export class Explosion {
  private gap = 0;
  /** Rank of the storey from below, by its code. */
  private ranks: ReadonlyMap<string, number> = new Map();
  private readonly moved = new Map<Tile, { home: Matrix4; rank: number }>();
  private readonly known = new Set<Tile>();
  private rootBox: number[] | undefined;
  private readonly stop: () => void;

  constructor(private readonly tileset: Cesium3DTileset) {
    this.stop = tileset.tileLoad.addEventListener((tile: Cesium3DTile) => this.take(tile as unknown as Tile));
  }

  /** Metres between a storey and the next one beyond their real distance. */
  set(gap: number, ranks: ReadonlyMap<string, number>): void {
    this.gap = gap;
    this.ranks = ranks;
    const visit = (tile: Tile): void => {
      this.take(tile);
      tile.children.forEach(visit);
    };
    if (this.root) visit(this.root);
    for (const [tile, { home, rank }] of this.moved) this.place(tile, home, rank);
    this.widen();
  }

  end(): void {
    this.set(0, this.ranks);
    this.stop();
  }

  private get root(): Tile | undefined {
    return (this.tileset as unknown as { root?: Tile }).root;
  }

  private take(tile: Tile): void {
    if (this.known.has(tile) || tile === this.root) return;
    const { content } = tile;
    if (!content?.featuresLength) return;
    this.known.add(tile);
    const rank = this.ranks.get(String(content.getFeature(0).getProperty("storey_code")));
    const branch = this.branch(tile);
    // Tiles below another one of the same storey go with it.
    if (rank === undefined || this.moved.has(branch)) return;
    const home = Matrix4.clone(branch.transform);
    this.moved.set(branch, { home, rank });
    this.place(branch, home, rank);
  }

  /** The tile right below the root that holds a tile: a storey, or a part of one. */
  private branch(tile: Tile): Tile {
    let top = tile;
    while (top.parent && top.parent !== this.root) top = top.parent;
    return top;
  }

  private place(tile: Tile, home: Matrix4, rank: number): void {
    // Tiles of a model stand upright in the frame of their root.
    const lift = Matrix4.fromTranslation(new Cartesian3(0, 0, rank * this.gap));
    tile.transform = Matrix4.multiply(lift, home, new Matrix4());
  }

  /** The root must hold what was moved, or the engine leaves it out when only that is in view. */
  private widen(): void {
    const { root } = this;
    const box = root?._header.boundingVolume.box;
    if (!root || !box) return;
    this.rootBox ??= [...box];
    const half = (Math.max(0, ...[...this.moved.values()].map(({ rank }) => rank)) * this.gap) / 2;
    root._header.boundingVolume.box = this.rootBox.map((value, index) => (index === 2 || index === 11 ? value + half : value));
    // Volumes are computed anew when the place of a tile has changed: by a micrometre, and only until the next frame puts it right.
    root.computedTransform = Matrix4.multiplyByTranslation(root.computedTransform, NUDGE, new Matrix4());
  }
}
