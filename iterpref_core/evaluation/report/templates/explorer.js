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

// The lines of an attempt, [sign, text]: its changes, or the whole program.
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

// What is open: the id of a problem, and a step of it.
const open = {problem: null, step: 0};
let shownNow = [], whole = false;
const address = (id, step) => "#" + new URLSearchParams({problem: id, step: step ?? 0});

// The address follows a moment later: browsers stop a page that changes it with every press of a key that is held.
let later = 0;
function choose(id, step) {
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", address(id, step)), 300);
  show(id, step);
}

function show(id, step) {
  open.problem = id;
  open.step = step ?? 0;
  mark();
  showProblem();
}

function fill(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => make("option", {value}, visible(text))));
}

function list(items, describe) {
  shownNow = items;
  const links = items.map(item => make("li", {}, make("a", {href: address(item.id), "aria-current": item.id === open.problem ? "true" : null},
    make("b", {}, item.id), make("small", {}, describe(item)))));
  $("problem-list").replaceChildren(...links);
  keepInSight();
}

function keepInSight() {
  const box = $("problem-list"), current = box.querySelector("[aria-current]");
  if (current) box.scrollTop = current.offsetTop - box.clientHeight / 2;
}

function mark() {
  for (const link of $("problem-list").querySelectorAll("a")) link.removeAttribute("aria-current");
  const place = shownNow.findIndex(item => item.id === open.problem);
  if (place >= 0) $("problem-list").children[place].firstChild.setAttribute("aria-current", "true");
  keepInSight();
}

function filterProblems() {
  const [outcome, judged, iteration, model] = ["outcome", "verdict", "iteration", "model"].map(id => $(id).value);
  const text = $("search").value.toLowerCase();
  const found = data.trajectories.filter(item => (!outcome || item.outcome === outcome)
    && (!(judged || iteration || model) || item.attempts.some(one => (!judged || one.verdict === judged || `hidden ${one.hidden}` === judged)
      && (!iteration || String(one.iteration) === iteration) && (!model || one.model === model)))
    && (!text || item.id.toLowerCase().includes(text) || item.prompt.toLowerCase().includes(text)));
  list(found, item => `${data.outcomes[item.outcome]}: ${item.attempts.map(verdict).join(" → ") || "no attempt"}`);
  $("problem-count").textContent = `${found.length} of ${data.trajectories.length} match`;
  if (found.length && !found.some(item => item.id === open.problem)) { open.problem = found[0].id; open.step = 0; mark(); }
  showProblem();
}

function showProblem() {
  const item = data.trajectories.find(one => one.id === open.problem);
  const {attempts} = item, names = attempts.map(one => one.label ?? (data.sampling ? `Sample ${one.iteration}` : one.iteration ? `Attempt ${one.iteration}` : "Draft"));
  if (item.pair) names.push("Pair");
  open.step = Math.max(0, Math.min(open.step, names.length - 1));
  const at = open.step, attempt = attempts[at], go = step => choose(item.id, step);
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
      "", changes(attempt.lines, whole || !at)), ...feedback(attempt.feedback)] : item.pair ? [pair(item.pair)] : []));
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

// The address says what is open, so that a link leads there.
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1)), id = asked.get("problem"), outcome = asked.get("outcome");
  if (Object.hasOwn(data.totals, outcome)) { $("outcome").value = outcome; filterProblems(); $("problems").scrollIntoView(); }
  if (!data.trajectories.some(item => item.id === id)) return;
  show(id, Number(asked.get("step")) || 0);
  if (matchMedia("(max-width: 55.99rem)").matches) $("problem-detail").scrollIntoView();
}

function move(by) {
  const place = shownNow.findIndex(item => item.id === open.problem);
  const next = shownNow[Math.max(0, Math.min(shownNow.length - 1, place + by))];
  if (next) choose(next.id);
}

function aside(by) {
  if (open.problem !== null) choose(open.problem, open.step + by);
}

const KEYS = {
  j: () => move(1), k: () => move(-1), ArrowRight: () => aside(1), ArrowLeft: () => aside(-1),
  d: () => { whole = !whole; if (data.trajectories.length) showProblem(); },
  "/": () => $("search")?.focus(),
};

document.addEventListener("keydown", event => {
  if (!$("keys").checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input[type=search]")) return;
  if (Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
});

function begin() {
  if (!data.trajectories.length) return;
  const order = new Intl.Collator("en", {numeric: true});
  data.trajectories.sort((one, other) => order.compare(one.id, other.id));
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
  for (const form of document.forms) form.addEventListener("submit", event => event.preventDefault());
  addEventListener("hashchange", follow);
  follow();
}
begin();
