// The page: reads the document, shows what its address asks for, and what stands around it.
import { refreshCode } from "./code.js";
import { announce, h } from "./dom.js";
import { keyName, keyProblem, onKeyChange, setKey } from "./key.js";
import { isKept, key } from "./session.js";
import { Model } from "./model.js";
import { base } from "./request.js";
import { addSearch } from "./search.js";
import { contents, viewOf } from "./views.js";

const main = document.getElementById("main");
const navigation = document.getElementById("contents");
const menu = document.getElementById("menu");

/** The parts of the address behind "#/"; nothing where it is another kind of fragment. */
const route = () => (location.hash.startsWith("#/") ? location.hash.slice(2).split("/").map(decode) : [""]);

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Shows what the address asks for. */
function show(model, isFirst) {
  const path = route();
  const view = viewOf(path, model);
  document.title = `${view.title} · ${model.info.title} API`;
  main.replaceChildren(...view.nodes);
  for (const link of navigation.querySelectorAll("a")) {
    const isCurrent = link.getAttribute("href") === (location.hash || "#/") || (path[0] === "errors" && link.getAttribute("href") === "#/errors")
      || (path[0] === "schemas" && link.getAttribute("href") === "#/schemas");
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  navigation.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  closeMenu();
  const goal = (path[0] === "about" && document.getElementById(path[1])) || (path[0] === "errors" && path[1] && document.getElementById(`error-${path[1]}`));
  if (goal) {
    goal.scrollIntoView();
    goal.focus({ preventScroll: true });
  } else {
    scrollTo(0, 0);
    // Whoever opens the page begins where pages begin.
    if (!isFirst) main.querySelector("h1")?.focus({ preventScroll: true });
  }
}

function closeMenu() {
  navigation.classList.remove("open");
  menu.setAttribute("aria-expanded", "false");
}

menu.addEventListener("click", () => {
  const isOpen = navigation.classList.toggle("open");
  menu.setAttribute("aria-expanded", String(isOpen));
});
navigation.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !navigation.classList.contains("open")) return;
  closeMenu();
  menu.focus();
});
document.getElementById("skip").addEventListener("click", (event) => {
  // The fragment names the view: it stays.
  event.preventDefault();
  main.focus();
});

/** The colours of the system, unless the reader has chosen. */
function addTheme() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage is closed to this page: the choice lasts as long as the page.
    }
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
}

/** The field for the reader's key. */
function addKey() {
  const panel = document.getElementById("key");
  const summary = panel.querySelector("summary");
  const field = document.getElementById("key-field");
  const problem = document.getElementById("key-problem");
  const keep = document.getElementById("key-keep");
  const forget = document.getElementById("key-forget");
  const render = () => {
    summary.textContent = key() ? `Key ${keyName()}` : "Enter your key";
    forget.hidden = !key();
    keep.checked = isKept();
    refreshCode();
  };
  const complain = (text) => {
    problem.textContent = text ?? "";
    field.setAttribute("aria-invalid", String(Boolean(text)));
  };
  const close = () => {
    panel.open = false;
    summary.focus();
  };
  panel.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    const reason = keyProblem(text);
    complain(reason);
    if (reason) return field.focus();
    setKey(text, keep.checked);
    field.value = "";
    announce("The key is in use");
    close();
  });
  forget.addEventListener("click", () => {
    setKey("", false);
    announce("The key is forgotten");
    close();
  });
  const open = () => {
    complain(null);
    panel.open = true;
    field.focus();
  };
  // At once, not when the browser comes to it: what is typed next is the key.
  summary.addEventListener("click", (event) => {
    event.preventDefault();
    if (panel.open) close();
    else open();
  });
  document.addEventListener("enterkey", open);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape" && panel.open) close(); });
  document.addEventListener("pointerdown", (event) => { if (panel.open && !panel.contains(event.target)) panel.open = false; });
  onKeyChange(render);
  render();
}

async function start() {
  try {
    const answer = await fetch(`${base}/openapi.json`, { credentials: "omit" });
    if (!answer.ok) throw new Error(`The service answered ${answer.status}.`);
    const model = new Model(await answer.json());
    navigation.replaceChildren(contents(model));
    addSearch(document.getElementById("search"), document.getElementById("results"), model);
    addEventListener("hashchange", () => { if (!location.hash || location.hash.startsWith("#/")) show(model, false); });
    show(model, true);
    document.body.dataset.ready = "";
  } catch (error) {
    main.replaceChildren(h("h1", null, "The document could not be read"), h("p", null, String(error.message ?? error)),
      h("button.primary", { type: "button", click: () => location.reload() }, "Try again"));
  }
}

addTheme();
addKey();
start();
