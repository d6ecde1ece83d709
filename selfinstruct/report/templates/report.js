"use strict";
// The browser of rows. Texts of the set reach the page as text nodes only, never as markup.
(() => {
  const ROW_FIELDS = ["id", "instruction", "input", "output", "classification", "language", "topic", "verb", "noun", "score", "nearest", "request", "method", "model"];
  const REJECTED_FIELDS = ["id", "stage", "rule", "text", "score", "neighbour", "detail"];
  const HEIGHT = 58; // of a row in the list, in pixels; report.css has the same
  const SPARE = 8; // rows that are drawn above and below what is seen
  const $ = (id) => document.getElementById(id);
  const facts = JSON.parse($("facts").textContent);
  const number = new Intl.NumberFormat("en");

  const held = { rows: [], rejected: [] };
  const state = { kind: "rows", shown: [], chosen: -1, terms: [], extra: {} };

  // 1) Unpacking -------------------------------------------------------------------------------------------------

  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64), found = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
    return found;
  }

  async function unpack(element) {
    const stream = new Blob([bytes(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const rows = await new Response(stream).json();
    element.remove();
    return rows;
  }

  function named(fields, values) {
    const row = {};
    fields.forEach((field, i) => { row[field] = values[i]; });
    return row;
  }

  async function load(kind, fields, texts) {
    for (const element of document.querySelectorAll(`script.${kind}`)) {
      for (const values of await unpack(element)) {
        const row = named(fields, values);
        row.searched = texts.map((field) => row[field] ?? "").join("\n").toLowerCase();
        held[kind].push(row);
      }
    }
  }

  // 2) Filtering -------------------------------------------------------------------------------------------------

  const CHOICES = {
    rows: [
      ["classification", "Kind", (row) => row.classification === null ? null : row.classification ? "classification" : "not classification"],
      ["given", "Input", (row) => row.input ? "with input" : "without input"],
      ["language", "Language", (row) => row.language],
      ["topic", "Topic", (row) => row.topic < 0 ? null : String(row.topic)],
      ["verb", "Verb", (row) => row.verb],
    ],
    rejected: [
      ["rule", "Rule", (row) => row.rule],
      ["stage", "Stage", (row) => row.stage],
    ],
  };

  function label(name, value) {
    if (name === "topic") return facts.topics[value];
    return name === "language" && value === "?" ? "not sure" : value;
  }

  function buildChoices() {
    const place = $("choices");
    place.replaceChildren();
    for (const [name, title, read] of CHOICES[state.kind]) {
      const counts = new Map();
      for (const row of held[state.kind]) {
        const value = read(row);
        if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      if (counts.size < 2) continue;
      const select = document.createElement("select");
      select.name = name;
      select.setAttribute("aria-label", title);
      select.append(new Option(`${title}: all`, ""));
      for (const [value, count] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 200)) {
        select.append(new Option(`${label(name, value)} (${number.format(count)})`, value));
      }
      place.append(select);
    }
  }

  function searched(text) {
    return [...text.toLowerCase().matchAll(/"([^"]+)"|(\S+)/g)].map((match) => match[1] ?? match[2]);
  }

  function filter() {
    const form = new FormData($("filters"));
    state.terms = searched(form.get("search") ?? "");
    const wanted = CHOICES[state.kind].filter(([name]) => form.get(name)).map(([name, , read]) => [read, form.get(name)]);
    const noun = form.get("verb") ? state.extra.noun : undefined;
    const rows = held[state.kind];
    state.shown = [];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (state.terms.every((term) => row.searched.includes(term))
        && wanted.every(([read, value]) => read(row) === value)
        && (noun === undefined || row.noun === noun)) state.shown.push(i);
    }
    const all = number.format(rows.length), some = number.format(state.shown.length);
    const what = state.kind === "rows" ? "rows" : "rejections";
    $("count").textContent = (state.shown.length === rows.length ? `${all} ${what}` : `${some} of ${all} ${what}`)
      + (noun === undefined ? "" : `, with the object "${noun}"`);
    $("tall").style.height = `${state.shown.length * HEIGHT}px`;
    $("list").scrollTop = 0;
    choose(state.shown.length ? 0 : -1, false);
  }

  // 3) The list: only what is seen is drawn ----------------------------------------------------------------------

  function draw() {
    const list = $("list");
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(state.shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + SPARE);
    const drawn = document.createDocumentFragment();
    for (let place = first; place < last; place++) drawn.append(line(place));
    $("tall").replaceChildren(drawn);
    if (state.chosen >= first && state.chosen < last) list.setAttribute("aria-activedescendant", `row-${state.chosen}`);
    else list.removeAttribute("aria-activedescendant");
  }

  function line(place) {
    const row = held[state.kind][state.shown[place]];
    const element = document.createElement("div");
    element.className = "row";
    element.id = `row-${place}`;
    element.style.top = `${place * HEIGHT}px`;
    element.setAttribute("role", "option");
    element.setAttribute("aria-selected", String(place === state.chosen));
    element.setAttribute("aria-setsize", String(state.shown.length));
    element.setAttribute("aria-posinset", String(place + 1));
    const rejected = state.kind === "rejected";
    element.append(
      marked("div", (rejected ? row.text : row.instruction).slice(0, 300) || "(no text)"),
      marked("div", rejected ? reason(row) : (row.output || "").slice(0, 300)),
    );
    return element;
  }

  function reason(row) {
    const score = row.score === null ? "" : ` ${row.score.toFixed(2)}`;
    if (row.neighbour !== null) return `${row.rule}${score} with ${row.detail === null ? row.neighbour : `“${row.detail}”`}`;
    return `${row.rule}${score}${row.detail === null ? "" : ` (${row.detail})`}`;
  }

  function marked(tag, text) {
    const element = document.createElement(tag), lower = text.toLowerCase();
    let at = 0;
    while (at < text.length && lower.length === text.length) {
      let next = -1, length = 0;
      for (const term of state.terms) {
        const found = lower.indexOf(term, at);
        if (found >= 0 && (next < 0 || found < next || (found === next && term.length > length))) { next = found; length = term.length; }
      }
      if (next < 0) break;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(next, next + length);
      element.append(text.slice(at, next), mark);
      at = next + length;
    }
    element.append(text.slice(at));
    return element;
  }

  // 4) One row ---------------------------------------------------------------------------------------------------

  function choose(place, open) {
    state.chosen = place;
    draw();
    const detail = $("detail");
    detail.replaceChildren();
    detail.classList.toggle("open", open && place >= 0);
    if (place < 0) { detail.append(marked("p", "Nothing matches.")); return; }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "Close";
    close.addEventListener("click", shut);
    detail.append(close);
    const row = held[state.kind][state.shown[place]];
    if (state.kind === "rows") showRow(detail, row); else showRejected(detail, row);
    detail.scrollTop = 0;
    if (open && getComputedStyle(close).display !== "none") close.focus();
  }

  function shut() {
    $("detail").classList.remove("open");
    $("list").focus();
  }

  function part(detail, title, text) {
    const heading = document.createElement("h3");
    heading.textContent = title;
    detail.append(heading, marked("p", text));
  }

  function list(detail, pairs) {
    const dl = document.createElement("dl");
    for (const [name, value] of pairs) {
      if (value === null || value === undefined || value === "") continue;
      const dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      dl.append(dt, dd);
    }
    detail.append(dl);
  }

  function showRow(detail, row) {
    part(detail, "Instruction", row.instruction);
    if (row.input) part(detail, "Input", row.input);
    part(detail, "Output", row.output);
    const near = row.nearest === null ? null : facts.reference[row.nearest];
    list(detail, [
      ["id", row.id],
      ["kind", row.classification === null ? null : row.classification ? "classification" : "not classification"],
      ["language", row.language === "?" ? "not sure" : row.language],
      ["verb and noun", row.verb === null ? null : `${row.verb} ${row.noun}`],
      ["words in common with", row.topic < 0 ? null : facts.topics[row.topic]],
      ["nearest of the reference", near === null ? null : `${row.score.toFixed(2)} with ${near[0]}: ${near[1]}`],
      ["written by", [row.model, row.method].filter(Boolean).join(", ")],
      ["request", row.request === null ? null : number.format(row.request)],
    ]);
  }

  function showRejected(detail, row) {
    part(detail, "Why", reason(row));
    part(detail, "Text", row.text || "(no text)");
    if (row.neighbour !== null && row.detail !== null) part(detail, "Nearest", row.detail);
    list(detail, [["id", row.id], ["stage", row.stage], ["rule", row.rule], ["neighbour", row.neighbour], ["score", row.score === null ? null : row.score.toFixed(4)]]);
  }

  // 5) What the user does ----------------------------------------------------------------------------------------

  function pick(kind, name, value, noun) {
    const radio = document.querySelector(`#filters [name=kind][value=${kind}]`);
    if (!radio) return;
    radio.checked = true;
    state.kind = kind;
    buildChoices();
    $("filters").search.value = "";
    const select = $("filters").elements[name];
    if (select) select.value = value;
    state.extra = { noun };
    filter();
    $("browse").scrollIntoView();
    $("list").focus({ preventScroll: true });
  }

  function listen() {
    const form = $("filters"), list = $("list");
    let waiting = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      clearTimeout(waiting);
      if (event.target.name === "kind") { state.kind = event.target.value; state.extra = {}; buildChoices(); }
      if (event.target.name === "verb") state.extra = {};
      if (event.target.name === "search") waiting = setTimeout(filter, 120); else filter();
    });
    let asked = false;
    list.addEventListener("scroll", () => {
      if (!asked) requestAnimationFrame(() => { asked = false; draw(); });
      asked = true;
    });
    list.addEventListener("click", (event) => {
      const element = event.target.closest(".row");
      if (element) choose(Number(element.id.slice(4)), true);
    });
    list.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(list.clientHeight / HEIGHT) - 1), last = state.shown.length - 1;
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (event.key === "Enter") { choose(state.chosen, true); event.preventDefault(); }
      if (!(event.key in steps) || last < 0) return;
      event.preventDefault();
      const place = Math.min(last, Math.max(0, state.chosen + steps[event.key]));
      const top = place * HEIGHT;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
      choose(place, false);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && $("detail").classList.contains("open")) shut();
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { form.search.focus(); event.preventDefault(); }
    });
    window.addEventListener("resize", draw);
    for (const element of document.querySelectorAll("[data-filter]")) {
      const { filter: name, value } = element.dataset;
      element.addEventListener("click", () => pick(name === "rule" ? "rejected" : "rows", name, value));
    }
    for (const slice of document.querySelectorAll(".slice")) {
      const open = () => pick("rows", "verb", slice.dataset.verb, slice.dataset.noun);
      slice.addEventListener("click", open);
      slice.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } });
    }
  }

  function theme() {
    const button = $("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
    let chosen = null;
    const isDark = () => chosen ?? dark.matches;
    const show = () => {
      document.documentElement.style.colorScheme = chosen === null ? "" : chosen ? "dark" : "light";
      button.textContent = isDark() ? "Light" : "Dark";
    };
    button.addEventListener("click", () => { chosen = !isDark(); show(); });
    dark.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  async function start() {
    theme();
    if (!("DecompressionStream" in window)) {
      $("count").textContent = "This browser is too old to unpack the rows; the figures above are complete.";
      return;
    }
    await Promise.all([
      load("rows", ROW_FIELDS, ["instruction", "input", "output", "id"]),
      load("rejected", REJECTED_FIELDS, ["text", "detail", "id", "rule"]),
    ]);
    $("filters").hidden = false;
    document.querySelector(".panes").hidden = false;
    buildChoices();
    listen();
    filter();
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
