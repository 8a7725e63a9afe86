// The local studio. Everything that a job wrote reaches the page as text (h puts strings in text nodes), never as markup.

import { lineChart, number } from "./charts.js";

const BASE = "/_emulator/studio";
const ENDED = new Set(["Completed", "Failed", "Canceled", "NotResponding"]);
const IMAGES = /\.(png|jpe?g|gif|webp|svg)$/i;
const LOGS = /^(user_logs|system_logs|logs)\//;
const TAIL = 512 * 1024; // bytes of a log shown at first
const view = document.getElementById("view");
const live = document.getElementById("live");
const query = new URLSearchParams(location.search);

function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

async function ask(path, values = {}) {
  const answer = await fetch(`${BASE}/data/${path}?${new URLSearchParams(values)}`, { cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({})))?.error?.message ?? `${answer.status}`);
  return answer;
}

const told = async (path, values) => (await ask(path, values)).json();
const home = (wsid) => `${BASE}/?${new URLSearchParams({ wsid })}`;
const jobPage = (wsid, name) => `${BASE}/runs/${encodeURIComponent(name)}?${new URLSearchParams({ wsid })}`;
const fileLink = (job, path) => `${BASE}/data/file?${new URLSearchParams({ wsid: job.workspace, name: job.name, path })}`;

// Words for times and sizes

function ago(seconds) {
  if (!seconds) return "";
  const past = Math.max(0, Date.now() / 1000 - seconds);
  const [size, unit] = past < 60 ? [1, "s"] : past < 3600 ? [60, "min"] : past < 86400 ? [3600, "h"] : [86400, "d"];
  return past < 5 ? "just now" : `${Math.floor(past / size)} ${unit} ago`;
}

function duration(job) {
  if (!job.started) return ENDED.has(job.status) ? "—" : "";
  const seconds = Math.max(0, (job.ended ?? Date.now() / 1000) - job.started);
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bytes(size) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (size >= 1000 && unit < 3) { size /= 1000; unit += 1; }
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

const moment = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleString() : "");
const pill = (status) => h("span", { class: `pill ${String(status ?? "unknown").toLowerCase()}` }, status ?? "Unknown");

// Show a part anew only when what it shows has changed: scrolling and selections stay.
const shown = new Map();
function put(place, key, make) {
  const mark = JSON.stringify(key);
  if (shown.get(place) === mark) return;
  shown.set(place, mark);
  place.replaceChildren(...[make()].flat().filter(Boolean));
}

// The list

function jobRow(wsid, job) {
  return h("tr", {},
    h("td", {}, pill(job.status)),
    h("td", {}, h("a", { href: jobPage(wsid, job.name) }, job.displayName), h("div", { class: "quiet mono" }, job.name)),
    h("td", {}, job.experiment ?? ""),
    h("td", {}, job.type === "Logged" ? h("span", { class: "quiet" }, "from outside") : job.compute || "local"),
    h("td", { class: "number", "data-from": job.started ?? "", "data-to": job.ended ?? "", "data-status": job.status }, duration(job)),
    h("td", { class: "number", title: moment(job.created) }, ago(job.created)));
}

async function showList(wsid) {
  const jobs = await told("jobs", { wsid });
  document.title = `Jobs · ${wsid.split("/").pop()}`;
  const minute = Math.floor(Date.now() / 10000);
  put(view, ["list", jobs, jobs.some((job) => !ENDED.has(job.status)) ? Date.now() : minute], () => [
    h("div", { class: "title" }, h("h1", {}, "Jobs"), h("span", { class: "quiet" }, `${jobs.length} in ${wsid.split("/").pop()}`)),
    jobs.length
      ? h("div", { class: "card" }, h("table", { class: "jobs" },
          h("thead", {}, h("tr", {}, ["Status", "Job", "Experiment", "Compute"].map((name) => h("th", {}, name)),
            ["Duration", "Created"].map((name) => h("th", { class: "number" }, name)))),
          h("tbody", {}, jobs.map((job) => jobRow(wsid, job)))))
      : h("p", { class: "empty" }, "No job yet. Submit one: ", h("code", {}, "aml experiment"), " or ", h("code", {}, "az ml job create")),
  ]);
  return 2000;
}

// One job

const parts = {};
let log = { path: null, offset: 0, decoder: new TextDecoder(), busy: false };

function frame(job) {
  const tabs = ["Overview", "Metrics", "Logs", "Files"];
  const chosen = tabs.find((name) => `#${name.toLowerCase()}` === location.hash) ?? "Overview";
  for (const name of ["head", ...tabs]) parts[name] = h("section", { id: name === "head" ? null : `part-${name.toLowerCase()}` });
  parts.log = h("pre", { class: "log", tabindex: "0" });
  parts.logs = h("div", { class: "picker" });
  parts.Logs.append(parts.logs, parts.log);
  const links = tabs.map((name) => h("button", { role: "tab", onclick: () => choose(name) }, name));
  const choose = (name) => {
    history.replaceState(null, "", `#${name.toLowerCase()}`);
    tabs.forEach((other, index) => {
      parts[other].hidden = other !== name;
      links[index].setAttribute("aria-selected", String(other === name));
    });
    if (name === "Logs") parts.log.scrollTop = parts.log.scrollHeight;
  };
  view.replaceChildren(h("p", { class: "crumbs" }, h("a", { href: home(job.workspace) }, "Jobs"), " / ", h("span", { class: "mono" }, job.name)),
    parts.head, h("nav", { class: "tabs", role: "tablist" }, links), ...tabs.map((name) => parts[name]));
  choose(chosen);
}

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function card(name, ...content) {
  return h("div", { class: "card" }, h("h2", {}, name), ...content);
}

function columns(...lists) {
  const filled = lists.map((cards) => cards.filter(Boolean)).filter((cards) => cards.length);
  return h("div", { class: "columns" }, filled.map((cards) => h("div", {}, cards)));
}

function pairs(name, values) {
  const entries = Object.entries(values).sort(([one], [other]) => one.localeCompare(other));
  if (!entries.length) return null;
  return card(name, h("table", { class: "pairs" }, h("tbody", {}, entries.map(([key, value]) =>
    h("tr", {}, h("th", { scope: "row" }, key), h("td", { class: "mono" }, value))))));
}

function ports(name, values) {
  const words = (port) => {
    if (port.value !== undefined) return port.value;
    return port.uri ?? port.assetId ?? "to the workspace's own store";
  };
  const kind = (port) => [port.jobInputType ?? port.jobOutputType ?? port.type ?? "", port.mode ?? ""].filter(Boolean).join(" · ");
  const entries = Object.entries(values);
  if (!entries.length) return null;
  return card(name, h("table", { class: "pairs" }, h("tbody", {}, entries.map(([key, port]) =>
    h("tr", {}, h("th", { scope: "row" }, key, h("div", { class: "quiet" }, kind(port ?? {}))), h("td", { class: "mono" }, words(port ?? {})))))));
}

function lastValues(job) {
  const entries = Object.entries(job.metrics).sort(([one], [other]) => one.localeCompare(other));
  if (!entries.length) return null;
  return h("div", { class: "tiles" }, entries.slice(0, 12).map(([name, points]) =>
    h("div", { class: "tile" }, h("div", { class: "quiet" }, name), h("div", { class: "big" }, number(points.at(-1)?.value ?? "")))));
}

function pictures(job, most) {
  const found = job.files.filter((file) => IMAGES.test(file.path)).slice(0, most);
  return found.length ? h("div", { class: "pictures" }, found.map((file) =>
    h("a", { href: fileLink(job, file.path), target: "_blank", rel: "noopener" },
      h("img", { src: `${fileLink(job, file.path)}&size=${file.size}`, alt: file.path, loading: "lazy" }), h("span", { class: "quiet mono" }, file.path)))) : null;
}

function trouble(job) {
  if (!job.error) return null;
  return h("div", { class: "trouble", role: "alert" }, h("strong", {}, job.error.code ?? "Failed"), h("pre", {}, job.error.message ?? JSON.stringify(job.error)));
}

function tagsOf(job) {
  return Object.fromEntries(Object.entries(job.tags).filter(([name]) => !name.startsWith("mlflow.")));
}

function drawHead(job) {
  put(parts.head, [job.status, job.displayName, job.started, job.ended, ENDED.has(job.status) || Date.now()], () => [
    h("div", { class: "title" }, h("h1", {}, job.displayName), pill(job.status)),
    facts([["Name", h("span", { class: "mono" }, job.name)], ["Experiment", job.experiment], ["Duration", duration(job)],
      ["Created", h("span", { title: moment(job.created) }, ago(job.created))], ["Compute", job.compute],
      ["Environment", job.properties.environmentId?.split("/").slice(-3).join("/").replace("/versions/", ":")]]),
  ]);
}

function drawJob(job) {
  drawHead(job);
  put(parts.Overview, [job.error, job.metrics, job.files, job.params, job.tags, job.inputs, job.outputs, job.properties], () => [
    trouble(job), job.properties.description ? h("p", {}, job.properties.description) : null, lastValues(job), pictures(job, 6),
    job.properties.command ? card("Command", h("pre", { class: "code" }, job.properties.command)) : null,
    columns([ports("Inputs", job.inputs ?? {}), ports("Outputs", job.outputs ?? {})],
      [pairs("Parameters", job.params), pairs("Tags", tagsOf(job)), pairs("Environment variables", job.properties.environmentVariables ?? {})]),
  ]);
  put(parts.Metrics, job.metrics, () => {
    const entries = Object.entries(job.metrics).sort(([one], [other]) => one.localeCompare(other));
    if (!entries.length) return h("p", { class: "empty" }, "No metric was logged.");
    return h("div", { class: "charts" }, entries.map(([name, points]) => h("div", { class: "card" },
      h("h2", {}, name, h("span", { class: "big" }, number(points.at(-1)?.value ?? ""))),
      points.length > 1 ? lineChart(points) : h("p", { class: "quiet" }, `one value, at step ${points[0]?.step ?? 0}`))));
  });
  put(parts.Files, job.files, () => [
    pictures(job, 60),
    job.files.length
      ? h("div", { class: "card" }, h("table", { class: "files" }, h("tbody", {}, job.files.map((file) => h("tr", {},
          h("td", { class: "mono" }, h("a", { href: fileLink(job, file.path), target: "_blank", rel: "noopener" }, file.path)),
          h("td", { class: "number" }, bytes(file.size)),
          h("td", { class: "number" }, h("a", { href: fileLink(job, file.path), download: file.path.split("/").pop() }, "save")))))))
      : h("p", { class: "empty" }, "No file yet."),
  ]);
  const logs = job.files.filter((file) => LOGS.test(file.path)).map((file) => file.path);
  if (!log.path || !logs.includes(log.path)) log.path = logs.find((path) => path.endsWith("std_log.txt")) ?? logs[0] ?? null;
  put(parts.logs, [logs, log.path], () => logs.length
    ? h("select", { "aria-label": "log", onchange: (event) => openLog(job, event.target.value) },
        logs.map((path) => h("option", { value: path, selected: path === log.path }, path)))
    : h("p", { class: "empty" }, ENDED.has(job.status) ? "The job left no log." : "Waiting for the job's first words…"));
  parts.log.hidden = !logs.length;
}

function openLog(job, path) {
  log = { path, offset: 0, decoder: new TextDecoder(), busy: false };
  parts.log.replaceChildren();
  return follow(job);
}

async function follow(job) {
  const reading = log;
  if (!reading.path || reading.busy) return;
  const size = job.files.find((file) => file.path === reading.path)?.size ?? 0;
  if (!reading.offset && size > TAIL) {
    reading.offset = size - TAIL;
    parts.log.append(`… ${bytes(reading.offset)} before this; the whole file is under Files …\n`);
  }
  reading.busy = true;
  try {
    const answer = await ask("file", { wsid: job.workspace, name: job.name, path: reading.path, offset: reading.offset });
    const content = new Uint8Array(await answer.arrayBuffer());
    if (reading !== log || !content.length) return;
    const bottom = parts.log.scrollTop + parts.log.clientHeight >= parts.log.scrollHeight - 40;
    reading.offset += content.length;
    parts.log.append(reading.decoder.decode(content, { stream: true }));
    if (bottom) parts.log.scrollTop = parts.log.scrollHeight;
  } finally {
    reading.busy = false;
  }
}

async function showJob(wsid, name) {
  const job = await told("job", { wsid, name });
  document.title = `${job.displayName} · ${job.status}`;
  if (!parts.head) frame(job);
  drawJob(job);
  await follow(job);
  return ENDED.has(job.status) ? 10000 : 1000;
}

// What stands above both

async function showWorkspaces(wsid) {
  const found = await told("workspaces");
  const select = document.getElementById("workspace");
  put(select, [found.map((one) => one.id), wsid], () => found.map((one) =>
    h("option", { value: one.id, selected: one.id.toLowerCase() === wsid.toLowerCase() }, `${one.name} (${one.group})`)));
  select.onchange = () => location.assign(home(select.value));
  select.parentElement.hidden = !found.length;
  return wsid || (found.toSorted((one, other) => other.jobs - one.jobs)[0]?.id ?? "");
}

function quietly(seconds) {
  return new Promise((resolve) => {
    const go = () => (document.hidden ? document.addEventListener("visibilitychange", go, { once: true }) : resolve());
    setTimeout(go, seconds);
  });
}

async function run() {
  const job = location.pathname.startsWith(`${BASE}/runs/`) ? decodeURIComponent(location.pathname.slice(`${BASE}/runs/`.length)) : null;
  for (;;) {
    let pause = 2000;
    try {
      const wsid = await showWorkspaces(query.get("wsid") ?? "");
      if (!wsid) put(view, "none", () => h("p", { class: "empty" }, "No workspace yet. Make one: ", h("code", {}, "aml local up")));
      else pause = job ? await showJob(wsid, job) : await showList(wsid);
      live.textContent = "live";
      live.className = "live on";
    } catch (error) {
      live.textContent = error instanceof TypeError ? "the emulator does not answer" : "";
      live.className = "live";
      if (!(error instanceof TypeError)) put(view, ["error", error.message], () => h("p", { class: "empty" }, error.message));
    }
    await quietly(pause);
  }
}

run();
