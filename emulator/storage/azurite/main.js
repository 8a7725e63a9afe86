"use strict";
/**
 * Azurite's blob service, durable and shut to strangers. `node main.js FOLDER`, then JSON, one a line:
 *
 *   in   {"seed": "…", "gate": "…", "port": 0, "accounts": {name: [key, key]}}   first; then {"accounts": …} whenever they change
 *   out  {"ready": port} and {"accounts": number of them}
 *
 * Ends, with everything on disk, on SIGTERM and when its input ends: it does not outlive who started it.
 *
 * No file of Azurite is changed. What is set here, before or after its server is made:
 *   durability   journal.js, in place of LokiJS's own files, which are written every 5 s whatever was acknowledged
 *   tokens       Azurite reads a bearer token's claims and believes them; here it believes only what the gate has signed
 *   delegation   user delegation keys are derived from a constant in Azurite's source; here from a secret of this installation
 *   signatures   operations that its tables of permissions leave out are added to them: permissions.js
 *   copying      a copy's source is fetched from this server, never from the network
 *   telemetry    is not loaded
 */

const fs = require("fs");
const http = require("http");
const net = require("net");
const path = require("path");
const readline = require("readline");

const VERSION = "3.37.0"; // what is set from outside is known to be there in this version

process.umask(0o077);
const azurite = load();
const { Journal } = require("./journal");

/** Azurite's modules, from the node_modules of a folder above this one. */
function load() {
  let found;
  try {
    found = require("azurite/package.json").version;
  } catch {
    stop("Azurite is not installed. In the repository's folder, run: scripts/setup demo   (or: npm ci)");
  }
  if (found !== VERSION) stop(`Azurite ${found} is installed, ${VERSION} is needed. In the repository's folder, run: npm ci`);
  // Half of the start is loading the telemetry client, which is not wanted in any case.
  require.cache[require.resolve("applicationinsights")] = { exports: {}, loaded: true };
  const from = (name) => require(`azurite/dist/src/${name}`);
  require("./permissions").complete(from);
  return {
    BlobConfiguration: from("blob/BlobConfiguration").default,
    BlobHandler: from("blob/handlers/BlobHandler").default,
    BlobServer: from("blob/BlobServer").default,
    BlobTokenAuthenticator: from("blob/authentication/BlobTokenAuthenticator").default,
    StorageErrorFactory: from("blob/errors/StorageErrorFactory").default,
    constants: from("blob/utils/constants"),
    errorMiddleware: from("blob/generated/middleware/error.middleware"),
    jwt: require("jsonwebtoken"),
  };
}

function stop(message) {
  console.error(message);
  process.exit(1);
}

async function main() {
  const folder = process.argv[2];
  const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const secrets = JSON.parse((await input.next()).value ?? "{}");
  if (!folder || !secrets.seed || !secrets.gate) stop("usage: node main.js FOLDER, and the secrets on standard input");

  azurite.constants.USERDELEGATIONKEY_SIGNING_SEED = secrets.seed;
  believeOnlyTheGate(secrets.gate);
  reportTheUnexpected();
  const server = create(folder, await free(secrets.port ?? 0));
  const journal = makeDurable(server, path.join(folder, "journal"));
  useAccounts(server, secrets.accounts ?? {});
  copyFromHere(() => server.httpServer.address().port);

  let closing;
  const close = () => (closing ??= shut(server, journal));
  process.on("SIGTERM", close);
  process.on("SIGINT", () => {}); // Ctrl-C goes to the whole terminal; who started this says when it ends
  await server.start();
  say({ ready: server.httpServer.address().port });
  for await (const line of input) {
    const { accounts } = JSON.parse(line);
    useAccounts(server, accounts);
    say({ accounts: Object.keys(accounts).length });
  }
  close();
}

/** The port that was asked for, where it is still free; 0 lets the system choose. */
function free(port) {
  return new Promise((resolve) => {
    const probe = net.createServer().on("error", () => resolve(0));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(port)));
  });
}

function create(folder, port) {
  const extents = path.join(folder, "extents");
  fs.mkdirSync(extents, { recursive: true });
  const { DEFAULT_BLOB_PERSISTENCE_ARRAY } = azurite.constants;
  const configuration = new azurite.BlobConfiguration(
    "127.0.0.1",
    port,
    0,
    path.join(folder, "metadata"),
    path.join(folder, "extent-metadata"),
    [{ ...DEFAULT_BLOB_PERSISTENCE_ARRAY[0], locationPath: extents }],
    false, // no access log: the gate writes one
    undefined,
    false,
    undefined,
    false, // strict: what Azurite does not honour, it refuses by name
    true, // newer API versions than Azurite's own are taken
    "",
    "",
    "",
    "basic",
  );
  const server = new azurite.BlobServer(configuration);
  const { httpServer } = server;
  httpServer.keepAliveTimeout = 0; // the gate keeps its connections
  httpServer.requestTimeout = 0; // an upload may take hours
  // Clients speak TLS with the gateway. Azurite asks for https before it takes a token, or a SAS that is for https alone.
  const [app] = httpServer.listeners("request");
  Object.defineProperty(app.request, "protocol", { get: () => "https" });
  return server;
}

function makeDurable(server, folder) {
  const { metadataStore, extentMetadataStore, extentStore } = server;
  const collections = {};
  for (const store of [metadataStore, extentMetadataStore]) {
    const { db } = store;
    db.autosaveDisable();
    db.autosave = false;
    db.persistenceAdapter = { loadDatabase: (_, done) => done(null), saveDatabase: (_, __, done) => done(null) };
    for (const [key, name] of Object.entries(store)) {
      if (key.endsWith("_COLLECTION")) collections[name] = () => db.getCollection(name);
    }
  }
  const journal = new Journal(folder, collections, (error) => stop(`the journal could not be written: ${error.message}`));

  const initialize = extentMetadataStore.init.bind(extentMetadataStore);
  extentMetadataStore.init = async () => {
    await initialize(); // the last of the two to be opened, before anything reads them
    await journal.open();
    // Azurite spares young extents by `LastModifyInMS` and does not set it on new ones, so that an upload under way can be collected.
    db(extentMetadataStore).on("pre-insert", (extent) => (extent.LastModifyInMS ??= extent.lastModifiedInMS));
  };
  // Methods find a document, yield, and then change it. One at a time, so that the document is still there; they wait for no
  // disk, so that this costs nothing. They call each other as they always did; who called from outside waits for the disk.
  let turn = Promise.resolve();
  const prototype = Object.getPrototypeOf(metadataStore);
  const inside = new Proxy(metadataStore, {
    get: (target, key) => (Object.hasOwn(prototype, key) ? prototype[key] : target[key]),
  });
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = prototype[name];
    if (method.constructor.name !== "AsyncFunction" || ["init", "close", "clean"].includes(name)) continue;
    metadataStore[name] = async (...values) => {
      const result = turn.then(() => method.apply(inside, values));
      turn = result.catch(() => {});
      const value = await result;
      await journal.synced();
      return value;
    };
  }
  const remove = extentStore.deleteExtents.bind(extentStore);
  extentStore.deleteExtents = async (extents) => {
    await journal.synced(); // never before the removal of what referred to them
    return remove(extents);
  };
  return journal;
}

function db(store) {
  return store.db.getCollection(store.EXTENTS_COLLECTION);
}

/** Keys reach Azurite here and nowhere else; without any it would fall back to its well-known account. */
function useAccounts(server, accounts) {
  const decode = (key) => (key === undefined ? undefined : Buffer.from(key, "base64"));
  const known = Object.create(null); // a name such as "constructor" is not an account
  for (const [name, [first, second]] of Object.entries(accounts)) {
    known[name] = { name, key1: decode(first), key2: decode(second) };
  }
  server.accountDataStore.accounts = known;
  server.accountDataStore.refresh = () => {};
}

/** Azurite checks no signature. The gate has checked the client's token and passes one that it signed, which is checked here. */
function believeOnlyTheGate(secret) {
  const { prototype } = azurite.BlobTokenAuthenticator;
  const authenticate = prototype.authenticateBasic;
  const validate = prototype.validate;
  prototype.validate = async function (request, context) {
    // The last of those that may know who is asking. A key's signature that none took is a wrong one, and not a strange token.
    if (/^SharedKey /.test(request.getHeader("authorization") ?? "")) {
      const detail = "The MAC signature found in the HTTP request is not the same as any computed signature.";
      throw azurite.StorageErrorFactory.getAuthenticationFailed(context.contextId, detail);
    }
    return validate.call(this, request, context);
  };
  prototype.authenticateBasic = async function (token, context) {
    try {
      azurite.jwt.verify(token, secret, { algorithms: ["HS256"] });
    } catch {
      throw azurite.StorageErrorFactory.getAuthenticationFailed(context.contextId, "Signature validation failed.");
    }
    return authenticate.call(this, token, context);
  };
}

/** An error that Azurite has no answer for becomes a bare 500; where it came from is said in the log. */
function reportTheUnexpected() {
  const answer = azurite.errorMiddleware.default;
  azurite.errorMiddleware.default = (context, error, request, ...rest) => {
    if (/Invalid blob model/.test(error?.message)) {
      // The blob was replaced by one of another type while the body of this request arrived.
      error = azurite.StorageErrorFactory.getBlobInvalidBlobType(context.contextId);
    } else if (error instanceof Error && error.statusCode === undefined) {
      console.error(`${new Date().toISOString()} ${request.getMethod()} ${request.getUrl()}: ${error.stack}`);
    }
    return answer(context, error, request, ...rest);
  };
}

/**
 * A copy reads its source with the rights that its URL carries. Azurite asks the URL's host over the network, which here would be
 * Azure itself; and only for a source of the same account. All accounts are on this server: ask it, for the host in the URL.
 */
function copyFromHere(port) {
  azurite.BlobHandler.prototype.validateCopySource = async function (source, account, context) {
    const url = this.NewUriFromCopySource(source, context);
    const options = { port: port(), method: "HEAD", path: url.pathname + url.search, headers: { host: url.host } };
    const status = await new Promise((resolve, reject) => {
      http.request({ host: "127.0.0.1", ...options }, (answer) => resolve(answer.resume().statusCode)).on("error", reject).end();
    });
    if (status === 200) return;
    const message =
      status === 404 ? "The specified resource does not exist" : "Server failed to authenticate the copy source.";
    throw azurite.StorageErrorFactory.getCannotVerifyCopySource(context.contextId, status, message);
  };
}

async function shut(server, journal) {
  setTimeout(() => stop("stopped without waiting for open requests any longer"), 5000).unref();
  await server.close();
  await journal.close();
  process.exit(0);
}

function say(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}

main().catch((error) => stop(error.stack));
