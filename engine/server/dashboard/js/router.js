// Which view an address shows. Addresses are `#/issues/issue-17?open=true`, so that one page serves all.

const routes = [];

/** `name` as in `#/name` and `#/name/thing`. */
export function route(name, view) {
  routes.push({ name, view });
}

/** What the address says: the view, the name after it, the query. */
export function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const found = routes.find((route) => route.name === name) ?? (name ? null : routes[0]);
  let thing;
  try {
    thing = rest.length ? decodeURIComponent(rest.join("/")) : undefined;
  } catch {
    thing = rest.join("/");
  }
  return { view: found?.view, section: found?.name, params: { name: thing, query: new URLSearchParams(query) } };
}

/** Writes filters into the address, so that it can be sent to somebody; `anew` shows the view again. */
export function setQuery(values, anew = false) {
  const given = Object.entries(values).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  const address = location.hash.split("?")[0] + (text && `?${text}`);
  if (anew) location.hash = address;
  else history.replaceState(null, "", address);
}
