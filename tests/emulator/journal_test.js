"use strict";
/**
 * The journal against a plain map, over random changes, snapshots taken in their midst, and files as a kill leaves them.
 * node journal_test.js FOLDER SEED
 */

const assert = require("assert");
const fs = require("fs");
const path = require("path");
const Loki = require("lokijs");
const { Journal } = require(path.join(__dirname, "../../emulator/storage/azurite/journal.js"));

const [folder, seed] = [process.argv[2], Number(process.argv[3])];
let state = seed;
const random = (below) => {
  state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
  return Math.floor((state / 0x80000000) * below);
};

function database() {
  const db = new Loki("none", { persistenceMethod: "memory" });
  db.addCollection("blobs", { indices: ["name"] });
  db.addCollection("services", { unique: ["account"] });
  return db;
}

async function open() {
  const db = database();
  const collections = { blobs: () => db.getCollection("blobs"), services: () => db.getCollection("services") };
  const journal = new Journal(folder, collections, (error) => assert.fail(error));
  await journal.open();
  return { blobs: collections.blobs(), services: collections.services(), journal };
}

const plain = (collection) =>
  JSON.parse(JSON.stringify(collection.data.map(({ meta, ...document }) => document).sort((a, b) => a.$loki - b.$loki)));

function change({ blobs, services }) {
  const kind = random(10);
  const some = blobs.data.length ? blobs.data[random(blobs.data.length)] : undefined;
  if (!some || kind < 3) {
    // A name may contain what ends a line for others, and metadata may be called what LokiJS drops when it saves.
    blobs.insert({ name: `b${random(50)}\u2028\n"`, metadata: { ttl: random(9) }, committedBlocksInOrder: [] });
  } else if (kind < 6) {
    some.committedBlocksInOrder.push({ id: random(1000), text: "x".repeat(random(200)) });
    blobs.update(some);
  } else if (kind < 7) {
    some.committedBlocksInOrder = some.committedBlocksInOrder.slice(random(3));
    blobs.update(some);
  } else if (kind < 8) {
    blobs.remove(some);
  } else if (kind < 9) {
    blobs.findAndRemove({ name: some.name });
  } else {
    const found = services.by("account", "a");
    if (found) services.update(Object.assign(found, { value: random(100) }));
    else services.insert({ account: "a", value: 0 });
  }
}

/** Files come and go while a snapshot is written; a copy that missed one is taken again. */
function copyWhole(from, to) {
  for (;;) {
    try {
      return fs.cpSync(from, to, { recursive: true });
    } catch (error) {
      assert.strictEqual(error.code, "ENOENT");
      fs.rmSync(to, { recursive: true, force: true });
    }
  }
}

async function main() {
  for (let life = 0; life < 8; life++) {
    const store = await open();
    for (let index = 0; index < 60; index++) {
      for (let many = random(40); many > 0; many--) change(store);
      if (random(8) === 0) {
        store.journal.size = Infinity; // worth a snapshot
        store.journal.compact();
      }
      await store.journal.synced();
    }
    if (life % 2) await store.journal.compacting;
    const before = { blobs: plain(store.blobs), services: plain(store.services) };
    // A copy, taken while a snapshot may be under way, is what a kill leaves behind.
    const copy = `${folder}-${life}`;
    copyWhole(folder, copy);
    const numbers = fs.readdirSync(copy).filter((name) => name.startsWith("journal")).map((name) => Number(name.match(/\d+/)[0]));
    fs.appendFileSync(path.join(copy, `journal-${Math.max(...numbers)}.jsonl`), '["blobs","put",{"$loki":1,"na');
    await store.journal.close();
    const original = folder;
    for (const place of [copy, original]) {
      const db = database();
      const journal = new Journal(place, { blobs: () => db.getCollection("blobs"), services: () => db.getCollection("services") });
      await journal.open();
      assert.deepStrictEqual(plain(db.getCollection("blobs")), before.blobs);
      assert.deepStrictEqual(plain(db.getCollection("services")), before.services);
      assert.strictEqual(db.getCollection("blobs").find({ name: { $regex: "" } }).length, before.blobs.length);
      await journal.close();
    }
  }
  const left = fs.readdirSync(folder);
  assert.ok(left.filter((name) => name.startsWith("snapshot")).length === 1, left.join());

  const damaged = `${folder}-damaged`;
  fs.cpSync(folder, damaged, { recursive: true });
  const snapshot = path.join(damaged, left.find((name) => name.startsWith("snapshot")));
  fs.truncateSync(snapshot, fs.statSync(snapshot).size - 20);
  await assert.rejects(new Journal(damaged, { blobs: () => database().getCollection("blobs") }).open(), /damaged/);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
