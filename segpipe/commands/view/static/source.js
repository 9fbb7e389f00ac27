// One run as the page knows it: its images, its clusters and the classes that they make.

const EMPTY = { version: -1, artefacts: "", classes: [], own: [], points: [], undo: null, redo: null, job: null, busy: null, error: null, drawing: null, stale: [], refresh: null };

export class Source {
  constructor(api) {
    this.api = api;
    this.run = null;
    this.state = EMPTY;
  }

  async load() {
    this.state = await this.api.state();
    this.api.version = encodeURIComponent(this.state.artefacts);
    this.run = await this.api.run();
  }

  get count() { return this.run.images.id.length; }

  /** {index, id, path, height, width, site, mosaic, doubt, geo} of an image. */
  image(index) {
    const { id, path, height, width, site, mosaic, doubt, geo } = this.run.images;
    return {
      index, id: id[index], path: path[index], height: height[index], width: width[index], site: site?.[index] ?? null,
      mosaic: mosaic?.[index] ?? false, doubt: doubt?.[index] ?? null, geo: geo?.[index] ?? false,
    };
  }

  /** The entry of a cluster, or undefined. */
  entry(cluster) { return this.state.classes[cluster]; }

  /** The cluster whose class a cluster belongs to; null where it is left out. */
  rootOf(cluster) { return this.entry(cluster)?.root ?? null; }

  nameOf(cluster) {
    const entry = this.entry(this.rootOf(cluster) ?? cluster);
    return entry?.name || `cluster ${entry?.cluster ?? cluster}`;
  }

  colorOf(cluster) { return this.entry(this.rootOf(cluster) ?? cluster)?.color ?? "#808080"; }

  /** The classes, largest first: the entry of each root with `members`, the clusters merged into it. */
  classes() {
    const roots = this.state.classes.filter((entry) => entry.root === entry.cluster);
    const found = roots.map((entry) => ({
      ...entry,
      members: this.state.classes.filter((other) => other.root === entry.cluster && other.cluster !== entry.cluster).map((other) => other.cluster),
    }));
    return found.sort((one, other) => (other.share ?? 0) - (one.share ?? 0) || one.cluster - other.cluster);
  }

  /** Clusters that a user has left out. */
  leftOut() { return this.state.classes.filter((entry) => entry.ignore); }

  /** Pixels of an image by class, largest first: [[root, pixels], …]. */
  pixelsOf(index) {
    const sums = new Map();
    for (const [cluster, pixels] of this.run.images.pixels?.[index] ?? []) {
      const root = this.rootOf(cluster);
      if (root !== null) sums.set(root, (sums.get(root) ?? 0) + pixels);
    }
    return [...sums].sort((one, other) => other[1] - one[1]);
  }

  /** Whether an image has a mask. */
  hasMask(index) { return (this.run.images.pixels?.[index] ?? []).length > 0; }

  /** The number of the image of this path, or -1. */
  indexOfPath(path) { return this.run.images.path.indexOf(path); }
}
