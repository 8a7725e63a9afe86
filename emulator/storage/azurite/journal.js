"use strict";
/**
 * Makes LokiJS collections durable: a change is on disk before the method that made it returns.
 *
 * Files, in one folder: `snapshot-N.jsonl` (every document, one a line) and `journal-N.jsonl` (every change since, one a line).
 * Start reads the newest snapshot and replays the journals from its number on; a snapshot takes the next number, so that nothing is
 * removed before what replaces it is on disk. A snapshot is taken while changes go on: a change that it has already seen is replayed
 * over it and changes nothing, because a change carries the whole document (or the end of its block list, from where it begins).
 *
 * Must not live here: anything about blobs, but for one fact: that block lists grow at their end.
 */

const fs = require("fs");
const path = require("path");

const INTERVAL = 30_000; // ms between snapshots
const WORTHWHILE = 1 << 20; // bytes of journal below which a snapshot saves nothing
const CHUNK = 500; // documents written without letting a request in between
const BLOCKS = "committedBlocksInOrder"; // an append blob has up to 50,000, and gets one a request

class Journal {
  /** `collections`: name -> a function that gives the LokiJS collection, once its database has been opened. */
  constructor(folder, collections, fail) {
    this.folder = folder;
    this.collections = collections;
    this.fail = fail;
    this.tails = new WeakMap(); // document -> its block list and how much of it is in the journal
    this.lines = [];
    this.waiting = [];
    this.writing = null;
    this.size = 0;
    this.snapshotSize = 0;
  }

  /** Fill the collections with what was on disk, then record what happens to them. */
  async open() {
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const found = { snapshot: [], journal: [] };
    for (const name of fs.readdirSync(this.folder)) {
      const match = /^(snapshot|journal)-(\d+)\.jsonl$/.exec(name);
      if (match) found[match[1]].push(Number(match[2]));
      else if (name.endsWith(".draft")) fs.unlinkSync(path.join(this.folder, name));
    }
    const base = Math.max(0, ...found.snapshot);
    const journals = found.journal.filter((number) => number >= base).sort((a, b) => a - b);
    const documents = new Map(Object.keys(this.collections).map((name) => [name, new Map()]));
    if (base > 0) {
      this.snapshotSize = await read(this.file("snapshot", base), (change) => apply(documents, change), false);
    }
    for (const number of journals) {
      this.size += await read(this.file("journal", number), (change) => apply(documents, change), true);
    }
    for (const [name, byId] of documents) this.fill(this.collections[name](), byId);
    this.number = Math.max(base, ...journals) + 1;
    this.out = await this.create(this.number);
    for (const name of Object.keys(this.collections)) this.listen(name, this.collections[name]());
    this.timer = setInterval(() => this.compact(), INTERVAL);
    this.timer.unref();
    this.compact(); // what earlier lives left
  }

  /** Resolves when every change made before the call is on disk. */
  synced() {
    if (this.lines.length === 0 && this.writing === null) return undefined;
    const promise = new Promise((resolve) => this.waiting.push(resolve));
    if (this.writing === null) this.writing = this.write();
    return promise;
  }

  async close() {
    clearInterval(this.timer);
    await this.compacting;
    await this.synced();
    await this.out.close();
  }

  /** Take a snapshot, when enough has changed to be worth the writing. */
  compact() {
    if (this.compacting || this.size < Math.max(WORTHWHILE, this.snapshotSize / 2)) return;
    this.compacting = this.snapshot()
      // Nothing is lost: the journals since the last snapshot are all there.
      .catch((error) => console.error(`no snapshot could be written: ${error.message}`))
      .finally(() => (this.compacting = undefined));
  }

  async snapshot() {
    const next = this.number + 1;
    const fresh = await this.create(next);
    await this.synced();
    while (this.writing) await this.writing;
    // From here to the assignment nothing is awaited: every change is in the old journal or in the new one.
    const old = this.out;
    this.out = fresh;
    this.number = next;
    this.size = 0;
    await old.close();
    const draft = this.file("snapshot", next) + ".draft";
    const file = await fs.promises.open(draft, "wx", 0o600);
    let size = 0;
    for (const [name, collection] of Object.entries(this.collections)) {
      const documents = collection().data.slice();
      for (let start = 0; start < documents.length; start += CHUNK) {
        const lines = [];
        for (const document of documents.slice(start, start + CHUNK)) {
          // A document removed since the slice was taken has lost its id; its removal is in the new journal.
          if (document.$loki !== undefined) lines.push(JSON.stringify([name, "put", document]) + "\n");
        }
        const bytes = Buffer.from(lines.join(""));
        size += bytes.length;
        await file.appendFile(bytes);
      }
    }
    // What the snapshot has seen may still be on its way to the journal, which must never be behind it.
    await this.synced();
    await file.appendFile(END);
    await file.sync();
    await file.close();
    await fs.promises.rename(draft, this.file("snapshot", next));
    await syncFolder(this.folder);
    this.snapshotSize = size;
    for (const name of await fs.promises.readdir(this.folder)) {
      const match = /^(?:snapshot|journal)-(\d+)\.jsonl$/.exec(name);
      if (match && Number(match[1]) < next) await fs.promises.unlink(path.join(this.folder, name));
    }
  }

  listen(name, collection) {
    collection.on("insert", (document) => this.put(name, document));
    collection.on("update", (document) => this.put(name, document));
    collection.on("delete", (document) => this.record([name, "remove", document.$loki]));
  }

  put(name, document) {
    const blocks = document[BLOCKS];
    const known = this.tails.get(document);
    if (blocks && known && known.blocks === blocks && blocks.length >= known.length) {
      this.record([name, "grow", { ...document, [BLOCKS]: undefined }, known.length, blocks.slice(known.length)]);
    } else {
      this.record([name, "put", document]);
    }
    if (blocks) this.tails.set(document, { blocks, length: blocks.length });
  }

  record(change) {
    this.lines.push(JSON.stringify(change) + "\n");
  }

  /** One write and one sync for all that waits, until nothing does. */
  async write() {
    try {
      while (this.lines.length > 0) {
        const bytes = Buffer.from(this.lines.join(""));
        const waiting = this.waiting;
        this.lines = [];
        this.waiting = [];
        await this.out.appendFile(bytes);
        await this.out.datasync();
        this.size += bytes.length;
        for (const resolve of waiting) resolve();
      }
    } catch (error) {
      this.fail(error); // nobody who waits is ever answered
      return;
    }
    this.writing = null;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  fill(collection, byId) {
    collection.data = [...byId.values()].sort((a, b) => a.$loki - b.$loki);
    collection.maxId = collection.data.length ? collection.data[collection.data.length - 1].$loki : 0;
    collection.idIndex = null;
    collection.ensureId();
    collection.ensureAllIndexes(true);
    for (const field of collection.uniqueNames) collection.ensureUniqueIndex(field);
  }

  async create(number) {
    const file = await fs.promises.open(this.file("journal", number), "ax", 0o600);
    await syncFolder(this.folder);
    return file;
  }

  file(kind, number) {
    return path.join(this.folder, `${kind}-${number}.jsonl`);
  }
}

const END = '["end"]\n';

/**
 * Calls `use` with every change of a file and returns its bytes. A journal may end in the middle of a line, where the process
 * died: that change was never acknowledged. A snapshot was synced before it got its name, so it must be whole.
 */
async function read(file, use, torn) {
  let ended = false;
  let damaged = false;
  let rest = [];
  const take = (line) => {
    try {
      const change = JSON.parse(line);
      if (change[0] === "end") ended = true;
      else use(change);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      damaged = true;
    }
  };
  // Not readline: it ends a line at U+2028 too, which a blob's name may contain.
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0 && !damaged; end = chunk.indexOf(10, start)) {
      take(Buffer.concat([...rest, chunk.subarray(start, end)]).toString());
      rest = [];
      start = end + 1;
    }
    if (damaged) break;
    rest.push(chunk.subarray(start));
  }
  if (!torn && !ended) throw new Error(`${file} is damaged: it does not end as a snapshot ends`);
  return fs.statSync(file).size;
}

function apply(documents, [name, what, value, from, tail]) {
  const byId = documents.get(name);
  if (!byId) throw new Error(`the journal names a collection that this program does not know: ${name}`);
  if (what === "remove") {
    byId.delete(value);
  } else if (what === "put") {
    byId.set(value.$loki, value);
  } else {
    // Where there is no document it was removed before the snapshot saw it, and its removal follows.
    const blocks = byId.get(value.$loki)?.[BLOCKS];
    if (!blocks) return;
    blocks.length = Math.min(blocks.length, from);
    blocks.push(...tail);
    byId.set(value.$loki, { ...value, [BLOCKS]: blocks });
  }
}

async function syncFolder(folder) {
  const handle = await fs.promises.open(folder, "r");
  await handle.sync();
  await handle.close();
}

module.exports = { Journal };
