// What the server is asked: one object per run (`/a` the run itself, `/b` the one beside it).

/** The server said no, in one line. */
export class Refused extends Error {}

async function answer(response) {
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const body = isJson ? await response.json() : { error: (await response.text()).slice(0, 300) };
  if (!response.ok) throw new Refused(body.error || `the server answered ${response.status}`);
  return body;
}

/** Reads and tile addresses of one run. */
export class Api {
  constructor(prefix) {
    this.prefix = prefix;
    this.version = "";
  }

  /** A JSON answer; a server that is gone is one line as well. */
  async get(path) {
    let response;
    try {
      response = await fetch(`${this.prefix}/api/${path}`, { headers: { Accept: "application/json" } });
    } catch {
      throw new Refused("the server does not answer; was `segpipe view` ended?");
    }
    return answer(response);
  }

  run() { return this.get("run"); }
  state() { return this.get("state"); }
  best(cluster) { return this.get(`best/${cluster}`); }
  suggest(k) { return this.get(`suggest?k=${k}`); }
  similar({ image, row, col }, k) { return this.get(`similar?image=${image}&row=${row}&col=${col}&k=${k}`); }
  at({ image, row, col }) { return this.get(`at?image=${image}&row=${row}&col=${col}`); }

  /** One action of the user; the answer holds the new state and the command line that does the same. */
  async act(body) {
    let response;
    try {
      response = await fetch(`${this.prefix}/api/do`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
    } catch {
      throw new Refused("the server does not answer; nothing was changed");
    }
    return answer(response);
  }

  photoTile(image, level, col, row) { return `${this.prefix}/tile/photo/${image}/${level}/${col}/${row}.jpg?v=${this.version}`; }
  indexTile(image, level, col, row) { return `${this.prefix}/tile/index/${image}/${level}/${col}/${row}.png?v=${this.version}`; }
  leafTile(image, level, col, row) { return `${this.prefix}/tile/leaf/${image}/${level}/${col}/${row}.png?v=${this.version}`; }
  heatTile(image, level, col, row, at) {
    return `${this.prefix}/tile/heat/${image}/${level}/${col}/${row}.png?at=${at.image},${at.row},${at.col}&v=${this.version}`;
  }
  thumb(image) { return `${this.prefix}/thumb/${image}.jpg?v=${this.version}`; }
  patch({ image, top, left, height, width }) { return `${this.prefix}/patch/${image}/${top}/${left}/${height}/${width}.jpg?v=${this.version}`; }
}
