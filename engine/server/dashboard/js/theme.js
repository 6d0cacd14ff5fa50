// Dark or light: as the system says, until the person says otherwise.

const KEY = "selfheal.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function show() {
  const wanted = localStorage.getItem(KEY) ?? (system.matches ? "dark" : "light");
  document.documentElement.dataset.theme = wanted;
}

export function toggleTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  // What the system says needs no keeping.
  if ((next === "dark") === system.matches) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  show();
}

show();
system.addEventListener("change", show);
