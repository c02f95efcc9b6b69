"use strict";
// Shows the problems that the page carries. Texts become text nodes; only MathML, made and checked when the page was
// written, is put in as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const STEP = 20;
const PRINTED = 3;
let shown = STEP;

function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

// A displayed formula has room around it; the empty lines that set it off in the source would double that.
const displayed = (piece) => typeof piece === "number" && data.formulas[piece][1].startsWith('<math display="block"');

function maths(pieces) {
  const text = make("span", "text");
  text.dir = "auto";
  for (const [place, piece] of pieces.entries()) {
    if (typeof piece === "string") {
      const left = displayed(pieces[place - 1]) ? piece.replace(/^\n+/, "") : piece;
      text.append(displayed(pieces[place + 1]) ? left.replace(/\n+$/, "") : left);
    } else if (at("source").checked) {
      text.append(make("code", "", data.formulas[piece][0]));
    } else {
      text.insertAdjacentHTML("beforeend", data.formulas[piece][1]);
    }
  }
  return text;
}

const words = (pieces) => pieces.map((piece) => (typeof piece === "string" ? piece : data.formulas[piece][0])).join("");
const completions = (problem) => [...problem.correct, ...problem.others];

function haystack(problem) {
  if (problem.words === undefined) {
    const parts = [problem.id, words(problem.question), problem.answer, problem.family, problem.strategy, problem.gold];
    for (const one of completions(problem)) {
      parts.push(one.id, one.by, one.extracted, one.trace, one.tags.join(" "), words(one.text));
    }
    problem.words = parts.join("\n").toLowerCase();
  }
  return problem.words;
}

function wanted() {
  const query = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [verdict, family, decision] = ["verdict", "family", "decision"].map((id) => at(id).value);
  const both = at("both").checked;
  const found = data.problems.filter((problem) =>
    (!verdict || problem.counts[verdict]) &&
    (!family || problem.family === family) &&
    (!decision || problem.decision === decision) &&
    (!both || (problem.counts.correct && problem.counts.incorrect)) &&
    query.every((word) => haystack(problem).includes(word)));
  const sign = { hard: 1, easy: -1 }[at("order").value];
  if (sign) found.sort((a, b) => sign * ((a.rate ?? 2 * sign) - (b.rate ?? 2 * sign)));
  return found;
}

function verdictOf(name) {
  return make("span", `verdict of-${name.replace(" ", "-")}`, name);
}

function rateOf(problem) {
  if (problem.attempts === null) return "no pass rate";
  if (problem.rate === null) return "no decided attempt";
  const ends = `${problem.low.toFixed(2)}, ${problem.high.toFixed(2)}`;
  return `pass rate ${problem.rate.toFixed(2)} [${ends}], ${problem.successes} of ${problem.attempts}`;
}

function completionOf(one) {
  const head = make("div", "head", verdictOf(one.verdict));
  if (one.extracted !== null) head.append(make("span", "", "answered ", make("b", "", one.extracted)));
  head.append(make("span", "quiet", `${one.tokens.toLocaleString("en")} tokens${one.cut_off ? ", cut off" : ""}`));
  head.append(make("span", "quiet", `${one.by}, ${one.prompt}`));
  if (one.trace !== null) head.append(make("span", "tag", `trace: ${one.trace}`));
  const card = make("article", `completion of-${one.verdict.replace(" ", "-")}`, head, maths(one.text));
  if (one.left_out) card.append(make("p", "quiet", `… and ${one.left_out.toLocaleString("en")} more characters`));
  if (one.reason && one.verdict !== "correct") card.append(make("p", "quiet", `verifier: ${one.reason}`));
  const labels = one.tags.filter((tag) => tag.startsWith("behaviour:")).map((tag) => tag.slice(10));
  if (labels.length) card.append(make("p", "quiet", `behaviours: ${labels.join(", ")}`));
  card.append(make("code", "quiet", one.id));
  return card;
}

function sideOf(name, rows, count) {
  const title = make("h4", "", `${name}: ${count}${rows.length < count ? `, ${rows.length} shown` : ""}`);
  const side = make("section", "side", title, ...rows.map(completionOf));
  if (!rows.length) side.append(make("p", "quiet", "none"));
  return side;
}

function fill(box, problem) {
  const total = Object.values(problem.counts).reduce((a, b) => a + b, 0);
  const correct = problem.counts.correct ?? 0;
  box.append(make("div", "two",
    sideOf("Correct", problem.correct, correct), sideOf("Not correct", problem.others, total - correct)));
}

function problemOf(problem) {
  const about = make("span", "about quiet",
    make("span", "tag", problem.decision),
    make("span", "", problem.family + (problem.level === null ? "" : `, level ${problem.level}`)),
    make("span", "", rateOf(problem)),
    ...Object.entries(problem.counts).map(([name, count]) => make("span", "", `${count} `, verdictOf(name))));
  const gold = problem.gold === null ? "" : ` (${problem.gold})`;
  const answer = make("span", "quiet", problem.answer === null ? "no gold" : `→ ${problem.answer}${gold}`);
  answer.classList.add("gold");
  const box = make("details", "problem", make("summary", "", maths(problem.question), answer, about));
  box.dataset.id = problem.id;
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) fill(box, problem);
  });
  return box;
}

function show() {
  const found = wanted();
  const open = new Set([...document.querySelectorAll(".problem[open]")].map((box) => box.dataset.id));
  at("problems").replaceChildren(...found.slice(0, shown).map(problemOf));
  for (const box of document.querySelectorAll(".problem")) box.open = open.has(box.dataset.id);
  const rest = Math.max(found.length - shown, 0);
  at("found").textContent = `${found.length} of ${data.problems.length} problems match` +
    (rest ? `; the first ${shown} are shown` : "");
  at("more").hidden = !rest;
}

function choices(id, values) {
  for (const value of [...new Set(values)].sort()) at(id).append(new Option(value, value));
}

function startTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const say = () => at("theme").setAttribute("aria-pressed", String(isDark()));
  at("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    say();
  });
  dark.addEventListener("change", say);
  at("theme").hidden = false;
  say();
}

// Paper cannot be opened: everything is, but of the problems those that the reader has opened, or a few.
function startPrinting() {
  const opened = [];
  addEventListener("beforeprint", () => {
    const few = document.querySelector(".problem[open]") ? 0 : PRINTED;
    const problems = [...document.querySelectorAll(".problem")].slice(0, few);
    for (const box of [...document.querySelectorAll("section details:not(.problem, [open])"), ...problems]) {
      box.open = true;
      box.dispatchEvent(new Event("toggle")); // the browser's own comes too late
      opened.push(box);
    }
  });
  addEventListener("afterprint", () => {
    for (const box of opened.splice(0)) box.open = false;
  });
}

function start() {
  choices("verdict", data.problems.flatMap((problem) => Object.keys(problem.counts)));
  choices("family", data.problems.map((problem) => problem.family));
  choices("decision", data.problems.map((problem) => problem.decision));
  let waiting = 0;
  const again = () => {
    shown = STEP;
    show();
  };
  at("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(again, 150);
  });
  for (const id of ["verdict", "family", "decision", "order", "both", "source"]) at(id).addEventListener("change", again);
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("more").addEventListener("click", () => {
    const first = shown;
    shown += STEP;
    show();
    document.querySelectorAll(".problem > summary")[first]?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, select")) {
      event.preventDefault();
      at("search").focus();
    }
  });
  startPrinting();
  at("filters").hidden = false;
  show();
}

startTheme();
start();
