"use strict";
// The explorer. What models wrote reaches the page by text nodes alone; the page's policy allows no other way.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const words = name => name === "truncated" ? "cut off at the limit" : name.replaceAll("_", " ");
// Characters that cannot be seen, or that change the order of others.
const UNSEEN = /((?=[\p{C}\p{Z}])[^ \n\t])/gu;
const number = character => {
  const code = character.codePointAt(0).toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
};

const visible = text => text.replace(UNSEEN, number);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== null) element.setAttribute(name, value);
  for (const child of children.flat()) put(element, child);
  return element;
}

function put(element, child) {
  if (typeof child !== "string") { element.append(child); return; }
  for (const [place, part] of child.split(UNSEEN).entries()) {
    if (place % 2) element.append(make("span", {class: "escape"}, number(part)));
    else if (part) element.append(part);
  }
}

function line(place, sign, kind, ...pieces) {
  const parts = [make("span", {class: "gutter", "aria-hidden": "true"}, place ? String(place) : ""),
    make("span", {class: "sign", "aria-hidden": "true"}, sign)];
  return [make("span", {class: `line ${kind}`}, ...parts, ...pieces), "\n"];
}

// Columns of blanks that a line begins with; a tab reaches to the next multiple of four, as the style sheet draws it.
function indentation(text) {
  let columns = 0;
  for (const character of text) {
    if (character === " ") columns += 1;
    else if (character === "\t") columns += 4 - columns % 4;
    else break;
  }
  return columns;
}

function source(...pieces) {
  const element = make("span", {class: "source"}, ...pieces);
  element.style.setProperty("--indent", String(indentation(element.textContent)));
  return element;
}

// A prompt with its `names` as code.
const prose = text => make("p", {class: "prompt"}, text.split(/(?<!`)`([^`\n]+)`(?!`)/).map((part, place) => place % 2 ? make("code", {}, part) : part));

const program = (title, kind, lines) => make("figure", {class: `program ${kind}`},
  make("figcaption", {}, title), make("pre", {}, make("code", {}, lines)));
const verdict = attempt => words(attempt.verdict) + (attempt.hidden && attempt.hidden !== "passed" ? `, hidden tests: ${words(attempt.hidden)}` : "");

function feedback(text) {
  return text ? [make("figure", {class: "program"}, make("figcaption", {}, "Feedback"), make("pre", {class: "plain told"}, text))] : [];
}

// The lines of an attempt: [sign, text], rebuilt from the edits of all attempts up to it.
function versions(attempts) {
  let before = [];
  return attempts.map(attempt => {
    const lines = [];
    let place = 0;
    for (const edit of attempt.edits) {
      if (typeof edit === "string") lines.push(["+", edit]);
      else for (const text of before.slice(place, place += Math.abs(edit))) lines.push([edit > 0 ? "" : "−", text]);
    }
    before = lines.filter(([sign]) => sign !== "−").map(([, text]) => text);
    return lines;
  });
}

function changes(lines, whole) {
  let place = 0;
  return lines.filter(([sign]) => !whole || sign !== "−").flatMap(([sign, text]) => {
    if (sign !== "−") place += 1;
    if (whole || !sign) return line(place, "", "", source(text));
    const [kind, tag] = sign === "+" ? ["added", "ins"] : ["removed", "del"];
    return line(sign === "+" ? place : 0, sign, kind, source(make(tag, {}, text)));
  });
}

function marked(title, side, sign, tag, lines) {
  return program(title, `${side} marks`, lines.flatMap(([inside, pieces], place) => {
    const shown = pieces.map(piece => typeof piece === "string" ? piece : make(tag, {}, piece[0]));
    return line(place + 1, inside ? sign : "", inside ? "marked" : "", source(...shown));
  }));
}

function pair({titles, rejected, chosen}) {
  return make("div", {class: "sides"}, marked(titles[0], "del-side", "−", "del", rejected), marked(titles[1], "ins-side", "+", "ins", chosen));
}

// What is open: of problems an id and a step, of tasks an id; the list that was used last hears the keys.
const open = {problem: null, step: 0, task: null}, shownNow = {problem: [], task: []};
let last = data.trajectories.length ? "problem" : "task", whole = false;
const address = (kind, id, step) => "#" + new URLSearchParams(kind === "problem" ? {problem: id, step: step ?? 0} : {task: id, first: $("first").value, second: $("second").value});

// The address follows a moment later: browsers stop a page that changes it with every press of a key that is held.
let later = 0;
function choose(kind, id, step) {
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", address(kind, id, step)), 300);
  show(kind, id, step);
}

function show(kind, id, step) {
  last = kind;
  open[kind] = id;
  if (kind === "task") { filterTasks(); return; }
  open.step = step ?? 0;
  mark(kind);
  showProblem();
}

function fill(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => make("option", {value}, visible(text))));
}

function list(kind, items, describe) {
  shownNow[kind] = items;
  const links = items.map(item => make("li", {}, make("a", {href: address(kind, item.id), "aria-current": item.id === open[kind] ? "true" : null},
    make("b", {}, item.id), make("small", {}, describe(item)))));
  $(`${kind}-list`).replaceChildren(...links);
  keepInSight(kind);
}

function keepInSight(kind) {
  const box = $(`${kind}-list`), current = box.querySelector("[aria-current]");
  if (current) box.scrollTop = current.offsetTop - box.clientHeight / 2;
}

function mark(kind) {
  for (const link of $(`${kind}-list`).querySelectorAll("a")) link.removeAttribute("aria-current");
  const place = shownNow[kind].findIndex(item => item.id === open[kind]);
  if (place >= 0) $(`${kind}-list`).children[place].firstChild.setAttribute("aria-current", "true");
  keepInSight(kind);
}

function filterProblems() {
  const [outcome, judged, iteration, model] = ["outcome", "verdict", "iteration", "model"].map(id => $(id).value);
  const text = $("search").value.toLowerCase();
  const found = data.trajectories.filter(item => (!outcome || item.outcome === outcome)
    && (!(judged || iteration || model) || item.attempts.some(one => (!judged || one.verdict === judged || `hidden ${one.hidden}` === judged)
      && (!iteration || String(one.iteration) === iteration) && (!model || one.model === model)))
    && (!text || item.id.toLowerCase().includes(text) || item.prompt.toLowerCase().includes(text)));
  list("problem", found, item => `${data.outcomes[item.outcome]}: ${item.attempts.map(verdict).join(" → ") || "no attempt"}`);
  $("problem-count").textContent = `${found.length} of ${data.trajectories.length} match`;
  if (found.length && !found.some(item => item.id === open.problem)) { open.problem = found[0].id; open.step = 0; mark("problem"); }
  showProblem();
}

function showProblem() {
  const item = data.trajectories.find(one => one.id === open.problem);
  const {attempts} = item, names = attempts.map(one => data.sampling ? `Sample ${one.iteration}` : one.iteration ? `Attempt ${one.iteration}` : "Draft");
  if (item.pair) names.push("Pair");
  open.step = Math.max(0, Math.min(open.step, names.length - 1));
  const at = open.step, attempt = attempts[at], go = step => choose("problem", item.id, step);
  const steps = names.map((name, step) => button(name, () => go(step), {"aria-current": step === at ? "step" : null}));
  const before = button("‹ Previous", () => go(at - 1), {disabled: at > 0 ? null : ""}), after = button("Next ›", () => go(at + 1), {disabled: at < names.length - 1 ? null : ""});
  const toggle = button(whole ? "Show changes" : "Show program", () => { whole = !whole; showProblem(); }, {"aria-pressed": String(whole)});
  const reasons = Object.entries(item.missing || {}).map(([reason, count]) => `${count} ${reason}`);
  const missing = reasons.length ? `; answers are missing: ${reasons.join("; ")}` : "";
  const focus = document.activeElement?.closest("#problem-detail button")?.textContent;
  $("problem-detail").replaceChildren(make("h3", {}, item.id), prose(item.prompt),
    make("p", {class: "note"}, `${data.outcomes[item.outcome]}${missing}`),
    make("div", {class: "steps", role: "group", "aria-label": "Attempts"}, before, steps, after, at && attempt ? toggle : []),
    ...(attempt ? [program(`${names[at]} by ${attempt.model}: ${verdict(attempt)}${at && !whole ? `, against ${names[at - 1].toLowerCase()}` : ""}`,
      "", changes(versions(attempts)[at], whole || !at)), ...feedback(attempt.feedback)] : item.pair ? [pair(item.pair)] : []));
  refocus("problem-detail", focus);
}

function button(text, press, attributes) {
  const made = make("button", {type: "button", ...attributes}, text);
  made.addEventListener("click", press);
  return made;
}

// A button that was pressed is made anew: whoever uses the keyboard stays where they were.
function refocus(id, text) {
  if (text) [...$(id).querySelectorAll("button:enabled")].find(one => one.textContent === text)?.focus({preventScroll: true});
}

const SOLVED = [["", "all"], ["10", "only the first solves"], ["01", "only the second solves"], ["11", "both solve"], ["00", "neither solves"]];

function filterTasks() {
  const sides = ["first", "second"].map(id => $(id).value), wanted = $("solved").value;
  const solved = item => sides.map(model => item.answers[model]?.[1] === "passed" ? "1" : "0").join("");
  const found = data.tasks.filter(item => !wanted || solved(item) === wanted);
  list("task", found, item => sides.map(model => `${data.models[model]}: ${words(item.answers[model]?.[1] ?? "no answer")}`).join("; "));
  $("task-count").textContent = `${found.length} of ${data.tasks.length} match`;
  if (found.length && !found.some(item => item.id === open.task)) { open.task = found[0].id; mark("task"); }
  showTask(sides);
}

function showTask(sides) {
  const item = data.tasks.find(one => one.id === open.task), places = sides.map(model => item.answers[model]?.[0] ?? null);
  const [low, high] = [...places].sort((one, other) => one - other), known = item.differing[`${low} ${high}`] ?? [[], []];
  const differing = places[0] === low ? known : [...known].reverse();
  const figures = sides.map((model, side) => {
    const [place, found, told] = item.answers[model] ?? [null, "no answer", ""], name = data.models[model];
    const lines = place === null ? ["(The judged program is not known.)"] : item.programs[place].replace(/(\r\n|\n|\r)$/, "").split(/\r\n|\n|\r/);
    const inside = new Set(places.includes(null) ? [] : differing[side]), [tag, kind] = side ? ["ins", "added"] : ["del", "removed"];
    const shown = lines.flatMap((text, at) => line(at + 1, inside.has(at) ? "≠" : "", inside.has(at) ? kind : "", source(inside.has(at) ? make(tag, {}, text) : text)));
    return make("div", {}, program(`${name}: ${words(found)}`, "", shown), feedback(told));
  });
  const same = places[0] !== null && places[0] === places[1] ? [make("p", {class: "note"}, "Both wrote the same program.")] : [];
  $("task-detail").replaceChildren(make("h3", {}, item.id), prose(item.prompt), ...same, make("div", {class: "sides"}, figures));
}

// The address says what is open, so that a link leads there.
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1)), kind = asked.has("problem") ? "problem" : asked.has("task") ? "task" : null;
  const items = kind === "problem" ? data.trajectories : data.tasks;
  if (!kind || !items.some(item => item.id === asked.get(kind))) return;
  for (const side of ["first", "second"]) if (Object.hasOwn(data.models, asked.get(side) ?? "")) $(side).value = asked.get(side);
  show(kind, asked.get(kind), Number(asked.get("step")) || 0);
  if (matchMedia("(max-width: 55.99rem)").matches) $(`${kind}-detail`).scrollIntoView();
}

function move(by) {
  const items = shownNow[last], place = items.findIndex(item => item.id === open[last]);
  const next = items[Math.max(0, Math.min(items.length - 1, place + by))];
  if (next) choose(last, next.id);
}

function aside(by) {
  if (open[last] === null) return;
  if (last === "problem") choose("problem", open.problem, open.step + by);
  else {
    const models = Object.keys(data.models), place = models.indexOf($("second").value) + by;
    $("second").value = models[(place + models.length) % models.length];
    choose("task", open.task);
  }
}

const KEYS = {
  j: () => move(1), k: () => move(-1), ArrowRight: () => aside(1), ArrowLeft: () => aside(-1),
  d: () => { whole = !whole; if (data.trajectories.length) showProblem(); },
  x: () => { if (data.tasks.length) { [$("first").value, $("second").value] = [$("second").value, $("first").value]; choose("task", open.task); } },
  "/": () => $("search")?.focus(),
};

document.addEventListener("keydown", event => {
  if (!$("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input[type=search]")) return;
  if (Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
});

function begin() {
  const order = new Intl.Collator("en", {numeric: true});
  for (const items of [data.trajectories, data.tasks]) items.sort((one, other) => order.compare(one.id, other.id));
  if (data.trajectories.length) {
    const count = (values, name) => values.filter(value => value === name).length, attempts = data.trajectories.flatMap(item => item.attempts);
    const outcomes = data.trajectories.map(item => item.outcome), distinct = values => [...new Set(values)].sort();
    fill($("outcome"), [["", "all"], ...Object.keys(data.outcomes).filter(name => data.totals[name])
      .map(name => [name, `${data.outcomes[name]} (${count(outcomes, name)} of ${data.totals[name]})`])]);
    const hidden = distinct(attempts.filter(one => one.hidden && one.hidden !== "passed").map(one => one.hidden));
    fill($("verdict"), [["", "any"], ...distinct(attempts.map(one => one.verdict)).map(name => [name, words(name)]), ...hidden.map(name => [`hidden ${name}`, `hidden tests: ${words(name)}`])]);
    fill($("iteration"), [["", "any"], ...[...new Set(attempts.map(one => one.iteration))].sort((one, other) => one - other).map(at => [String(at), at || data.sampling ? String(at) : "0, the draft"])]);
    fill($("model"), [["", "any"], ...distinct(attempts.map(one => one.model)).map(name => [name, name])]);
    for (const id of ["outcome", "verdict", "iteration", "model", "search"]) $(id).addEventListener("input", filterProblems);
    open.problem = data.trajectories[0].id;
    filterProblems();
  }
  if (data.tasks.length) {
    const models = Object.entries(data.models);
    for (const id of ["first", "second"]) fill($(id), models);
    $("second").value = data.second;
    fill($("solved"), SOLVED);
    for (const id of ["first", "second", "solved"]) $(id).addEventListener("input", filterTasks);
    open.task = data.tasks[0].id;
    filterTasks();
  }
  for (const form of document.forms) form.addEventListener("submit", event => event.preventDefault());
  addEventListener("hashchange", follow);
  follow();
}
begin();
