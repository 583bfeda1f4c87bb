"use strict";
// The samples of the page: a list that draws only what is seen, over compressed blocks of which only those
// are opened that are looked at. Texts come from models and data files: they reach the page as text nodes
// and never as markup (node() is the only place that makes elements).
(() => {
  const about = JSON.parse(document.getElementById("about").textContent);
  const stored = {
    index: document.getElementsByClassName("index"),
    bodies: document.getElementsByClassName("bodies"),
  };
  const browser = document.getElementById("browser");
  const list = document.getElementById("list");
  const track = document.getElementById("track");
  const detail = document.getElementById("detail");
  const search = document.getElementById("search");
  const order = document.getElementById("order");
  const filters = document.getElementById("filters");
  const count = document.getElementById("count");

  const SIGNS = {
    right: "✓", wrong: "✗", failed: "!", unparsed: "?", scored: "·",
    broken: "↓", fixed: "↑", changed: "~", new: "+",
  };
  const WORDS = {
    right: "Right", wrong: "Wrong", failed: "Failed", unparsed: "Unparsed", scored: "Scored",
    broken: "Broken", fixed: "Fixed", changed: "Changed", new: "New",
  };
  const AHEAD = 6; // rows drawn beyond each edge
  const PRINTED = 100;
  const KEPT = 8; // opened blocks kept while browsing

  let rows = []; // every sample
  let shown = []; // those of the current filter, search and order
  let chosen = -1; // place in `shown`
  let filter = "all";
  let found = null; // numbers of the rows that the search found; null without a search
  let searching = 0; // grows with every search, so that an older one stops
  let rowHeight = 58;

  // --- stored data ---------------------------------------------------------------------------------------

  async function opened(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  const blocks = new Map(); // number -> promise of bodies, the last used at the end
  function bodies(number) {
    const known = blocks.get(number) || opened(stored.bodies[number]);
    blocks.delete(number);
    blocks.set(number, known);
    if (blocks.size > KEPT) blocks.delete(blocks.keys().next().value);
    return known;
  }

  async function body(row) {
    return (await bodies(row.block))[row.place];
  }

  async function index() {
    const parts = await Promise.all(Array.from(stored.index, opened));
    return parts.flatMap((part, block) =>
      part.map(([id, trial, state, change, scores, before, preview, latency], place) => ({
        id, trial, state, change, scores, before, preview, latency, block, place,
      })),
    ).map((row, number) => ({ ...row, number, loss: lossOf(row) }));
  }

  function lossOf(row) {
    if (!row.scores || !row.before) return null;
    const losses = about.metrics.map((metric, place) => {
      const [old, now] = [row.before[place], row.scores[place]];
      return old === null || now === null ? null : metric.higher ? old - now : now - old;
    }).filter((loss) => loss !== null);
    return losses.length ? Math.max(...losses) : null;
  }

  // --- elements ------------------------------------------------------------------------------------------

  function node(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  function button(words, press, attributes) {
    const made = node("button", { type: "button", ...attributes }, words);
    made.addEventListener("click", press);
    return made;
  }

  // In points, or as it is where the metric has a unit of its own.
  const points = (value, unit) => {
    if (value === null || value === undefined) return "–";
    return unit === undefined ? value.toFixed(1) : String(Number(value.toPrecision(3)));
  };
  const named = (row) => (row.trial || trials > 1 ? `${row.id} · trial ${row.trial}` : row.id);
  let trials = 1;

  // --- filter, search, order -----------------------------------------------------------------------------

  const matches = {
    all: () => true,
    ...Object.fromEntries(["wrong", "failed", "unparsed", "right", "scored"].map((state) => [state, (row) => row.state === state])),
    ...Object.fromEntries(["broken", "fixed", "new"].map((change) => [change, (row) => row.change === change])),
    changed: (row) => row.change === "changed" || row.change === "broken" || row.change === "fixed",
  };

  function orders() {
    const known = { dataset: ["as in the dataset", (one, other) => one.number - other.number] };
    if (rows.some((row) => row.loss !== null)) {
      known.loss = ["largest loss first", by((row) => row.loss, -1)];
      known.gain = ["largest gain first", by((row) => row.loss, 1)];
    }
    about.metrics.forEach((metric, place) => {
      const value = (row) => (row.scores ? row.scores[place] : null);
      known[`low${place}`] = [`${metric.name}, lowest first`, by(value, 1)];
      known[`high${place}`] = [`${metric.name}, highest first`, by(value, -1)];
    });
    if (rows.some((row) => row.latency !== null)) known.slow = ["slowest first", by((row) => row.latency, -1)];
    known.id = ["by id", (one, other) => (one.id < other.id ? -1 : one.id > other.id ? 1 : one.trial - other.trial)];
    return known;
  }

  function by(value, sign) { // what has no value comes last, whichever way
    return (one, other) => {
      const [left, right] = [value(one), value(other)];
      if (left === null || right === null) return (left === null) - (right === null) || one.number - other.number;
      return sign * (left - right) || one.number - other.number;
    };
  }

  let known = {};
  function refresh(keep) {
    const was = keep && shown[chosen];
    shown = rows.filter((row) => matches[filter](row) && (!found || found.has(row.number)));
    shown.sort((known[order.value] || known.dataset)[1]);
    chosen = was ? shown.indexOf(was) : -1;
    if (!keep) list.scrollTop = 0;
    track.style.height = `${shown.length * rowHeight}px`;
    tell();
    draw();
  }

  function tell() {
    const all = rows.length.toLocaleString("en");
    const some = shown.length.toLocaleString("en");
    count.textContent = shown.length === rows.length ? `${all} samples` : `${some} of ${all} samples`;
  }

  function textOf(row, one) {
    const before = one.before || {};
    return [row.id, ...one.input.map(([, text]) => text), one.target, one.output, one.prediction, one.failure, before.output, ...(one.talk || []).flat()]
      .filter(Boolean).join("\n").toLowerCase();
  }

  const texts = []; // per block, once a search has read it
  async function find(words) {
    const mine = ++searching;
    if (!words) {
      found = null;
      refresh(true);
      return;
    }
    const wanted = words.toLowerCase();
    found = new Set();
    for (let block = 0, first = 0; block < stored.bodies.length; block += 1) {
      if (!texts[block]) {
        const start = first;
        texts[block] = (await opened(stored.bodies[block])).map((one, place) => textOf(rows[start + place], one));
      }
      if (mine !== searching) return;
      texts[block].forEach((text, place) => { if (text.includes(wanted)) found.add(first + place); });
      first += texts[block].length;
    }
    refresh(true);
    count.dataset.searched = words;
  }

  // --- the list ------------------------------------------------------------------------------------------

  let drawing = false;
  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - AHEAD);
      const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + AHEAD);
      const drawn = [];
      for (let place = first; place < last; place += 1) drawn.push(line(place));
      if (!shown.length) drawn.push(node("p", { class: "empty" }, "No sample matches."));
      track.replaceChildren(...drawn);
      const active = chosen >= first && chosen < last ? `row${chosen}` : null;
      if (active) list.setAttribute("aria-activedescendant", active);
      else list.removeAttribute("aria-activedescendant");
    });
  }

  function line(place) {
    const row = shown[place];
    const flip = row.change === "broken" || row.change === "fixed";
    const state = flip ? row.change : row.state;
    const made = node(
      "div",
      {
        class: "row", role: "option", id: `row${place}`, "aria-selected": String(place === chosen),
        "aria-setsize": shown.length, "aria-posinset": place + 1,
      },
      node("span", { class: `state state-${state}`, title: WORDS[state], "aria-label": WORDS[state] }, SIGNS[state]),
      node("bdi", { class: "id" }, named(row)),
      node("span", { class: "points" }, pointsOf(row)),
      node("bdi", { class: "preview" }, row.preview || "(empty)"),
    );
    made.style.transform = `translateY(${place * rowHeight}px)`;
    made.addEventListener("click", () => choose(place, true));
    return made;
  }

  function pointsOf(row) {
    if (!row.scores || !row.scores.length) return WORDS[row.state];
    const [now, old] = [row.scores[0], row.before ? row.before[0] : null];
    const unit = about.metrics[0].unit;
    return old !== null && old !== undefined && old !== now ? `${points(old, unit)} → ${points(now, unit)}` : points(now, unit);
  }

  function choose(place, open) {
    if (!shown.length) return;
    chosen = Math.min(Math.max(place, 0), shown.length - 1);
    const top = chosen * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
    draw();
    show(shown[chosen], open);
  }

  // --- one sample ----------------------------------------------------------------------------------------

  async function show(row, open) {
    const one = await body(row);
    if (shown[chosen] !== row) return; // another was chosen while this one was read
    detail.replaceChildren(...parts(row, one));
    detail.scrollTop = 0;
    if (open) {
      detail.classList.add("open");
      if (narrow()) detail.focus();
    }
    history.replaceState(null, "", `#sample-${row.number + 1}`);
  }

  const narrow = () => matchMedia("(max-width: 54rem)").matches;

  function close() {
    detail.classList.remove("open");
    list.focus();
  }

  function* parts(row, one) {
    const state = row.change === "broken" || row.change === "fixed" ? row.change : row.state;
    yield node(
      "div", { class: "top" },
      node("bdi", { class: "title" }, named(row)),
      node("span", { class: `state-${state}` }, `${SIGNS[state]} ${WORDS[state]}`),
      node(
        "div", { class: "moves" },
        button("← Samples", close, { class: "back" }),
        button("Previous", () => choose(chosen - 1, true), { disabled: chosen === 0 ? "" : null }),
        button("Next", () => choose(chosen + 1, true), { disabled: chosen === shown.length - 1 ? "" : null }),
      ),
    );
    if (row.scores && row.scores.length) yield scores(row);
    for (const [name, text] of one.input) yield* block(name, text);
    if (one.target !== null) yield* block("target", one.target);
    if (one.talk) yield* conversation(one.talk);
    yield* answer(one);
    if (one.request.length) {
      yield folded(
        `Request (${one.request.length} ${one.request.length === 1 ? "message" : "messages"})`,
        one.request.flatMap(([role, text]) => [...block(role, text)]),
      );
    }
    const facts = one.facts.map(([name, value]) => node("div", null, node("dt", null, name), node("dd", null, value)));
    yield folded("Response details", [node("dl", { class: "facts" }, ...facts)]);
  }

  function scores(row) {
    const heads = about.baseline ? ["", "baseline", "here", "difference"] : ["", "score"];
    const body = about.metrics.map((metric, place) => {
      const now = row.scores[place];
      const old = row.before ? row.before[place] : null;
      const moved = now === null || old === null || old === undefined ? "–" : (now - old > 0 ? "+" : "") + points(now - old, metric.unit);
      const cells = about.baseline ? [points(old, metric.unit), points(now, metric.unit), moved] : [points(now, metric.unit)];
      return node("tr", null, node("th", { scope: "row" }, metric.name), ...cells.map((cell) => node("td", null, cell)));
    });
    return node(
      "table", null,
      node("thead", null, node("tr", null, ...heads.map((head) => node("th", { scope: "col" }, head)))),
      node("tbody", null, ...body),
    );
  }

  function* block(name, text) {
    yield node("h3", null, name);
    yield node("div", { class: "text", dir: "auto" }, text === "" ? node("span", { class: "note" }, "(empty)") : text);
  }

  function* conversation(talk) {
    for (const [place, [user, reply]] of talk.entries()) {
      const turn = talk.length > 1 ? `, turn ${place + 1}` : "";
      yield* block(`user${turn}`, user);
      if (reply !== null) yield* block(`reply${turn}`, reply);
    }
  }

  function* answer(one) {
    if (one.failure) yield* block("failure", one.failure);
    else {
      const old = one.before && one.before.output;
      if (old !== undefined && old !== null && old !== one.output) {
        yield node("h3", null, "output, changed from the baseline's");
        yield difference(old, one.output);
        yield folded("Both outputs", [...block("baseline", old), ...block("here", one.output)]);
      } else if (!one.talk) yield* block(old === one.output ? "output, the same as the baseline's" : "output", one.output);
      if (one.unparsed) yield* block("not parsed", one.unparsed);
      else if (one.prediction !== null && one.prediction !== (one.talk ? one.talk[one.talk.length - 1][1] : one.output)) yield* block("prediction", one.prediction);
    }
    if (one.before && one.before.failure) yield* block("the baseline's failure", one.before.failure);
  }

  function folded(title, children) {
    return node("details", null, node("summary", null, title), ...children);
  }

  // --- word-level difference -----------------------------------------------------------------------------

  // Words, single characters of scripts without spaces, white space, and everything else one by one.
  const WORD = /\s+|\p{N}+(?:[.,]\p{N}+)+|[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}])[\p{L}\p{M}\p{N}_])+|[^]/gu;
  const MOST_EDITS = 1200; // beyond it two texts have nothing to do with each other

  function difference(before, after) {
    const made = node("div", { class: "text", dir: "auto" });
    for (const [kind, text] of changes(before.match(WORD) || [], after.match(WORD) || [])) {
      made.append(kind === "same" ? text : node(kind === "removed" ? "del" : "ins", null, text));
    }
    return made;
  }

  function changes(old, now) {
    let start = 0;
    while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
    let [endOld, endNow] = [old.length, now.length];
    while (endOld > start && endNow > start && old[endOld - 1] === now[endNow - 1]) { endOld -= 1; endNow -= 1; }
    const steps = edits(old.slice(start, endOld), now.slice(start, endNow));
    return joined([
      ...old.slice(0, start).map((word) => ["same", word]), ...steps, ...old.slice(endOld).map((word) => ["same", word]),
    ]);
  }

  // The shortest edit script (Myers 1986, "An O(ND) Difference Algorithm and Its Variations"): `reached` holds
  // how far along `old` each diagonal got, diagonal k at place k + distance + 1.
  function edits(old, now) {
    const most = Math.min(old.length + now.length, MOST_EDITS);
    const history = [Int32Array.of(0, 0, 0)];
    for (let distance = 0; distance <= most; distance += 1) {
      const before = history[distance];
      const reached = new Int32Array(2 * distance + 5);
      for (let diagonal = -distance; diagonal <= distance; diagonal += 2) {
        const at = diagonal + distance + 1;
        let x = down(before, at, distance) ? before[at + 1] : before[at - 1] + 1;
        while (x < old.length && x - diagonal < now.length && old[x] === now[x - diagonal]) x += 1;
        reached[at + 1] = x;
        if (x >= old.length && x - diagonal >= now.length) return walked(history, old, now);
      }
      history.push(reached);
    }
    return [...old.map((word) => ["removed", word]), ...now.map((word) => ["added", word])];
  }

  function down(before, at, distance) {
    return at === 1 || (at !== 2 * distance + 1 && before[at - 1] < before[at + 1]);
  }

  function walked(history, old, now) {
    const steps = [];
    let [x, y] = [old.length, now.length];
    for (let distance = history.length - 1; distance >= 0; distance -= 1) {
      const [before, diagonal] = [history[distance], x - y];
      const at = diagonal + distance + 1;
      const from = down(before, at, distance) ? at + 1 : at - 1;
      const startX = distance ? before[from] : 0;
      const startY = distance ? startX - (from - distance - 1) : 0;
      while (x > startX && y > startY) { x -= 1; y -= 1; steps.push(["same", old[x]]); }
      if (!distance) break;
      if (x === startX) { y -= 1; steps.push(["added", now[y]]); }
      else { x -= 1; steps.push(["removed", old[x]]); }
    }
    return steps.reverse();
  }

  // One stretch for all that was removed and added together; single spaces between do not interrupt it.
  function joined(steps) {
    const found = [];
    let [removed, added, gap] = ["", "", ""];
    const flush = () => {
      if (removed) found.push(["removed", removed]);
      if (added) found.push(["added", added]);
      if (gap) found.push(["same", gap]);
      [removed, added, gap] = ["", "", ""];
    };
    for (const [kind, word] of steps) {
      if (kind === "same" && (removed || added) && !gap && /^\s+$/.test(word)) gap = word;
      else if (kind === "same") {
        flush();
        found.push(["same", word]);
      } else {
        if (gap) { removed += removed ? gap : ""; added += added ? gap : ""; gap = ""; }
        if (kind === "removed") removed += word;
        else added += word;
      }
    }
    flush();
    return found;
  }

  // --- controls ------------------------------------------------------------------------------------------

  function addFilters() {
    const names = ["all", "wrong", "failed", "unparsed", "right", "broken", "fixed", "changed", "new"];
    for (const name of names) {
      const number = rows.filter(matches[name]).length;
      if (!number || (name !== "all" && number === rows.length && name !== "wrong")) continue;
      const made = button(name === "all" ? "All" : WORDS[name], () => pick(name), { "data-filter": name, "aria-pressed": String(name === filter) });
      made.append(" ", node("span", { class: "note" }, number.toLocaleString("en")));
      filters.append(made);
    }
  }

  function pick(name) {
    filter = name;
    for (const one of filters.children) one.setAttribute("aria-pressed", String(one.dataset.filter === name));
    refresh(false);
  }

  function addOrders() {
    known = orders();
    for (const [name, [words]] of Object.entries(known)) order.append(node("option", { value: name }, words));
  }

  function keyed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target === search || event.target === order;
    if (event.key === "Escape") {
      if (detail.classList.contains("open") && narrow()) close();
      else if (typing) list.focus();
    } else if (event.key === "/" && !typing) {
      search.focus();
      event.preventDefault();
    } else if (!typing && inside(event.target)) move(event);
  }

  const inside = (target) => target === document.body || list.contains(target) || detail.contains(target);

  function move(event) {
    const page = Math.max(1, Math.floor(list.clientHeight / rowHeight) - 1);
    const step = { j: 1, k: -1 }[event.key];
    const inList = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Enter" && event.target === list) choose(Math.max(chosen, 0), true);
    else if (step || (inList && list.contains(event.target))) choose(chosen + (step || inList), false);
    else return;
    event.preventDefault();
  }

  function fromAddress() {
    const wanted = /^#sample-(\d+)$/.exec(location.hash);
    const place = wanted ? shown.findIndex((row) => row.number === Number(wanted[1]) - 1) : -1;
    if (place >= 0) {
      browser.scrollIntoView();
      choose(place, true);
    } else if (shown.length && !narrow()) {
      chosen = 0;
      body(shown[0]).then((one) => { if (chosen === 0 && !detail.firstChild) detail.replaceChildren(...parts(shown[0], one)); });
      draw();
    }
  }

  function printed() {
    const some = shown.slice(0, PRINTED);
    const lines = some.map((row) => node("tr", null, node("th", { scope: "row" }, `${SIGNS[row.state]} ${named(row)}`), node("td", null, pointsOf(row)), node("td", null, row.preview)));
    document.getElementById("printout").replaceChildren(
      node("p", { class: "note" }, some.length < rows.length ? `The first ${some.length} of ${rows.length} samples, as filtered and ordered on the screen.` : `${rows.length} samples.`),
      node("table", null, node("tbody", null, ...lines)),
    );
  }

  async function start() {
    rows = await index();
    trials = new Set(rows.map((row) => row.trial)).size;
    addOrders();
    addFilters();
    if (about.baseline && known.loss) order.value = "loss";
    browser.hidden = false;
    rowHeight = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
    refresh(false);
    fromAddress();
    let typed = 0;
    search.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => find(search.value.trim()), 120);
    });
    search.form.addEventListener("submit", (event) => event.preventDefault());
    order.addEventListener("change", () => refresh(false));
    list.addEventListener("scroll", draw, { passive: true });
    addEventListener("resize", draw);
    addEventListener("beforeprint", printed);
    document.addEventListener("keydown", keyed);
    document.documentElement.dataset.ready = "yes";
  }

  start();
})();
